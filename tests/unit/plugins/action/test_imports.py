# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a controller imports for an action: all of it is copied into the worker of every host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.winops.kms import plugins

#: Actions that look something up in DNS or in the directory, from the controller.
_WITH_LIBRARIES = {"ad_activation", "fleet_report", "windows_srv_record"}
_LIBRARIES = ("dns", "ldap3", "pyasn1", "gssapi")


def test_an_action_that_only_asks_its_host_brings_no_other_library() -> None:
    names = {path.stem for path in Path(plugins.__path__[0], "action").glob("[!_]*.py")}
    assert names > _WITH_LIBRARIES
    modules = ", ".join(f"{plugins.__name__}.action.{name}" for name in sorted(names - _WITH_LIBRARIES))
    code = f"import sys; sys.path[:] = {sys.path!r}; import {modules}; print(*(sys.modules.keys() & {_LIBRARIES!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
