# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client is told by DNS, and what the Windows DNS server has."""

from __future__ import annotations

import dns.resolver
import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, Query
from kmslab.control import Lab


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("corp.example", ["0 0 1688 kms1.corp.example.", "9 0 1688 kms0.corp.example."]),
        ("branch.example", ["5 0 1688 kms1.corp.example.", "9 0 1688 kms0.corp.example."]),
        ("ad.example", ["0 20 1688 kms2.corp.example.", "9 0 1688 kms0.corp.example."]),
        ("open.example", ["0 0 1688 kms3.corp.example."]),
    ],
)
def test_clients_find_the_host_beside_those_that_were_there(
    kms_hosts_in_dns: FindKmsHosts, domain: str, expected: list[str]
) -> None:
    assert kms_hosts_in_dns(domain) == expected


def test_the_time_to_live(resolver: dns.resolver.Resolver) -> None:
    answer = resolver.resolve("_vlmcs._tcp.branch.example.", "SRV")
    assert answer.rrset is not None
    assert answer.rrset.ttl == 900


@pytest.mark.parametrize(("host", "itself"), [("kms1", "false"), ("kms2", "false"), ("kms3", "true")])
def test_hosts_publish_themselves_where_nobody_else_does(query: Query, host: str, itself: str) -> None:
    [service] = query(host, "SELECT KeyManagementServiceDnsPublishing FROM SoftwareLicensingService")
    assert service["KeyManagementServiceDnsPublishing"] == itself


def test_the_record_on_the_windows_dns_server_does_not_grow_old(lab: Lab) -> None:
    [record] = [one for one in lab.zone("ad.example") if one["type"] == "SRV" and "kms2" in one["data"]]
    assert record["timestamp"] == 0
