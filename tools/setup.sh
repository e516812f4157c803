#!/usr/bin/env bash
# Make .venv from the locked dependencies. Safe to run again; the second run only checks.
#
#   1. a Python of 3.11 or later (3.11 first: it is what the tests run on)
#   2. uv: the one on the PATH when it is new enough, else a pinned one from PyPI, checked by hash, into .tools/
#   3. .venv from uv.lock, every package checked by hash
#   4. the project itself into .venv, editable; its build requirements are checked by hash too
#
# Only PyPI is asked, and Debian's archive where a fresh python3 cannot make a virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly UV_AT_LEAST="0.13"
readonly UV_FOLDER=".tools/uv"
readonly STAMP=".venv/.identity-hub-setup"

# What the machine prefers must not change what is installed.
unset UV_PYTHON UV_PROJECT_ENVIRONMENT UV_NO_DEV UV_FROZEN UV_LOCKED VIRTUAL_ENV PYTHONHOME PYTHONPATH
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# pip and uv carry certificates of their own; what the machine trusts (a company's mirror, say) is in the system's bundle.
trust_what_the_machine_trusts() {
    local bundle=/etc/ssl/certs/ca-certificates.crt
    if [ -s "$bundle" ]; then
        export PIP_CERT="${PIP_CERT:-$bundle}" SSL_CERT_FILE="${SSL_CERT_FILE:-$bundle}"
    fi
}

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

may_install() { command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; }

# apt_install COMMAND-FOR-PEOPLE PACKAGE...
apt_install() {
    may_install || fail "$* is missing and cannot be installed here; run: sudo apt-get install -y --no-install-recommends $*"
    say "installing Debian packages: $*"
    as_root apt-get -q update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@"
    trust_what_the_machine_trusts
}

# A shim of pyenv may stand on the PATH and answer nothing, so every candidate is asked.
is_good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in python3.11 /usr/bin/python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python3 \
        python3 /usr/bin/python3 python3.12 python3.13 python3.14 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do
        if is_good_python "$candidate"; then
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
    return 1
}

is_good_uv() {
    local version
    version="$("$1" --version 2>/dev/null | awk '{print $2}')" || return 1
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$UV_AT_LEAST" "$version" | sort -V | head -n 1)" = "$UV_AT_LEAST" ]
}

find_uv() {
    local candidate
    for candidate in "$UV_FOLDER/bin/uv" uv; do
        if is_good_uv "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_uv() {
    say "installing uv from PyPI into $UV_FOLDER (pinned, checked by hash)"
    rm -rf "$UV_FOLDER"
    mkdir -p .tools
    if ! "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        if "$PYTHON" -m pip --version >/dev/null 2>&1; then
            "$PYTHON" -m pip install -q --target "$UV_FOLDER" --require-hashes --only-binary :all: \
                -r tools/uv-requirements.txt
            return
        fi
        apt_install python3-venv ca-certificates
    fi
    "$PYTHON" -m venv "$UV_FOLDER" ||
        fail "$PYTHON cannot make a virtual environment; run: sudo apt-get install -y --no-install-recommends python3-venv"
    "$UV_FOLDER/bin/python" -m pip install -q --require-hashes --only-binary :all: -r tools/uv-requirements.txt
}

trust_what_the_machine_trusts
PYTHON="$(find_python)" || {
    apt_install python3 python3-venv ca-certificates
    PYTHON="$(find_python)" || fail "Python 3.11 or later is needed, and Debian's python3 here is older"
}
UV="$(find_uv)" || {
    install_uv
    UV="$(find_uv)" || fail "uv was installed into $UV_FOLDER and does not run"
}

wanted="$(cat pyproject.toml uv.lock tools/build-requirements.txt | sha256sum | cut -d ' ' -f 1)"
if [ -x .venv/bin/idhub ] && [ -x .venv/bin/python ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ]; then
    "$UV" sync -q --frozen --no-install-project --inexact
    say ".venv is up to date"
    exit 0
fi

say "making .venv with $("$PYTHON" --version) and $("$UV" --version | cut -d ' ' -f 1,2) from uv.lock"
[ ! -e .venv ] || is_good_python .venv/bin/python || rm -rf .venv
[ -x .venv/bin/python ] || "$UV" venv -q --python "$PYTHON" .venv
"$UV" sync -q --frozen --no-install-project
"$UV" pip install -q --python .venv/bin/python --no-deps --build-constraints tools/build-requirements.txt --editable .
printf '%s\n' "$wanted" >"$STAMP"
say ".venv is ready"
