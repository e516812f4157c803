#!/usr/bin/env bash
# Make .venv from the locked dependencies. Safe to run again, also twice at once; the second run only checks.
#
#   1. a Python of 3.11 or later (3.11 first: it is what the tests run on)
#   2. uv: the one on the PATH when it is new enough, else a pinned one from PyPI, checked by hash, into .tools/
#   3. .venv from uv.lock, every package checked by hash, and the project itself, editable
#   4. what builds the project, checked by hash, into .tools/build: the tests build the wheel with it, offline
#   5. bytecode of all of it: a process starts in a third of the time, also from a checkout that it may not write to
#
# Only PyPI is asked, and Debian's archive where a fresh python3 cannot make a virtual environment. A .venv holds the path that it was
# made at: after a move it is made again. Needs neither HOME nor a terminal; runs as any user that may write to the checkout.

# `sh tools/setup.sh`, where sh is dash.
# shellcheck disable=SC2128
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"

set -euo pipefail
unset CDPATH
# Without a PATH from outside, bash has one of its own that programs do not get; Python then cannot tell where it is.
export PATH
cd "$(dirname "$0")/.."

readonly UV_AT_LEAST="0.13"
readonly UV_FOLDER=".tools/uv"
readonly BUILD_FOLDER=".tools/build"
readonly STAMP=".venv/.identity-hub-setup"
readonly OURS=(claims idp sso_connect admin hub examples tools)

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# What the machine prefers must not change what is installed. Where it fetches from (a mirror, a proxy, certificates, a cache) may stay.
forget_what_the_machine_prefers() {
    local name
    for name in $(compgen -e); do
        case "$name" in
            UV_*INDEX* | PIP_*INDEX_URL* | UV_*CERT* | PIP_*CERT* | UV_*PROXY* | PIP_PROXY | *_CACHE_DIR | *_TIMEOUT | *_RETRIES) ;;
            PIP_TRUSTED_HOST | UV_INSECURE_HOST | UV_NATIVE_TLS | UV_SYSTEM_CERTS | UV_KEYRING_PROVIDER | UV_CONCURRENT_* | UV_LINK_MODE) ;;
            UV_* | PIP_*) unset "$name" ;;
        esac
    done
    unset VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE PYTHONSTARTUP PYTHONSAFEPATH
    export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
}

# A service account has no home, or one that it may not write to; what is downloaded is kept in the checkout then.
find_a_cache() {
    local cache="${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}"
    # A home that is not there is not made, though root could.
    if [ -n "$cache" ] && [ -d "$(dirname "$cache")" ] && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then
        return
    fi
    export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.tools/cache/uv}" PIP_CACHE_DIR="${PIP_CACHE_DIR:-$PWD/.tools/cache/pip}"
}

# pip and uv carry certificates of their own; what the machine trusts (a company's mirror, say) is in the system's bundle.
trust_what_the_machine_trusts() {
    local bundle=/etc/ssl/certs/ca-certificates.crt
    if [ -s "$bundle" ]; then
        export PIP_CERT="${PIP_CERT:-$bundle}" SSL_CERT_FILE="${SSL_CERT_FILE:-$bundle}"
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

may_install() { command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; }

# apt_install PACKAGE...
apt_install() {
    local by_hand="run: sudo apt-get install -y --no-install-recommends $*"
    may_install || fail "$* is missing and cannot be installed here; $by_hand"
    say "installing Debian packages: $*"
    as_root apt-get -q update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@" || fail "$* could not be installed; $by_hand"
    trust_what_the_machine_trusts
}

# A shim of pyenv may stand on the PATH and answer nothing, so every candidate is asked.
is_good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate pyenv="${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"
    for candidate in python3.11 /usr/bin/python3.11 "$pyenv"/versions/3.11*/bin/python3 \
        python3 /usr/bin/python3 python3.12 python3.13 python3.14 "$pyenv"/versions/3.1[2-9]*/bin/python3; do
        candidate="$(command -v "$candidate")" || continue
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

# The path is part of it: the programs in .venv/bin name the checkout in their first line.
what_is_wanted() { { pwd -P && cat pyproject.toml uv.lock tools/build-requirements.txt tools/setup.sh; } | sha256sum | cut -d ' ' -f 1; }

is_up_to_date() {
    [ "$(cat "$STAMP" 2>/dev/null)" = "$(what_is_wanted)" ] && is_good_python .venv/bin/python && [ -x .venv/bin/idhub ] &&
        [ -d "$BUILD_FOLDER" ]
}

# Only what changed is compiled. A checkout that may not be written to was compiled by whoever made it.
compile_bytecode() {
    local parts=() part
    for part in "${OURS[@]}"; do
        [ ! -d "$part" ] || parts+=("$part")
    done
    .venv/bin/python -m compileall -q "${parts[@]}" >/dev/null 2>&1 || true
}

forget_what_the_machine_prefers
if [ ! -w . ]; then
    is_up_to_date || fail "$(pwd -P) cannot be written to and .venv is not up to date: run make setup as the user that owns it"
    say ".venv is up to date"
    exit 0
fi

mkdir -p .tools
if command -v flock >/dev/null; then
    exec 9>.tools/setup.lock
    flock -n 9 || { say "waiting for another set-up of this checkout" && flock 9; }
fi
if is_up_to_date; then
    compile_bytecode
    say ".venv is up to date"
    exit 0
fi

find_a_cache
trust_what_the_machine_trusts
PYTHON="$(find_python)" || {
    apt_install python3 python3-venv ca-certificates
    PYTHON="$(find_python)" || fail "Python 3.11 or later is needed, and Debian's python3 here is older"
}
UV="$(find_uv)" || {
    install_uv
    UV="$(find_uv)" || fail "uv was installed into $UV_FOLDER and does not run"
}

say "making .venv with $("$PYTHON" --version) and $("$UV" --version | cut -d ' ' -f 1,2) from uv.lock"
# What a killed run, another path or another Python left is not repaired but made again.
if [ "$(cat "$STAMP.path" 2>/dev/null)" != "$(pwd -P)" ] || ! is_good_python .venv/bin/python; then
    rm -rf .venv
fi
rm -f "$STAMP" "$STAMP.path"
[ -x .venv/bin/python ] || "$UV" venv -q --python "$PYTHON" .venv
"$UV" sync -q --frozen --no-install-project --compile-bytecode
"$UV" pip install -q --python .venv/bin/python --no-deps --build-constraints tools/build-requirements.txt --editable .
rm -rf "$BUILD_FOLDER"
"$UV" pip install -q --python .venv/bin/python --target "$BUILD_FOLDER" --require-hashes -r tools/build-requirements.txt
compile_bytecode
pwd -P >"$STAMP.path"
what_is_wanted >"$STAMP"
say ".venv is ready"
