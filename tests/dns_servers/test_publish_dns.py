# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role publish_dns on real DNS servers: every name server of the zone is verified, and records are signed by
Kerberos. The KMS host itself is a simulated one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Ansible, Play, Run, estate_path
from kmslab.control import Lab

from .name_servers import NameServers
from .servers import KEYS, Bind, BindWithKdc, DnsServer, Knot, Samba

HOST = "kms1"
Running = Callable[[str], DnsServer]


@pytest.fixture(scope="module")
def estate() -> Iterator[Lab]:
    with Lab(estate_path("dns_methods")) as lab:
        yield lab


@pytest.fixture
def play(estate: Lab, tmp_path: Path) -> Play:
    estate.reset()
    return Ansible(estate, tmp_path).play


@pytest.fixture(scope="module")
def servers() -> Iterator[NameServers]:
    running = NameServers()
    with running:
        yield running


def publish(play: Play, **options: Any) -> Run:
    """The role on one KMS host, published as kms01.lab.test; the estate's own options are out of the way."""
    expect = options.pop("expect", "ok")
    verbosity = options.pop("verbosity", 0)
    variables = {
        "method": "rfc2136",
        "zone": "lab.test",
        "target": "kms01.lab.test",
        "server": "127.0.0.1",
        "priority": 0,
        "retries": 20,
        "delay": 0,
        **options,
    }
    given = {f"publish_dns_{name}": value for name, value in variables.items()}
    return play("winops.kms.publish_dns", limit=HOST, extra_vars=given, expect=expect, verbosity=verbosity)


def by_key(servers: NameServers) -> dict[str, Any]:
    return {
        "server_port": servers.server_port,
        "tsig_key_name": "kms-key",
        "tsig_key_secret": KEYS["kms-key"],
    }


@pytest.mark.server(Bind.name)
@pytest.mark.server(Knot.name)
def test_a_secondary_that_lags_is_waited_for(play: Play, servers: NameServers) -> None:
    """The secondary gets the primary's NOTIFY once it has been found without the record."""
    servers.secondary.hold()
    run = publish(play, delay=1, **by_key(servers))
    assert [event for event in run.events if event.event == "retry"], "at first, the secondary does not have it"
    (look,) = run.result(HOST, "Wait until every DNS server answers as wanted")["results"]
    assert {entry["address"]: entry["status"] for entry in look["nameservers"]} == {
        "127.0.0.1": "as_wanted",
        "::1": "as_wanted",
        "127.0.0.2": "as_wanted",
    }

    # The same when it goes.
    servers.secondary.hold()
    goes = {"target": "kms02.lab.test", "remove": ["kms01.lab.test"]}
    publish(play, delay=1, **goes, **by_key(servers))
    assert servers.records() == ["0 0 1688 kms02.lab.test."]


@pytest.mark.server(Bind.name)
@pytest.mark.server(Knot.name)
def test_those_that_do_not_follow_are_named(play: Play, servers: NameServers) -> None:
    both = {"zones": ["stale.test", "dead.test"], "retries": 2, "delay": 1, **by_key(servers)}
    run = publish(play, expect="failed", remove=["kms99.lab.test"], **both)
    message = run.result(HOST)["msg"]
    for words in (
        "kms01.lab.test (port 1688) in stale.test, dead.test",
        f"The name server ns3.lab.test (127.0.0.3, port {servers.server_port}) answers for stale.test: "
        "_vlmcs._tcp.stale.test. 3600 IN SRV 0 0 1688 kms99.lab.test.",
        f"ns4.lab.test (127.0.0.4, port {servers.server_port})",
        "refused the connection",
        "asked for 2 seconds, 3 times (publish_dns_retries, publish_dns_delay)",
        "zone transfer",
        "publish_dns_verify_except",
        "publish_dns_verify_servers",
    ):
        assert words in message
    assert "ns1.lab.test" not in message

    # By name or by address; or others are asked instead.
    publish(play, **both, verify_except=["ns3.lab.test", "127.0.0.4"])
    publish(play, **both, verify_servers=[{"server": "::1", "port": servers.server_port}])


def signed_by(server: DnsServer, **options: Any) -> dict[str, Any]:
    assert server.kerberos is not None
    return {
        "server_port": server.port,
        # The estate's own key is not used beside it.
        "tsig_key_name": "",
        "tsig_key_secret": "",
        "gss_tsig": True,
        "gss_hostname": server.kerberos.hostname,
        "verbosity": 5,
        **options,
    }


@pytest.mark.parametrize("gss_server", [BindWithKdc.name, Samba.name], indirect=True)
def test_with_kerberos(play: Play, gss_server: DnsServer, tmp_path: Path) -> None:
    """By user and password, then by keytab, as it is and as text, which changes nothing; no secret is told or kept."""
    assert gss_server.kerberos is not None
    gss_server.clear()
    publisher = gss_server.kerberos.publisher
    first = publish(
        play, **signed_by(gss_server, gss_principal=publisher.principal, gss_password=publisher.password, weight=7)
    )
    assert first.changed_hosts == [HOST]
    assert gss_server.records() == ["0 7 1688 kms01.lab.test."]
    (look,) = first.result(HOST, "Wait until every DNS server answers as wanted")["results"]
    assert look["verified"] and look["nameservers_agree"]

    sent = gss_server.updates
    content = publisher.keytab.read_bytes()
    text_keytab = tmp_path / "keytab.txt"  # as AWX keeps it
    text_keytab.write_bytes(base64.encodebytes(content))
    again, by_text = (
        publish(play, **signed_by(gss_server, gss_keytab=str(keytab), weight=7))
        for keytab in (publisher.keytab, text_keytab)
    )
    assert again.changed_hosts == by_text.changed_hosts == []
    assert gss_server.updates == sent, "a converged run sends no update"

    key = content[-32:]
    for run in (first, again, by_text):
        told = [run.output, *(text for _path, text in run.left_behind())]
        for secret in (publisher.password, base64.b64encode(key).decode(), key.hex(), *text_keytab.read_text().split()):
            assert not [text for text in told if secret in text]
    assert publisher.principal in first.output
    assert str(publisher.keytab) in again.output

    # Somebody who may not, and a wrong password.
    other = gss_server.kerberos.other
    refused = publish(play, expect="failed", **signed_by(gss_server, gss_keytab=str(other.keytab), weight=8))
    assert "_vlmcs._tcp.lab.test" in str(refused.result(HOST)["results"][0]["msg"])
    assert gss_server.records() == ["0 7 1688 kms01.lab.test."]
