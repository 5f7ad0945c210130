# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as Ansible runs it, against BIND and, with Kerberos, against BIND and Samba."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .servers import KEYS, Bind, BindWithKdc, DnsServer, Samba

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

Running = Callable[[str], DnsServer]


def play(playbook: str, folder: Path, variables: dict[str, Any]) -> str:
    """Everything that a playbook says at the highest verbosity. It must not fail."""
    path = folder / "variables.json"
    path.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "ANSIBLE_HOME": str(folder),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-vvvvv", "-i", "localhost,", "-c", "local", "-e", f"@{path}", HERE / playbook],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@pytest.mark.server(Bind.name)
def test_a_playbook(running: Running, tmp_path: Path) -> None:
    server = running(Bind.name)
    server.clear()
    variables = {"server_port": server.port, "secret": KEYS["kms-key"], "other_secret": KEYS["other-key"]}
    output = play("module.yml", tmp_path, variables)
    assert "BADSIG" in output
    for secret in KEYS.values():
        assert secret not in output


@pytest.mark.parametrize("gss_server", [BindWithKdc.name, Samba.name], indirect=True)
def test_a_playbook_with_kerberos(gss_server: DnsServer, tmp_path: Path) -> None:
    realm = gss_server.kerberos
    assert realm is not None
    gss_server.clear()
    ccache = tmp_path / "tickets"
    realm.get_tickets(realm.publisher, ccache)
    tells = gss_server.name == BindWithKdc.name
    variables = {
        "server_port": gss_server.port,
        "hostname": realm.hostname,
        "principal": realm.publisher.principal,
        "password": realm.publisher.password,
        "wrong_password": "Passw0rd.wrong",
        "keytab": str(realm.publisher.keytab),
        "other_keytab": str(realm.other.keytab),
        "ccache": str(ccache),
        "expect_may_update": True if tells else None,
        "expect_other_may_update": False if tells else None,
    }
    output = play("module_gss.yml", tmp_path, variables)
    assert realm.publisher.principal in output
    assert "Passw0rd" not in output
    for path in (realm.publisher.keytab, ccache):
        content = path.read_bytes()
        # The keys and tickets are at the end of these files.
        assert base64.b64encode(content[-48:]).decode() not in output
        assert content[-16:].hex() not in output.lower()
