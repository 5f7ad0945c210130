# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the scenarios look with: the lab's control API, a DNS resolver, and WQL by a foreign library.

Nothing of the collection is used. A machine is read by pypsrp where the scenario ran by winrm, and by pywinrm where it
ran by psrp.
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
import yaml
from labsupport.foreign import psrp_query, winrm_query
from pypsrp.wsman import WSMan
from winrm.protocol import Protocol

from ansible_collections.winops.kms.extensions.molecule.utils.lab import attach, remember, zones
from kmslab.control import Lab

Row = dict[str, str | None]
#: (machine, WQL) -> instances, as they are on the wire.
Query = Callable[[str, str], list[Row]]
#: Domain -> its KMS hosts as `priority weight port target.`, as any client would be told.
FindKmsHosts = Callable[[str], list[str]]

ESTATE = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "estate.yml")
DIRECTORY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab")


def pytest_sessionfinish() -> None:
    """The next step of the scenario begins here."""
    remember(DIRECTORY, ESTATE)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The scenario's lab, which runs already."""
    return attach(DIRECTORY, ESTATE)


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
def kms_hosts_in_dns(lab: Lab) -> FindKmsHosts:
    """Asks the DNS server as clients do."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = lab.info["dns_port"]

    def find(domain: str) -> list[str]:
        try:
            answer = resolver.resolve(f"_vlmcs._tcp.{domain}.", dns.rdatatype.SRV)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return sorted(str(record) for record in answer)

    return find


@pytest.fixture
def query(lab: Lab) -> Query:
    """Asks a machine by WQL."""
    inventory = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]

    def ask(machine: str, wql: str) -> list[Row]:
        variables = {**inventory["vars"], **inventory["hosts"][machine]}
        user, password = variables["ansible_user"], variables["ansible_password"]
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
