# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every promise of the update loop, on every server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import dns.resolver
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import Unsigned
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host, Outcome, ensure
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import primary_of

from .client import OWNER, concurrently, credential, hosts, lines, run, serial
from .servers import Bind, BindWithKdc, DnsServer, Knot, Lab, PowerDns, Samba

WRITERS = 12


@pytest.fixture
def server(every_server: DnsServer) -> DnsServer:
    """Each server, with empty sets."""
    every_server.clear()
    return every_server


def test_a_life_of_two_hosts(server: DnsServer) -> None:
    first = run(server)
    assert (first.changed, first.attempts) == (True, 1)
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test."]
    second = run(server, "kms02.lab.test", priority=10, weight=5)
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test.", "3600 10 5 1688 kms02.lab.test."]
    assert [record.as_result()["target"] for record in second.records] == ["kms01.lab.test", "kms02.lab.test"]
    assert second.zone == "lab.test"

    sent = server.updates
    for target, priority, weight in (("kms01.lab.test", 0, 0), ("KMS02.lab.TEST", 10, 5)):
        again = run(server, target, priority=priority, weight=weight)
        assert (again.changed, again.attempts) == (False, 0)
    assert server.updates == sent, "a converged run must send no update"

    changes: list[tuple[dict[str, Any], str]] = [
        ({"priority": 1}, "3600 1 0 1688"),
        ({"priority": 1, "weight": 7}, "3600 1 7 1688"),
        ({"priority": 1, "weight": 7, "port": 1700}, "3600 1 7 1700"),
    ]
    for change, line in changes:
        assert run(server, **change).changed
        assert lines(server) == [f"{line} kms01.lab.test.", "3600 10 5 1688 kms02.lab.test."]
        assert not run(server, **change).changed

    assert run(server, port=1700, priority=1, weight=7, ttl=60).changed
    assert lines(server) == ["60 1 7 1700 kms01.lab.test.", "60 10 5 1688 kms02.lab.test."]
    assert not run(server, port=1700, priority=1, weight=7, ttl=60).changed

    assert run(server, present=False).changed
    assert lines(server) == ["60 10 5 1688 kms02.lab.test."]
    assert not run(server, present=False).changed
    assert run(server, "kms02.lab.test", present=False).changed
    assert lines(server) == []
    assert not run(server, "kms02.lab.test", present=False).changed


def test_a_target_in_another_case_is_changed_and_removed(server: DnsServer) -> None:
    run(server, "KMS01.Lab.TEST")
    assert not run(server).changed
    assert run(server, weight=1).changed
    assert lines(server) == ["3600 0 1 1688 kms01.lab.test."]
    run(server, present=False)
    run(server, "KMS01.Lab.TEST")
    assert run(server, present=False).changed
    assert lines(server) == []


@pytest.mark.parametrize(
    "goal",
    [{}, {"weight": 7, "port": 1700}, {"ttl": 60}, {"present": False}, {"exclusive": True}, {"refresh": True}],
    ids=lambda goal: "-".join(goal) or "converged",
)
def test_check_mode_predicts_sends_nothing_and_has_the_diff_of_the_run(server: DnsServer, goal: dict[str, Any]) -> None:
    run(server)
    run(server, "kms02.lab.test")
    before, number, sent = lines(server), serial(server), server.updates
    predicted = run(server, check=True, **goal)
    assert (lines(server), serial(server), server.updates) == (before, number, sent)
    real = run(server, **goal)
    assert (predicted.changed, predicted.records) == (real.changed, real.records)
    assert (predicted.before, predicted.after) == (real.before, real.after)
    assert (real.before != real.after) == real.changed
    # The diff is the very set, before and after, on this server.
    for text, found in ((real.before, before), (real.after, lines(server))):
        wanted = sorted(line.replace(f"{OWNER}. ", "").replace(" IN SRV ", " ").lower() for line in text.splitlines())
        assert wanted == found


# What each server tells in check mode: of the publisher, and of somebody who may nothing.
TELLS: dict[str, tuple[bool | None, bool | None]] = {
    Bind.name: (True, False),
    Knot.name: (True, False),
    PowerDns.name: (None, False),
    BindWithKdc.name: (True, False),
    Samba.name: (None, None),
    Lab.name: (True, False),
}


@pytest.mark.parametrize("goal", [{"weight": 1}, {"present": False}, {"target": "kms02.lab.test"}])
def test_check_mode_tells_who_may_and_changes_nothing(server: DnsServer, goal: dict[str, Any]) -> None:
    run(server)
    before, number = lines(server), serial(server)
    publisher, other = TELLS[server.name]
    told = run(server, check=True, probe=True, **goal)
    assert (told.may_update, told.refusal, told.attempts) == (publisher, None, 0)
    if server.name == Knot.name:
        # It does not even let the other key read.
        with pytest.raises(DnsError) as caught:
            run(server, check=True, probe=True, signed_by=credential(server, other=True), **goal)
        assert caught.value.name == "BADKEY"
    else:
        told = run(server, check=True, probe=True, signed_by=credential(server, other=True), **goal)
        assert told.may_update is other
        assert (told.refusal is None) == (other is None)
        assert told.refusal is None or told.refusal.name == "REFUSED"
    assert (lines(server), serial(server)) == (before, number)


def test_a_probe_is_only_sent_when_there_is_something_to_ask(server: DnsServer) -> None:
    run(server)
    sent = server.updates
    assert run(server, check=True, probe=True).may_update is None
    assert run(server, check=True, probe=True, weight=1, signed_by=Unsigned()).may_update is None
    assert server.updates == sent


def test_several_hosts_in_one_update(server: DnsServer) -> None:
    run(server, "kms09.lab.test")
    several = (Host("kms01.lab.test"), Host("kms02.lab.test", 1700, 1, 2))
    sent = server.updates
    assert run(server, several).changed
    assert server.updates == sent + 1
    wanted = ["3600 0 0 1688 kms01.lab.test.", "3600 0 0 1688 kms09.lab.test.", "3600 1 2 1700 kms02.lab.test."]
    assert lines(server) == wanted
    assert not run(server, several).changed
    assert not run(server, hosts("kms01.lab.test", "kms02.lab.test", port=9), present=False).changed
    assert run(server, hosts("kms01.lab.test", "kms02.lab.test"), present=False).changed
    assert lines(server) == ["3600 0 0 1688 kms09.lab.test."]


def test_an_exclusive_list_is_all_that_remains(server: DnsServer) -> None:
    run(server, hosts("kms07.lab.test", "KMS08.lab.test", "kms09.lab.test"))
    wanted = (Host("kms01.lab.test"), Host("kms08.lab.test", weight=5))
    outcome = run(server, wanted, exclusive=True)
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test.", "3600 0 5 1688 kms08.lab.test."]
    for gone in ("kms07", "kms09"):
        assert gone in outcome.before and gone not in outcome.after
    sent = server.updates
    assert not run(server, wanted, exclusive=True).changed
    assert server.updates == sent


def test_refreshing_is_one_update_that_changes_nothing(server: DnsServer) -> None:
    run(server, hosts("kms01.lab.test", "kms02.lab.test"))
    before, sent = lines(server), server.updates
    outcome = run(server, refresh=True)
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (False, True, 1)
    assert (lines(server), server.updates) == (before, sent + 1)


def test_a_lost_answer_is_looked_after(server: DnsServer) -> None:
    server.proxy.lose_answers(1)
    outcome = run(server)
    assert (outcome.changed, outcome.attempts) == (True, 1), "the server made the change, and nobody said so"
    server.proxy.lose_answers(1)
    assert run(server, present=False).changed
    assert lines(server) == []


def test_a_set_too_large_for_udp(server: DnsServer) -> None:
    many = [f"a-rather-long-host-name-{number:02}.lab.test" for number in range(60)]
    assert run(server, hosts(*many)).attempts == 1
    assert run(server, ttl=60).changed
    assert len(lines(server)) == 61
    assert {line.split()[0] for line in lines(server)} == {"60"}
    assert run(server, present=False).changed
    assert len(lines(server)) == 60


def test_writers_at_the_same_time_lose_nothing(server: DnsServer) -> None:
    targets = [f"kms{number:02}.lab.test" for number in range(WRITERS)]
    if server.name == Samba.name:
        run(server, "kms99.lab.test")  # whoever makes the name owns it
        run(server, "kms99.lab.test", present=False)

    def publish(target: str) -> Callable[[threading.Barrier], Outcome]:
        return lambda barrier: run(server, target, barrier=barrier)

    outcomes = concurrently(publish(target) for target in targets)
    assert all(outcome.changed for outcome in outcomes)
    assert lines(server) == [f"3600 0 0 1688 {target}." for target in targets]
    if server.name != Samba.name:  # which takes additions to what was read, and not only to exactly that
        assert sorted(outcome.attempts for outcome in outcomes)[:2] == [1, 2], (
            "one wins the first round, the others lose"
        )

    # Half of them leave while the other half change.
    def leave_or_change(number: int, target: str) -> Callable[[threading.Barrier], Outcome]:
        if number % 2:
            return lambda barrier: run(server, target, barrier=barrier, present=False)
        return lambda barrier: run(server, target, barrier=barrier, priority=1)

    outcomes = concurrently(leave_or_change(number, target) for number, target in enumerate(targets))
    assert all(outcome.changed for outcome in outcomes)
    assert lines(server) == [f"3600 1 0 1688 {target}." for target in targets[::2]]

    # Newcomers, leavers, and one who changes the TTL of all.
    def come(number: int) -> Callable[[threading.Barrier], Outcome]:
        if number == 0:
            return lambda barrier: run(server, targets[0], barrier=barrier, priority=1, ttl=60)
        if number % 2:
            return lambda barrier: run(server, targets[number], barrier=barrier, priority=1)
        return lambda barrier: run(server, targets[number], barrier=barrier, present=False)

    outcomes = concurrently(come(number) for number in range(WRITERS))
    assert all(outcome.changed for outcome in outcomes)
    # A newcomer takes the TTL that it found: 3600, or 60 after the change. The next run with ttl makes it one.
    assert [line.split()[4] for line in lines(server)] == [f"{targets[n]}." for n in (0, *range(1, WRITERS, 2))]
    run(server, targets[0], priority=1, ttl=60)
    assert {line.split()[0] for line in lines(server)} == {"60"}


def test_by_name_and_over_ipv6(server: DnsServer) -> None:
    assert run(server, host="localhost").changed
    assert not run(server, host="::1").changed
    assert run(server, host="::1", weight=1).changed


def test_a_domain_below_the_zone(server: DnsServer) -> None:
    """Where the publisher has no right there, it is told so and the zone is named."""
    if server.name in (PowerDns.name, Samba.name):
        outcome = run(server, domain="office.lab.test")
        assert (outcome.changed, outcome.zone) == (True, "lab.test")
        assert lines(server, "_vlmcs._tcp.office.lab.test") == ["3600 0 0 1688 kms01.lab.test."]
        assert lines(server) == []
        assert not run(server, domain="office.lab.test", zone="lab.test").changed
        assert run(server, domain="office.lab.test", present=False).changed
    else:
        with pytest.raises(DnsError, match=r"_vlmcs\._tcp\.office\.lab\.test in zone lab\.test") as caught:
            run(server, domain="office.lab.test")
        assert caught.value.name in ("REFUSED", "BADKEY")


def test_the_zone_cut_below_the_domain_is_found(server: DnsServer) -> None:
    if "split.test" not in server.zones:
        with pytest.raises(DnsError) as caught:
            run(server, domain="split.test")
        assert caught.value.name == "NOT_SERVED"
        return
    outcome = run(server, "kms01.split.test", domain="split.test")
    assert (outcome.changed, outcome.zone) == (True, "_tcp.split.test")
    assert lines(server, "_vlmcs._tcp.split.test") == ["3600 0 0 1688 kms01.split.test."]
    assert run(server, "kms01.split.test", domain="split.test", zone="split.test", present=False).changed


def test_what_was_read_is_signed_by_every_server(server: DnsServer) -> None:
    asked = Server("127.0.0.1", server.port, 5.0, credential(server))
    for goal in (Goal("lab.test", hosts("kms01.lab.test")), Goal("lab.test", hosts("kms01.lab.test"), present=False)):
        assert ensure(asked, goal).changed
    assert (asked.proven, asked.unproven) == (True, 0)


def test_the_primary_is_found_by_a_resolver(every_server: DnsServer) -> None:
    """By a look-up over UDP. The servers here are no resolvers, but answer for their zones like one."""
    if every_server.name == Lab.name:
        return  # the estate's own resolver is another server
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = every_server.port
    primary = "dc1.lab.test" if every_server.name == Samba.name else "ns1.lab.test"
    for zone in {"lab.test", "split.test", "alias.test"} & set(every_server.zones):
        assert primary_of(zone, zone, timeout=5.0, resolver=resolver) == primary
    assert primary_of("office.lab.test", timeout=5.0, resolver=resolver) == primary
    with pytest.raises(DnsError) as caught:
        primary_of("below.lab.test", "below.lab.test", timeout=5.0, resolver=resolver)
    assert caught.value.name == "WRONG_ZONE"
    with pytest.raises(DnsError) as caught:
        primary_of("elsewhere.example", timeout=5.0, resolver=resolver)
    assert caught.value.name in ("NO_PRIMARY", "NOT_SERVED")
