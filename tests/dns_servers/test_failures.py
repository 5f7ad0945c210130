# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What real servers answer when something is wrong, and that it becomes a sentence with a next step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import dns.name
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import Credential, TsigCredential, Unsigned
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server, server_error
from ansible_collections.winops.kms.plugins.module_utils._dns.records import SrvRecord
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Change, update_message
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import from_text

from .client import OWNER, by_password, credential, lines, run, serial
from .servers import KEYS, Bind, BindWithKdc, DnsServer, Knot, Lab, PowerDns, PowerDnsWithPolicy, Samba

Running = Callable[[str], DnsServer]

# Each case -> what it is asked with, and the error by server. Servers differ: Knot looks at rights before anything
# else, PowerDNS does not say what is wrong with a signature, Samba checks who owns the record. A server that is left
# out cannot be asked this way.
NO_KEY: dict[str, Any] = {"signed_by": lambda server: Unsigned()}
OTHER: dict[str, Any] = {"signed_by": lambda server: credential(server, other=True)}


def tsig(name: str, secret: str, algorithm: str = "hmac-sha256") -> dict[str, Any]:
    return {"signed_by": lambda server: TsigCredential(name, secret, algorithm)}


FAILURES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "no key": (
        NO_KEY,
        {
            Bind.name: "REFUSED",
            Knot.name: "NOTAUTH",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "REFUSED",
            Samba.name: "REFUSED",
            Lab.name: "REFUSED",
        },
    ),
    "somebody without rights": (
        OTHER,
        {
            Bind.name: "REFUSED",
            Knot.name: "BADKEY",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "REFUSED",
            Samba.name: "SERVFAIL",
            Lab.name: "REFUSED",
        },
    ),
    "unknown key": (
        tsig("nobody", KEYS["kms-key"]),
        {Bind.name: "BADKEY", Knot.name: "BADKEY", PowerDns.name: "NOTAUTH", Lab.name: "BADKEY"},
    ),
    "wrong secret": (
        tsig("kms-key", KEYS["other-key"]),
        {Bind.name: "BADSIG", Knot.name: "BADSIG", PowerDns.name: "NOTAUTH", Lab.name: "BADSIG"},
    ),
    "wrong algorithm": (
        tsig("kms-key", KEYS["kms-key"], "hmac-sha512"),
        {Bind.name: "BADKEY", Knot.name: "BADKEY", PowerDns.name: "NOTAUTH", Lab.name: "BADKEY"},
    ),
    "a key where there are none": (
        tsig("kms-key", KEYS["kms-key"]),
        {BindWithKdc.name: "BADKEY", Samba.name: "BADKEY"},
    ),
    "zone without updates": (
        {"domain": "closed.test"},
        {
            Bind.name: "REFUSED",
            Knot.name: "BADKEY",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "REFUSED",
            Lab.name: "REFUSED",
        },
    ),
    "zone of nobody": (
        {"domain": "elsewhere.example", "zone": "elsewhere.example"},
        {
            Bind.name: "REFUSED",
            Knot.name: "REFUSED",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "REFUSED",
            Samba.name: "NOT_SERVED",
            Lab.name: "REFUSED",
        },
    ),
    "not a zone but a name in one": (
        {"domain": "below.lab.test", "zone": "below.lab.test"},
        dict.fromkeys(
            (Bind.name, Knot.name, PowerDns.name, BindWithKdc.name, Samba.name, Lab.name),
            "WRONG_ZONE",
        ),
    ),
    "an alias in the place": (
        {"domain": "alias.test"},
        dict.fromkeys((Bind.name, Knot.name, PowerDns.name, BindWithKdc.name, Lab.name), "ALIAS"),
    ),
    "delegated to elsewhere": (
        {"domain": "parent.test", "zone": "parent.test", **NO_KEY},
        dict.fromkeys((Bind.name, Knot.name, PowerDns.name, BindWithKdc.name), "DELEGATED"),
    ),
}
CASES = [(case, server) for case, (_options, names) in FAILURES.items() for server in names]


@pytest.fixture
def a_server(request: pytest.FixtureRequest, running: Running, monkeypatch: pytest.MonkeyPatch) -> DnsServer:
    """The one of the parameters, with a record of the publisher: in Active Directory, the name is then his."""
    server = running(request.param)
    if server.kerberos is not None:
        monkeypatch.setenv("KRB5_CONFIG", str(server.kerberos.config))
    server.clear()
    run(server, "kms00.lab.test")
    return server


def check(error: DnsError, server: DnsServer, name: str, words: str = "") -> None:
    """A sentence that says where, with a next step and without secrets."""
    assert error.name == name
    assert words in str(error)
    assert str(server.port) in error.message
    assert error.remedy.endswith(".") and "{" not in str(error)
    secrets = [*KEYS.values()]
    if server.kerberos is not None:
        secrets += [server.kerberos.publisher.password, server.kerberos.other.password]
    assert not [secret for secret in secrets if secret in str(error)]


@pytest.mark.parametrize(("case", "a_server"), CASES, indirect=["a_server"])
def test_failures_are_told_apart_and_change_nothing(a_server: DnsServer, case: str) -> None:
    options, names = FAILURES[case]
    given = dict(options)
    if "signed_by" in given:
        given["signed_by"] = given["signed_by"](a_server)
    before = lines(a_server), serial(a_server)
    with pytest.raises(DnsError) as caught:
        run(a_server, **given)
    check(caught.value, a_server, names[a_server.name], given.get("domain", "lab.test"))
    assert (lines(a_server), serial(a_server)) == before


@pytest.mark.parametrize("offset", [-3600, 3600])
@pytest.mark.parametrize(
    ("a_server", "name"),
    [
        (Bind.name, "BADTIME"),
        (Knot.name, "BADTIME"),
        (PowerDns.name, "NOTAUTH"),
        (BindWithKdc.name, "BADTIME"),
        (Samba.name, "BADTIME"),
    ],
    indirect=["a_server"],
)
def test_a_wrong_clock_is_called_that(
    a_server: DnsServer, name: str, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    identity = credential(a_server)
    run(a_server, signed_by=identity)  # Kerberos has its own clock, and is asked before
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + offset)
    with pytest.raises(DnsError, match="clocks") as caught:
        run(a_server, signed_by=identity, weight=1)
    check(caught.value, a_server, name)


def test_a_difference_of_clocks_within_five_minutes_does_no_harm(
    real_server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    real_server.clear()
    monkeypatch.setattr(time, "time", lambda: now() - 280)
    assert run(real_server).changed


# What the module never sends, since it looks for the zone first; but zones can change while it runs.
ELSEWHERE = {
    "name outside the zone": (
        ("lab.test", "_vlmcs._tcp.elsewhere.example"),
        {
            Bind.name: "NOTZONE",
            Knot.name: "BADKEY",
            PowerDns.name: "NOTZONE",
            BindWithKdc.name: "NOTZONE",
            Samba.name: "NOTZONE",
        },
    ),
    "zone not served": (
        ("elsewhere.example", "_vlmcs._tcp.elsewhere.example"),
        {
            Bind.name: "NOTAUTH",
            Knot.name: "NOTAUTH",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "NOTAUTH",
            Samba.name: "NOTAUTH",
        },
    ),
    "not the top of the zone": (
        ("below.lab.test", "_vlmcs._tcp.below.lab.test"),
        {
            Bind.name: "NOTAUTH",
            Knot.name: "NOTAUTH",
            PowerDns.name: "REFUSED",
            BindWithKdc.name: "NOTAUTH",
            Samba.name: "NOTIMP",
        },
    ),
}


@pytest.mark.parametrize(
    ("case", "a_server"),
    [(case, server) for case, (_names, servers) in ELSEWHERE.items() for server in servers],
    indirect=["a_server"],
)
def test_updates_in_the_wrong_place(a_server: DnsServer, case: str) -> None:
    (zone, owner), names = ELSEWHERE[case]
    asked = Server("127.0.0.1", a_server.port, 5.0, credential(a_server))
    record = SrvRecord(dns.name.from_text("kms01.lab.test."), 1688, 0, 0, 3600)
    answer = asked.exchange(update_message(from_text(zone), from_text(owner), Change((), add=(record,))))
    error = server_error(answer, server=asked, doing=f"updating {owner}", zone=zone, owner=owner, update=True)
    check(error, a_server, names[a_server.name], owner)


@pytest.mark.server(Bind.name)
def test_a_server_that_cannot_write_its_journal() -> None:
    with Bind() as server:
        os.chmod(server.directory, 0o555)
        try:
            with pytest.raises(DnsError, match="journal") as caught:
                run(server)
        finally:
            os.chmod(server.directory, 0o755)
        check(caught.value, server, "SERVFAIL")
        assert lines(server) == []


class Secondary(Bind):
    """Holds a copy of closed.test, and has nobody to pass updates on to."""

    def configuration(self) -> str:
        zone = 'zone "closed.test" { type '
        copy = "secondary; primaries port 1 { 127.0.0.1; }; masterfile-format text;"
        return super().configuration().replace(f"{zone}primary;", f"{zone}{copy}")


@pytest.mark.server(Bind.name)
def test_a_secondary_server() -> None:
    with Secondary() as server:
        with pytest.raises(DnsError, match="primary") as caught:
            run(server, domain="closed.test")
        check(caught.value, server, "REFUSED")


@pytest.mark.server(PowerDnsWithPolicy.name)
@pytest.mark.parametrize(
    "identity", [Unsigned(), TsigCredential("other-key", KEYS["other-key"])], ids=["none", "other"]
)
def test_a_policy_that_drops_changes_without_a_word(running: Running, identity: Credential) -> None:
    server = running(PowerDnsWithPolicy.name)
    server.clear()
    with pytest.raises(DnsError, match="PowerDNS") as caught:
        run(server, signed_by=identity)
    check(caught.value, server, "NOT_APPLIED")
    assert run(server).changed
    assert run(server, check=True, probe=True, weight=1).may_update is None, "it looks at the prerequisite first"


@pytest.mark.server(BindWithKdc.name)
def test_nothing_of_a_kerberos_password_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    server = running(BindWithKdc.name)
    assert server.kerberos is not None
    monkeypatch.setenv("KRB5_CONFIG", str(server.kerberos.config))
    identity = by_password(server, server.kerberos.publisher, password="not the password")
    with pytest.raises(DnsError) as caught:
        run(server, signed_by=identity)
    assert "not the password" not in str(caught.value) + repr(identity) + repr(caught.value.__context__)
    assert OWNER not in caught.value.message, "it was not even asked for"
