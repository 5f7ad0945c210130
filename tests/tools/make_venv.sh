#!/bin/sh
# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes the virtual environment $1 and installs requirements/dev.txt into it.
# Python 3.11 is preferred because the default ansible-core release supports 3.11 to 3.13; any newer one is tried as well.
set -eu
cd "$(dirname "$0")/../.."
venv=$1

usable() {  # a version manager's shim may exist and yet not run, so every candidate is run
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

apt() {  # output only when it fails: a first `make demo` is to show the demo
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Where ensurepip is missing, `python3 -m venv` leaves an environment without pip behind.
if ! usable "$venv/bin/python" || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=
    for candidate in ${PYTHON:-} python3.11 /usr/bin/python3.11 python3.12 python3.13 python3; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "No Python 3.11 or newer was found. Install one, or name it: make venv PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            echo "$python cannot make virtual environments (no ensurepip). On Debian, as root: apt install $package" >&2
            exit 1
        fi
        echo "Installing $package"
        apt update
        apt install -y --no-install-recommends "$package"
    fi
    echo "Creating $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input -r requirements/dev.txt
