# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each question is asked once, several at a time and never too many, and the answers get to their records."""

from __future__ import annotations

import threading
from collections import Counter

from ansible_collections.winops.kms.plugins.module_utils._discovery.lookup import Host, Record, Service
from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import Verdict
from ansible_collections.winops.kms.plugins.module_utils._discovery.survey import (
    MOST_AT_ONCE,
    Endpoint,
    Found,
    goodness,
    survey,
)

KMS = Verdict("open", "kms")
CLOSED = Verdict("closed", "no_answer", "refused")


def record(target: str, port: int = 1688) -> Record:
    return Record(target, port, 0, 0, 300)


class Answers:
    """Fixed answers, and how often each was asked for."""

    def __init__(self, services: dict[str, Service], hosts: dict[str, Host]) -> None:
        self.services = services
        self.hosts = hosts
        self.asked: Counter[str] = Counter()

    def service(self, domain: str) -> Service:
        self.asked[domain] += 1
        return self.services[domain]

    def host(self, target: str) -> Host:
        self.asked[target] += 1
        return self.hosts[target]


def test_each_question_is_asked_once_and_every_record_gets_its_answer() -> None:
    both = Service("found", (record("kms01.lab.test"), record("kms02.lab.test")))
    answers = Answers(
        {
            "lab.test": both,
            "other.test": Service("found", (record("KMS01.lab.test"),)),
            "none.test": Service("no_records"),
        },
        {"kms01.lab.test": Host(("192.0.2.1", "2001:db8::1")), "kms02.lab.test": Host(("192.0.2.1",))},
    )
    probed: Counter[tuple[str, int]] = Counter()

    def probe(address: str, port: int) -> Verdict:
        probed[address, port] += 1
        return KMS if ":" in address else CLOSED

    lab, other, none = survey(["lab.test", "other.test", "none.test"], answers, probe)
    assert set(answers.asked.values()) == {1}
    assert probed == {("192.0.2.1", 1688): 1, ("2001:db8::1", 1688): 1}
    ends = (Endpoint("192.0.2.1", CLOSED), Endpoint("2001:db8::1", KMS))
    assert [found.endpoints for found in lab.records] == [ends, ends[:1]]
    assert [found.best for found in lab.records] == [KMS, CLOSED]
    assert [(found.record.target, found.endpoints) for found in other.records] == [("KMS01.lab.test", ends)]
    assert (none.name, none.service.status, none.records) == ("none.test", "no_records", ())


def test_the_same_address_with_another_port_is_another_question() -> None:
    answers = Answers(
        {"lab.test": Service("found", (record("kms01.lab.test", 1688), record("kms01.lab.test", 1689)))},
        {"kms01.lab.test": Host(("192.0.2.1",))},
    )
    (lab,) = survey(["lab.test"], answers, lambda address, port: KMS if port == 1689 else CLOSED)
    assert [found.best for found in lab.records] == [CLOSED, KMS]


def test_without_a_probe_addresses_are_told_and_left_alone() -> None:
    answers = Answers(
        {"lab.test": Service("found", (record("kms01.lab.test"),))}, {"kms01.lab.test": Host(("192.0.2.1",))}
    )
    (lab,) = survey(["lab.test"], answers, None)
    assert lab.records == (Found(record("kms01.lab.test"), Host(("192.0.2.1",)), (Endpoint("192.0.2.1", None),)),)
    assert lab.records[0].best is None


def test_the_root_is_not_looked_up() -> None:
    (lab,) = survey(["lab.test"], Answers({"lab.test": Service("found", (record("."),))}, {}), lambda *door: KMS)
    assert lab.records[0].endpoints == ()


def test_several_are_probed_at_a_time_and_never_too_many() -> None:
    """Every probe waits until as many are under way as there may be."""
    count = 2 * MOST_AT_ONCE
    addresses = tuple(f"192.0.2.{number}" for number in range(count))
    answers = Answers({"lab.test": Service("found", (record("kms.lab.test"),))}, {"kms.lab.test": Host(addresses)})
    together = threading.Barrier(MOST_AT_ONCE, timeout=10)
    lock = threading.Lock()
    running, most = 0, 0

    def probe(address: str, port: int) -> Verdict:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return KMS

    (lab,) = survey(["lab.test"], answers, probe)
    assert most <= MOST_AT_ONCE
    assert tuple(end.address for end in lab.records[0].endpoints) == addresses


def test_goodness() -> None:
    worst_last = [
        KMS,
        Verdict("open", "not_kms"),
        Verdict("open", "not_rpc"),
        Verdict("open", "no_answer"),
        CLOSED,
        Verdict("no_answer", "no_answer"),
        Verdict("no_route", "no_answer"),
    ]
    assert sorted(reversed(worst_last), key=goodness) == worst_last
