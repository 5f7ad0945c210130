# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as Ansible runs it, against BIND."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .servers import KEYS, Bind, DnsServer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.mark.server(Bind.name)
def test_a_playbook(running: Callable[[str], DnsServer], tmp_path: Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_text(
        json.dumps(
            {
                "server_port": running(Bind.name).port,
                "secret": KEYS["kms-key"],
                "other_secret": KEYS["other-key"],
                "ansible_python_interpreter": sys.executable,
            }
        )
    )
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-vvvvv",
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            f"@{variables}",
            HERE / "module.yml",
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "BADSIG" in output
    for secret in KEYS.values():
        assert secret not in output
