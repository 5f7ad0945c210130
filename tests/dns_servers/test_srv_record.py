# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every promise of the update loop, on every server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.update
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import TsigCredential, Unsigned
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Answer, Server
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host, Outcome, ensure
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import primary_of

from .servers import KEYS, UPDATABLE, DnsServer, owner_of

WRITERS = 12
PATIENCE = 60  # seconds after which a test that hangs is given up


@pytest.fixture
def server(any_server: DnsServer) -> DnsServer:
    """Each server, with empty sets: by dnspython's own functions, so that it does not depend on what is tested."""
    key = dns.tsig.Key("kms-key", KEYS["kms-key"], "hmac-sha256")
    for zone in UPDATABLE:
        message = dns.update.UpdateMessage(zone)
        message.delete(owner_of(zone) + ".", "SRV")
        message.use_tsig(key)
        assert dns.query.tcp(message, "127.0.0.1", port=any_server.port, timeout=5).rcode() == dns.rcode.NOERROR
    return any_server


def lines(server: DnsServer, owner: str = "_vlmcs._tcp.lab.test") -> list[str]:
    """The set as dnspython's own functions read it: TTL and data."""
    query = dns.message.make_query(owner, dns.rdatatype.SRV)
    answer = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5, one_rr_per_rrset=True)
    return sorted(f"{rrset.ttl} {rrset[0].to_text()}" for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SRV)


def serial(server: DnsServer, zone: str = "lab.test") -> int:
    answer = dns.query.tcp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=server.port, timeout=5)
    return int(answer.answer[0][0].serial)


class StartLine(Server):
    """Holds its first update back until every other writer has read the set too, so that all but one lose the race."""

    barrier: threading.Barrier | None = None

    def exchange(self, message: dns.message.Message) -> Answer:
        barrier, waits = self.barrier, isinstance(message, dns.update.UpdateMessage)
        if barrier is not None and waits:
            self.barrier = None
            barrier.wait(PATIENCE)
        return super().exchange(message)


def run(
    server: DnsServer,
    target: str = "kms01.lab.test",
    *,
    key: str | None = "kms-key",
    secret: str | None = None,
    algorithm: str = "hmac-sha256",
    host: str = "127.0.0.1",
    check: bool = False,
    zone: str = "lab.test",
    barrier: threading.Barrier | None = None,
    **goal: Any,
) -> Outcome:
    credential = Unsigned() if key is None else TsigCredential(key, secret or KEYS[key], algorithm)
    asked = StartLine(host, server.port, 5.0, credential)
    asked.barrier = barrier
    values = {name: goal.pop(name) for name in ("port", "priority", "weight") if name in goal}
    return ensure(asked, Goal(zone, (Host(target, **values),), zone=zone, **goal), check=check)


def test_a_life_of_two_hosts(server: DnsServer) -> None:
    first = run(server)
    assert (first.changed, first.attempts) == (True, 1)
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test."]
    second = run(server, "kms02.lab.test", priority=10, weight=5)
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test.", "3600 10 5 1688 kms02.lab.test."]
    assert [record.as_result()["target"] for record in second.records] == ["kms01.lab.test", "kms02.lab.test"]

    before = serial(server)
    for target, priority, weight in (("kms01.lab.test", 0, 0), ("KMS02.lab.TEST", 10, 5)):
        again = run(server, target, priority=priority, weight=weight)
        assert (again.changed, again.attempts) == (False, 0)
    assert serial(server) == before, "a converged run must send no update"

    assert run(server, port=1700, priority=1).changed
    assert lines(server) == ["3600 1 0 1700 kms01.lab.test.", "3600 10 5 1688 kms02.lab.test."]

    assert run(server, port=1700, priority=1, ttl=60).changed
    assert lines(server) == ["60 1 0 1700 kms01.lab.test.", "60 10 5 1688 kms02.lab.test."]
    assert not run(server, port=1700, priority=1, ttl=60).changed

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
    assert [line.lower() for line in lines(server)] == ["3600 0 1 1688 kms01.lab.test."]
    run(server, present=False)
    run(server, "KMS01.Lab.TEST")
    assert run(server, present=False).changed
    assert lines(server) == []


@pytest.mark.parametrize("goal", [{}, {"weight": 7, "port": 1700}, {"ttl": 60}, {"present": False}])
def test_check_mode_predicts_and_changes_nothing(server: DnsServer, goal: dict[str, Any]) -> None:
    run(server)
    run(server, "kms02.lab.test")
    before, number = lines(server), serial(server)
    predicted = run(server, check=True, **goal)
    assert (lines(server), serial(server)) == (before, number)
    real = run(server, **goal)
    assert (predicted.changed, predicted.records) == (real.changed, real.records)
    assert (predicted.before, predicted.after) == (real.before, real.after)


def test_a_set_too_large_for_udp(server: DnsServer) -> None:
    message = dns.update.UpdateMessage("lab.test")
    for number in range(60):
        message.add("_vlmcs._tcp.lab.test.", 3600, "SRV", f"0 0 1688 a-rather-long-host-name-{number:02}.lab.test.")
    message.use_tsig(dns.tsig.Key("kms-key", KEYS["kms-key"], "hmac-sha256"))
    assert dns.query.tcp(message, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.NOERROR
    assert run(server, ttl=60).changed
    assert len(lines(server)) == 61
    assert {line.split()[0] for line in lines(server)} == {"60"}
    assert run(server, present=False).changed
    assert len(lines(server)) == 60


def concurrently(jobs: list[Callable[[threading.Barrier], Outcome]]) -> list[Outcome]:
    """All at once, each in a thread of its own; an error in one is raised here."""
    barrier = threading.Barrier(len(jobs))
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []

    def work(job: Callable[[threading.Barrier], Outcome]) -> None:
        try:
            outcomes.append(job(barrier))
        except BaseException as error:
            barrier.abort()
            errors.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if errors:
        raise errors[0]
    assert len(outcomes) == len(jobs)
    return outcomes


def test_writers_at_the_same_time_lose_nothing(server: DnsServer) -> None:
    hosts = [f"kms{number:02}.lab.test" for number in range(WRITERS)]

    def publish(host: str) -> Callable[[threading.Barrier], Outcome]:
        return lambda barrier: run(server, host, barrier=barrier)

    outcomes = concurrently([publish(host) for host in hosts])
    assert all(outcome.changed for outcome in outcomes)
    assert lines(server) == [f"3600 0 0 1688 {host}." for host in hosts]
    assert sorted(outcome.attempts for outcome in outcomes)[:2] == [1, 2], "one wins the first round, the others do not"

    # Half of them leave while the other half change.
    def leave_or_change(number: int, host: str) -> Callable[[threading.Barrier], Outcome]:
        if number % 2:
            return lambda barrier: run(server, host, barrier=barrier, present=False)
        return lambda barrier: run(server, host, barrier=barrier, priority=1)

    outcomes = concurrently([leave_or_change(number, host) for number, host in enumerate(hosts)])
    assert all(outcome.changed for outcome in outcomes)
    assert lines(server) == [f"3600 1 0 1688 {host}." for host in hosts[::2]]


def test_by_name_and_over_ipv6(server: DnsServer) -> None:
    assert run(server, host="localhost").changed
    assert not run(server, host="::1").changed
    assert run(server, host="::1", weight=1).changed


def test_the_zone_cut_below_the_domain_is_found(server: DnsServer) -> None:
    assert run(server, "kms01.split.test", zone="split.test").changed
    assert lines(server, "_vlmcs._tcp.split.test") == ["3600 0 0 1688 kms01.split.test."]
    assert run(server, "kms01.split.test", zone="split.test", present=False).changed


# Names of the errors that are right: servers differ in what they look at first (dns.update semantics are RFC 2136's,
# but permission may be checked before them, and not every server tells an unknown key from one without rights).
ANY_NO = ("REFUSED", "NOTAUTH", "BADKEY")
FAILURES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no key": ({"key": None}, ("REFUSED", "NOTAUTH")),
    "another key": ({"key": "other-key"}, ("REFUSED", "BADKEY")),
    "unknown key": ({"key": "nobody", "secret": KEYS["kms-key"]}, ("BADKEY",)),
    "wrong secret": ({"secret": KEYS["other-key"]}, ("BADSIG",)),
    "wrong algorithm": ({"algorithm": "hmac-sha512"}, ("BADKEY",)),
    "zone without updates": ({"zone": "closed.test"}, ANY_NO),
    "zone of nobody": ({"zone": "elsewhere.example"}, ANY_NO),
    "not a zone but a name in one": ({"zone": "below.lab.test"}, ("WRONG_ZONE",)),
    "an alias in the place": ({"zone": "alias.test"}, ("ALIAS",)),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_are_told_apart_and_change_nothing(server: DnsServer, case: str) -> None:
    options, names = FAILURES[case]
    before = lines(server), serial(server)
    with pytest.raises(DnsError) as caught:
        run(server, **options)
    error = caught.value
    assert error.name in names
    assert str(server.port) in error.message
    assert options.get("zone", "lab.test") in str(error)
    assert not [secret for secret in KEYS.values() if secret in str(error)]
    assert (lines(server), serial(server)) == before


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_a_wrong_clock_is_called_that(real_server: DnsServer, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + offset)
    with pytest.raises(DnsError) as caught:
        run(real_server)
    assert caught.value.name == "BADTIME"
    assert "clocks" in caught.value.remedy


def test_a_delegated_name_is_pointed_out(real_server: DnsServer) -> None:
    with pytest.raises(DnsError) as caught:
        run(real_server, zone="parent.test", key=None)
    assert caught.value.name == "DELEGATED"
    assert "ns1.elsewhere.example" in caught.value.message


def test_the_primary_is_found_by_a_resolver(real_server: DnsServer) -> None:
    """By a look-up over UDP. The servers here are no resolvers, but answer for their zones like one."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = real_server.port
    for zone in ("lab.test", "split.test", "alias.test"):
        assert primary_of(zone, zone, timeout=5.0, resolver=resolver) == "ns1.lab.test"
    with pytest.raises(DnsError) as caught:
        primary_of("below.lab.test", "below.lab.test", timeout=5.0, resolver=resolver)
    assert caught.value.name == "WRONG_ZONE"
    with pytest.raises(DnsError) as caught:
        primary_of("elsewhere.example", "elsewhere.example", timeout=5.0, resolver=resolver)
    assert caught.value.name == "NO_PRIMARY"
