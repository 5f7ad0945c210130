# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the name servers of a zone answer, as far as a server made of dictionaries can show it."""

from __future__ import annotations

from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns import nameservers
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import NoAnswerError, UnreachableError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Answer, Server
from ansible_collections.winops.kms.plugins.module_utils._dns.nameservers import (
    NameServer,
    View,
    look,
    name_servers,
    troubles,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host

OWNER = "_vlmcs._tcp.lab.test"
RIGHT = "0 0 1688 kms01.lab.test."
GOAL = Goal("lab.test", (Host("kms01.lab.test"),))
# Address -> SRV records, or what is raised, or None where it does not hold the zone.
World = Mapping[str, "list[str] | Exception | None"]


class Zone(Server):
    """127.0.0.1 has the zone; the others answer as the world has it."""

    names: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = {}
    glue: Mapping[str, str] = {}
    world: World = {}
    asked: list[str]

    @property
    def address(self) -> str | None:
        return "127.0.0.1"

    def exchange(self, message: dns.message.Message) -> Answer:
        (question,) = message.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        assert not message.flags & dns.flags.RD
        answer = dns.message.make_response(message)
        answer.flags |= dns.flags.AA
        found: list[str] = []
        if kind == "NS":
            found = [f"{server}." for server in self.names]
            for server, address in self.glue.items():
                answer.additional.append(dns.rrset.from_text(f"{server}.", 60, "IN", "A", address))
        elif kind in ("A", "AAAA"):
            if name not in self.known:
                return Answer(dns.rcode.REFUSED, message=answer)
            found = [address for address in self.known[name] if (":" in address) == (kind == "AAAA")]
        else:
            self.asked.append(self.host)
            answers = self.world[self.host]
            if isinstance(answers, Exception):
                raise answers
            if answers is None:
                answer.flags &= ~dns.flags.AA
            found = answers or []
        for text in found:
            answer.answer.append(dns.rrset.from_text(question.name, 3600, "IN", kind, text))
        return Answer(dns.rcode.NOERROR, message=answer)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    primary = Zone("127.0.0.1", 5353)
    primary.asked = []

    def other(host: str, port: int, timeout: float) -> Zone:
        found = Zone(host, port, timeout)
        found.world, found.asked = primary.world, primary.asked
        return found

    monkeypatch.setattr(nameservers, "Server", other)
    return primary


def no_answer(name: str) -> UnreachableError:
    return UnreachableError(name, f"The DNS server ({name}) cannot be reached.", "Check it.")


def statuses(views: tuple[View, ...]) -> dict[str, str]:
    return {f"{view.name} {view.address}".strip(): view.status for view in views}


def test_addresses_are_those_of_the_server_or_of_the_resolver_or_glue(zone: Zone) -> None:
    zone.names = ("b.lab.test", "A.lab.test", "c.else.test", "d.else.test", "e.else.test")
    zone.known = {"A.lab.test": ("192.0.2.1", "2001:db8::1"), "b.lab.test": ()}
    zone.glue = {"A.lab.test": "192.0.2.66", "c.else.test": "192.0.2.66", "d.else.test": "192.0.2.4"}
    resolved = {"c.else.test": ["::3", "192.0.2.3", "::3"]}
    assert name_servers(zone, "lab.test", resolver=lambda name: resolved.get(name, [])) == (
        NameServer("A.lab.test", ("192.0.2.1", "2001:db8::1")),
        NameServer("b.lab.test", ()),
        NameServer("c.else.test", ("192.0.2.3", "::3")),
        NameServer("d.else.test", ("192.0.2.4",)),
        NameServer("e.else.test", ()),
    )


def test_each_address_is_asked_and_each_trouble_is_named(zone: Zone) -> None:
    zone.names = ("ns1.lab.test", "ns2.lab.test", "ns3.lab.test", "ns4.lab.test", "ns5.lab.test")
    zone.known = {
        "ns1.lab.test": ("127.0.0.1",),
        "ns2.lab.test": ("192.0.2.2", "2001:db8::2"),
        "ns3.lab.test": ("192.0.2.3",),
        "ns4.lab.test": ("192.0.2.4",),
        "ns5.lab.test": (),
    }
    zone.world = {
        "127.0.0.1": [RIGHT],
        "192.0.2.2": ["5 0 1688 kms01.lab.test."],
        "2001:db8::2": ["0 0 1688 KMS01.Lab.test."],
        "192.0.2.3": None,
        "192.0.2.4": NoAnswerError("TIMEOUT", "No answer came.", "Look."),
    }
    views = look(zone, GOAL, "lab.test", resolver=lambda name: [])
    assert statuses(views) == {
        "ns1.lab.test 127.0.0.1": "as_wanted",
        "ns2.lab.test 192.0.2.2": "differs",
        "ns2.lab.test 2001:db8::2": "as_wanted",
        "ns3.lab.test 192.0.2.3": "not_authoritative",
        "ns4.lab.test 192.0.2.4": "no_answer",
        "ns5.lab.test": "no_address",
    }
    assert sorted(zone.asked) == sorted(zone.world)
    for view in troubles(views):
        result = view.as_result()
        assert view.name in str(result["message"]) and view.address in str(result["message"])
        assert result["remedy"] and "{" not in str(result["remedy"])
    assert "TCP port 5353" in str(views[-2].as_result()["remedy"])
    assert f"{OWNER}. 3600 IN SRV 5 0 1688 kms01.lab.test." in views[1].problem


def test_a_record_that_shall_go_must_have_gone_everywhere(zone: Zone) -> None:
    zone.names, zone.known = ("ns1.lab.test", "ns2.lab.test"), {"ns1.lab.test": ("::1",), "ns2.lab.test": ("::2",)}
    zone.world = {"::1": ["0 0 1688 kms09.lab.test."], "::2": [RIGHT]}
    gone = Goal("lab.test", (Host("kms01.lab.test"),), present=False)
    assert [view.address for view in troubles(look(zone, gone, "lab.test"))] == ["::2"]


def test_an_address_without_a_route_counts_when_it_is_all_there_is(zone: Zone) -> None:
    zone.names = ("ns1.lab.test", "ns2.lab.test", "ns3.lab.test")
    zone.known = {name: (f"192.0.2.{number}", f"::{number}") for number, name in enumerate(zone.names, start=1)}
    zone.known |= {"ns3.lab.test": ("::3",)}
    zone.world = {
        "192.0.2.1": [RIGHT],
        "::1": no_answer("ENETUNREACH"),
        "192.0.2.2": no_answer("ETIMEDOUT"),
        "::2": no_answer("EADDRNOTAVAIL"),
        "::3": no_answer("ENETUNREACH"),
    }
    views = look(zone, GOAL, "lab.test")
    assert statuses(views)["ns1.lab.test ::1"] == "no_route"
    assert [(view.name, view.status) for view in troubles(views)] == [
        ("ns2.lab.test", "no_answer"),
        ("ns3.lab.test", "no_route"),
    ]


def test_what_is_left_out_is_not_asked(zone: Zone) -> None:
    zone.names = ("ns1.lab.test", "ns2.lab.test")
    zone.known = {"ns1.lab.test": ("127.0.0.1", "2001:db8::1"), "ns2.lab.test": ("192.0.2.2",)}
    zone.world = {"127.0.0.1": [RIGHT]}
    views = look(zone, GOAL, "lab.test", left_out=["NS2.lab.test.", "2001:DB8:0::1"])
    assert statuses(views) == {
        "ns1.lab.test 127.0.0.1": "as_wanted",
        "ns1.lab.test 2001:db8::1": "left_out",
        "ns2.lab.test": "left_out",
    }
    assert troubles(views) == []
    assert zone.asked == ["127.0.0.1"]
    assert views[-1].as_result()["message"] == views[-1].as_result()["remedy"] == ""


def test_a_name_that_nobody_knows_is_no_error_of_the_resolver() -> None:
    assert nameservers.resolve("no-such-host.invalid") == []
    assert "127.0.0.1" in nameservers.resolve("127.0.0.1")
