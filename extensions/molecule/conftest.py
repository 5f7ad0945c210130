# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the scenarios look with; nothing of the collection is used.

That is the lab's control API, a DNS resolver, what slmgr.vbs prints (testinfra's WinRM backend runs it), and WQL by a
library: pypsrp where the scenario ran by winrm, and pywinrm where it ran by psrp.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.resolver
import pytest
import testinfra
import yaml
from labsupport.foreign import psrp_query, winrm_query
from pypsrp.wsman import WSMan
from winrm.protocol import Protocol

from ansible_collections.winops.kms.extensions.molecule.utils.lab import attach, remember, zones
from kmslab.control import Exchange, Lab

Row = dict[str, str | None]
#: (machine, switch such as /dli) -> what slmgr.vbs prints.
Slmgr = Callable[[str, str], list[str]]
#: (machine, WQL) -> instances, as they are on the wire.
Query = Callable[[str, str], list[Row]]
#: Machine -> the one product of Windows that has a key.
ReadKey = Callable[[str], Row]
#: Domain -> its KMS hosts as `priority weight port target.`, as any client would be told.
FindKmsHosts = Callable[[str], list[str]]

WINDOWS_KEY = (
    "SELECT Description,LicenseStatus,PartialProductKey,KeyManagementServiceMachine,"
    "DiscoveredKeyManagementServiceMachineName FROM SoftwareLicensingProduct "
    "WHERE ApplicationID='55c92734-d682-4d71-983e-d6ec3f16059f' AND PartialProductKey IS NOT NULL"
)
ESTATE = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "estate.yml")
DIRECTORY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab")


_RECORDED = pytest.StashKey[list[Exchange]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before the tests ask anything themselves."""
    session.config.stash[_RECORDED] = attach(DIRECTORY, ESTATE).requests()


def pytest_sessionfinish() -> None:
    """The next step of the scenario begins here."""
    remember(DIRECTORY, ESTATE)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The scenario's lab, which runs already."""
    return attach(DIRECTORY, ESTATE)


@pytest.fixture
def recorded(pytestconfig: pytest.Config) -> list[Exchange]:
    """What the machines were asked since the last verify step ended, or the lab was started."""
    return pytestconfig.stash[_RECORDED]


@pytest.fixture
def zones_before() -> dict[str, Any]:
    """Zone -> its records, when the last verify step ended or the lab was started."""
    records: dict[str, Any] = json.loads((DIRECTORY / "zones.json").read_text(encoding="utf-8"))
    return records


@pytest.fixture
def zones_now(lab: Lab) -> dict[str, Any]:
    """The same as they are."""
    return zones(ESTATE, lab)


@pytest.fixture
def resolver(lab: Lab) -> dns.resolver.Resolver:
    """Asks the DNS server that the clients ask."""
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers = ["127.0.0.1"]
    asking.port = lab.info["dns_port"]
    return asking


@pytest.fixture
def kms_hosts_in_dns(resolver: dns.resolver.Resolver) -> FindKmsHosts:
    """Looks for KMS hosts as clients do."""

    def find(domain: str) -> list[str]:
        try:
            answer = resolver.resolve(f"_vlmcs._tcp.{domain}.", dns.rdatatype.SRV)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return sorted(str(record) for record in answer)

    return find


@pytest.fixture
def login(lab: Lab) -> tuple[str, str]:
    """User and password, as in the inventory."""
    variables = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]["vars"]
    return variables["ansible_user"], variables["ansible_password"]


@pytest.fixture
def slmgr(lab: Lab, login: tuple[str, str]) -> Slmgr:
    """Has a machine say itself what is the matter."""

    def run(machine: str, switch: str) -> list[str]:
        port = lab.info["machine_ports"][machine]["http"]
        host = testinfra.get_host(f"winrm://{login[0]}:{login[1]}@127.0.0.1:{port}", no_ssl=True)
        done = host.run(f"cscript //nologo %SystemRoot%\\System32\\slmgr.vbs {switch}")
        assert done.rc == 0, done
        # The code page of a console in German; it has all characters that one in English has.
        return [line for line in done.stdout_bytes.decode("cp850").splitlines() if line]

    return run


@pytest.fixture
def query(lab: Lab, login: tuple[str, str]) -> Query:
    """Asks a machine by WQL."""
    user, password = login

    def ask(machine: str, wql: str) -> list[Row]:
        if os.environ["KMS_CONNECTION"] == "psrp":
            endpoint = lab.endpoint(machine)
            return winrm_query(Protocol(endpoint, transport="basic", username=user, password=password), wql)
        with WSMan(
            "127.0.0.1",
            port=lab.info["http_port"],
            path=f"{machine}/wsman",
            username=user,
            password=password,
            auth="basic",
            ssl=False,
            encryption="never",
        ) as wsman:
            return psrp_query(wsman, wql)

    return ask


@pytest.fixture
def windows_key(query: Query) -> ReadKey:
    """Reads what Windows has a key for."""

    def read(machine: str) -> Row:
        [product] = query(machine, WINDOWS_KEY)
        return product

    return read
