# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the host's own connection are what counts: HTTPS, IPv6, and where the user and password come from."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import Ansible, Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("running")

TASKS = [{"winops.kms.client": {"gvlk": True, "host_caching": False}}]


def over_https(connection: str, lab: Lab, *, ca_file: str | None) -> dict[str, Any]:
    """Variables of a connection by HTTPS, with the lab's certificate authority or without."""
    variables: dict[str, dict[str, Any]] = {
        "winrm": {"ansible_winrm_scheme": "https", "ansible_winrm_ca_trust_path": ca_file},
        "psrp": {"ansible_psrp_protocol": "https", "ansible_psrp_ca_cert": ca_file},
    }
    found = {name: value for name, value in variables[connection].items() if value is not None}
    return {"ansible_port": lab.info["https_port"], **found}


def test_https(lab: Lab, play: Play, connection: str) -> None:
    trusted = over_https(connection, lab, ca_file=lab.info["ca_file"])
    run = play(TASKS, hosts="pc", connection=connection, extra_vars=trusted)
    assert run.changes() == {"pc": {"host_caching": (True, False)}}
    assert lab.machine("pc")["settings"]["host_caching"] is False

    lab.clear_requests()
    untrusted = over_https(connection, lab, ca_file=None)
    run = play(TASKS, hosts="pc", connection=connection, extra_vars=untrusted, expect="unreachable")
    assert "certificate" in run.result("pc")["msg"].lower()
    assert lab.requests() == []


def loopback() -> list[str]:
    """The names and addresses under which this machine reaches itself; one without IPv6 has no ::1."""
    found = ["localhost"]
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        found.append("::1")
    return found


@pytest.mark.parametrize("address", loopback())
def test_address(address: str, lab: Lab, play: Play, connection: str) -> None:
    run = play(TASKS, hosts="pc", connection=connection, extra_vars={"ansible_host": address})
    assert run.changed("pc")
    assert kinds(lab.requests("pc")).keys() == {"read", "write"}


def test_user_and_password_of_the_run(lab: Lab, tmp_path: Path, connection: str) -> None:
    """As AWX hands its machine credential over: by the run's remote user and connection password, not by variables."""
    inventory = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))
    user = inventory["all"]["vars"].pop("ansible_user")
    password = inventory["all"]["vars"].pop("ansible_password")
    path = tmp_path / "without_login.yml"
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    secret = tmp_path / "password"
    secret.write_text(password, encoding="utf-8")
    ansible = Ansible(lab, tmp_path, inventory=path)
    environment = {"ANSIBLE_REMOTE_USER": user, "ANSIBLE_CONNECTION_PASSWORD_FILE": str(secret)}

    run = ansible.play(TASKS, hosts="pc", connection=connection, environment=environment)
    assert run.changed("pc")

    secret.write_text("not it", encoding="utf-8")
    run = ansible.play(TASKS, hosts="pc", connection=connection, environment=environment, expect="unreachable")
    assert "not it" not in run.output


def test_options_shared_by_the_modules(lab: Lab, play: Play) -> None:
    """The action group `winops.kms.kms` works as in the documentation."""
    tasks: list[dict[str, Any]] = [
        {name: {}, "name": name} for name in ("winops.kms.license_info", "winops.kms.activation")
    ]
    plays = [{"hosts": "pc", "module_defaults": {"group/winops.kms.kms": {"application": "office"}}, "tasks": tasks}]
    run = play(plays, expect="failed")
    assert run.result("pc", "winops.kms.license_info")["license"] is None
    assert "no volume edition of Office" in run.result("pc", "winops.kms.activation")["msg"]
