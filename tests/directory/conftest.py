# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Samba domain controller for all tests, and a lab whose machines write into it.

Root, Debian's packages samba, samba-ad-provision, samba-dsdb-modules, samba-vfs-modules, winbind, ldb-tools and
ldap-utils, and the Python library gssapi are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import Ansible, Play
from kmslab.control import Lab

from .samba import ADMINISTRATOR, ADMINISTRATOR_PASSWORD, BASE, READER, READER_PASSWORD, SambaDirectory

HOST_KEY = "N2222-22222-22222-22222-HK222"
OLD_HOST_KEY = "N2222-22222-22222-22222-HK239"
#: Machine -> a key for it alone.
KEYS_OF_THEIR_OWN = {
    f"srv-{number:02d}": f"N2222-22222-22222-22222-HK{first}{second}2"
    for number, (first, second) in enumerate(itertools.product("BCDFGH", repeat=2), 1)
}


@pytest.fixture(scope="session")
def _running() -> Iterator[SambaDirectory]:
    with SambaDirectory() as directory:
        yield directory


@pytest.fixture
def directory(_running: SambaDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SambaDirectory:
    """The domain controller, without activation objects; Kerberos finds its realm and no ticket of anybody."""
    _running.clear()
    monkeypatch.setenv("KRB5_CONFIG", str(_running.krb5_config))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/no-tickets")
    return _running


def reading(directory: SambaDirectory, **more: Any) -> dict[str, Any]:
    """Options of a module that reads as the account that everybody could be."""
    return {
        "ldap_server": [directory.address],
        "ldap_ca_file": str(directory.ca_file),
        "ldap_user": READER,
        "ldap_password": READER_PASSWORD,
        **more,
    }


def writing(directory: SambaDirectory, **more: Any) -> dict[str, Any]:
    """The same as an administrator."""
    return reading(directory, ldap_user=ADMINISTRATOR, ldap_password=ADMINISTRATOR_PASSWORD, **more)


@pytest.fixture(scope="session")
def _lab(_running: SambaDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    estate = {
        "name": "forest",
        "domain": "lab.test",
        "keys": [
            {"key": HOST_KEY, "channel": "csvlk", "group": "ws2025"},
            {"key": OLD_HOST_KEY, "channel": "csvlk", "group": "ws2022"},
            *({"key": key, "channel": "csvlk", "group": "ws2025"} for key in KEYS_OF_THEIR_OWN.values()),
        ],
        "zones": [{"name": "lab.test"}],
        "directory": {
            "url": f"ldaps://{_running.address}",
            "bind_dn": ADMINISTRATOR,
            "password": ADMINISTRATOR_PASSWORD,
            "ca_file": str(_running.ca_file),
            "base": BASE,
        },
        "defaults": {
            "domain": "lab.test",
            "accounts": {
                "Administrator": {"password": "Lab-only-1", "rights": "full"},
                "local": {"password": "Lab-only-2", "rights": "full"},
            },
        },
        "machines": [
            {"name": "dc1", "edition": "ServerStandard", "build": 20348, "groups": ["controllers"]},
            {"name": "dc2", "edition": "ServerStandard", "build": 26100, "groups": ["controllers"]},
            {"name": "pc1", "edition": "Enterprise", "build": 22631, "groups": ["clients"]},
            *({"name": name, "edition": "ServerStandard", "build": 20348} for name in KEYS_OF_THEIR_OWN),
        ],
    }
    path = tmp_path_factory.mktemp("estate") / "forest.yml"
    path.write_text(yaml.safe_dump(estate), encoding="utf-8")
    with Lab(path) as lab:
        yield lab


@pytest.fixture
def lab(_lab: Lab, directory: SambaDirectory) -> Lab:
    """A lab with two servers and a client in the domain, as at its start."""
    _lab.reset()
    return _lab


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Play:
    """Runs ansible-playbook on the test's lab; see `harness.Ansible.play`."""
    return Ansible(lab, tmp_path).play


@pytest.fixture(params=["winrm", "psrp"])
def connection(request: pytest.FixtureRequest) -> str:
    """Both connection plugins."""
    name: str = request.param
    return name
