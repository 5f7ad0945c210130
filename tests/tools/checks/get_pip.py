# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-in for the pip bootstrap script that ansible-test would download.

ansible-test makes its virtual environments without pip and fetches `get-pip.py` from a host of its own. Python brings a
pip along (ensurepip), so nothing but the package index is needed. The arguments are the requirements of that script,
such as `pip==24.2`, and options, some of which only that script knows.
"""

from __future__ import annotations

import os
import subprocess
import sys

_ONLY_GET_PIP = {"--no-setuptools", "--no-wheel"}

# ensurepip in this very process would leave its own pip settings in the environment, and the user's (a private
# certificate authority, a proxy) out of it; so it gets a process of its own.
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
wanted = [word for word in sys.argv[1:] if word not in _ONLY_GET_PIP]
environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--upgrade", "--quiet", *wanted], env=environment))
