# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether every name server of a zone answers as wanted: a primary, a secondary that lags, and some that never will."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.nameservers import (
    NameServer,
    View,
    look,
    name_servers,
    troubles,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, ensure

from .client import credential, hosts
from .name_servers import NameServers
from .servers import Bind, Knot

pytestmark = [pytest.mark.server(Bind.name), pytest.mark.server(Knot.name)]


@pytest.fixture(scope="module")
def servers() -> Iterator[NameServers]:
    running = NameServers()
    with running:
        yield running


def publish(servers: NameServers, zone: str, *left_out: str) -> dict[str, View]:
    """Publish a host on the primary; then what each address says."""
    asked = Server("127.0.0.1", servers.server_port, 5.0, credential(servers))
    goal = Goal(zone, hosts("kms01.lab.test"))
    outcome = ensure(asked, goal)
    views = look(asked, goal, outcome.zone, left_out=left_out, resolver=lambda name: [])
    return {view.address or view.name: view for view in views}


def test_who_they_are_is_known_to_the_primary(servers: NameServers) -> None:
    asked = Server("127.0.0.1", servers.server_port, 5.0, credential(servers))
    assert name_servers(asked, "lab.test") == (
        NameServer("ns1.lab.test", ("127.0.0.1", "::1")),
        NameServer("ns2.lab.test", ("127.0.0.2",)),
    )
    # Names that the server does not hold are looked up elsewhere.
    assert name_servers(asked, "lame.test", resolver=lambda name: ["::2"])[-1] == NameServer("ns5.lab.test", ("::2",))


def test_a_secondary_follows_by_zone_transfer(servers: NameServers) -> None:
    servers.secondary.hold()
    first = publish(servers, "lab.test")
    assert {address: view.status for address, view in first.items()} == {
        "127.0.0.1": "as_wanted",
        "::1": "as_wanted",
        "127.0.0.2": "differs",
    }
    (trouble,) = troubles(first.values())
    assert "ns2.lab.test (127.0.0.2, port" in trouble.problem
    assert "answers for lab.test: no record at all." in trouble.problem
    assert "zone transfer" in str(trouble.as_result()["remedy"])
    servers.knot.wait_for("serial 1 -> 2")
    again = publish(servers, "lab.test")
    assert troubles(again.values()) == []
    assert [record.as_result()["target"] for record in again["127.0.0.2"].records] == ["kms01.lab.test"]


def test_one_that_is_no_secondary_has_another_set(servers: NameServers) -> None:
    views = publish(servers, "stale.test")
    (trouble,) = troubles(views.values())
    assert (trouble.name, trouble.address, trouble.status) == ("ns3.lab.test", "127.0.0.3", "differs")
    assert "3600 IN SRV 0 0 1688 kms99.lab.test." in trouble.problem
    for unwanted in ("NS3.lab.test.", "127.0.0.3"):
        assert troubles(publish(servers, "stale.test", unwanted).values()) == []


def test_one_that_does_not_answer_and_one_without_the_zone_or_an_address(servers: NameServers) -> None:
    (dead,) = troubles(publish(servers, "dead.test").values())
    assert (dead.address, dead.status) == ("127.0.0.4", "no_answer")
    assert "refused the connection" in dead.problem
    assert f"TCP port {servers.server_port}" in str(dead.as_result()["remedy"])
    assert "nameservers_except" in str(dead.as_result()["remedy"])

    lame, nowhere = troubles(publish(servers, "lame.test").values())
    assert (lame.address, lame.status) == ("127.0.0.3", "no_answer")
    assert "REFUSED" in lame.problem
    assert (nowhere.name, nowhere.status) == ("ns5.lab.test", "no_address")
