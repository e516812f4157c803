#!/usr/bin/env bash
# Everything that can be said about the code without running it. All checks run; the last line says which did not pass.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

failed=()

check() {
    local name="$1"
    shift
    printf 'check: %s\n' "$name"
    "$@" || failed+=("$name")
}

shell_scripts_parse() {
    local script status=0
    for script in tools/*.sh .ci/run; do
        bash -n "$script" || status=1
    done
    return "$status"
}

check "lint (ruff check)" .venv/bin/ruff check -q .
check "formatting (ruff format)" .venv/bin/ruff format --check .
check "types (mypy --strict)" .venv/bin/mypy --no-error-summary
check "import rules (import-linter)" .venv/bin/lint-imports --no-cache --no-logo
check "shell scripts (bash -n)" shell_scripts_parse

if [ "${#failed[@]}" -gt 0 ]; then
    printf 'check: NOT passed: %s\n' "$(IFS=,; printf '%s' "${failed[*]}" | sed 's/,/, /g')" >&2
    exit 1
fi
printf 'check: all passed\n'
