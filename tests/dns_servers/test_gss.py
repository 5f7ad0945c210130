# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GSS-TSIG against BIND with an MIT KDC and Samba: where tickets come from, sessions, and what Kerberos refuses."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.tsig
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError, KerberosError, ServerError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.gss import GssCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, ensure

from .client import by_password, hosts, lines, run
from .servers import Bind, BindWithKdc, DnsServer, Kerberos, Knot, PowerDns, Samba

Running = Callable[[str], DnsServer]


@pytest.fixture
def server(gss_server: DnsServer) -> DnsServer:
    """Each, with empty sets."""
    gss_server.clear()
    return gss_server


@pytest.fixture
def realm(server: DnsServer) -> Kerberos:
    assert server.kerberos is not None
    return server.kerberos


def test_by_keytab_without_leaving_a_ticket_behind(server: DnsServer, realm: Kerberos, tmp_path: Path) -> None:
    for principal in (None, realm.publisher.principal):
        for keytab in (str(realm.publisher.keytab), f"FILE:{realm.publisher.keytab}"):
            identity = GssCredential(principal=principal, keytab=keytab, hostname=realm.hostname)
            run(server, signed_by=identity)
            assert identity.label == f"the Kerberos principal {realm.publisher.principal}"
    assert lines(server) == ["3600 0 0 1688 kms01.lab.test."]
    assert list(tmp_path.iterdir()) == []


def test_by_credential_cache(
    server: DnsServer, realm: Kerberos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "tickets"
    realm.get_tickets(realm.publisher, cache)
    assert run(server, signed_by=GssCredential(ccache=f"FILE:{cache}", hostname=realm.hostname)).changed
    assert run(server, signed_by=GssCredential(ccache=str(cache), hostname=realm.hostname), weight=1).changed
    with pytest.raises(DnsError, match="no ticket in the default credential cache"):
        run(server, signed_by=GssCredential(hostname=realm.hostname))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
    assert run(server, signed_by=GssCredential(hostname=realm.hostname), weight=2).changed


def test_by_password_without_leaving_a_ticket_behind(server: DnsServer, realm: Kerberos, tmp_path: Path) -> None:
    assert run(server, signed_by=by_password(server, realm.publisher)).changed
    assert list(tmp_path.iterdir()) == []


def test_a_session_lasts_for_many_requests(server: DnsServer, realm: Kerberos) -> None:
    identity = by_password(server, realm.publisher)
    for weight in range(5):
        run(server, signed_by=identity, weight=weight)
    queries = server.proxy.opcodes[0]
    assert run(server, signed_by=identity, weight=5).changed
    assert server.proxy.opcodes[0] <= queries + 4, "zone and records alone, no negotiation"


def forget(identity: GssCredential) -> None:
    """As if the server had been restarted, or had thrown the session away for those of others."""
    key = identity._key
    assert key is not None
    identity._key = dns.tsig.Key("forgotten.kms-tsig.", key.secret, dns.tsig.GSS_TSIG)


def test_a_session_that_the_server_has_forgotten_is_opened_anew(server: DnsServer, realm: Kerberos) -> None:
    identity = by_password(server, realm.publisher)
    run(server, signed_by=identity)
    forget(identity)
    outcome = run(server, signed_by=identity, weight=1)
    assert (outcome.changed, outcome.attempts) == (True, 1)
    identity.renew()
    assert not run(server, signed_by=identity, weight=1).changed


def test_a_server_whose_name_stands_in_the_hosts_file_alone(
    server: DnsServer, realm: Kerberos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is that of the server's Kerberos service, in whatever case."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        known = str(host).lower() == realm.hostname
        return real("127.0.0.1" if known else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    identity = by_password(server, realm.publisher, hostname=None)
    assert run(server, signed_by=identity, host=realm.hostname.replace("lab", "LAB")).changed


def test_a_lone_name_and_an_address(server: DnsServer, realm: Kerberos) -> None:
    assert run(server, signed_by=by_password(server, realm.publisher, hostname=None), host="localhost").changed
    with pytest.raises(DnsError) as caught:
        run(server, signed_by=by_password(server, realm.publisher, hostname=None), host="::1")
    assert caught.value.name == "INVALID_OPTION"


# What is given instead of the right thing -> the error, and what it speaks of.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # An MIT KDC hands out what only the right password can read; a domain controller asks for proof before.
    "wrong password": ({"password": "Passw0rd.wrong"}, "PREAUTH_FAILED or BAD_INTEGRITY", "gss_password"),
    "no such account": ({"principal": "nobody@LAB.TEST"}, "C_PRINCIPAL_UNKNOWN", "nobody@LAB.TEST"),
    "no such realm": ({"principal": "kms-publisher@ELSEWHERE.TEST"}, "REALM_UNKNOWN", "ELSEWHERE.TEST"),
    "realm in small letters": ({"principal": "kms-publisher@lab.test"}, "REALM_UNKNOWN", "in capitals"),
    "no name at all": ({"principal": "a@b@c"}, "PARSE_MALFORMED", "name@REALM"),
    "another server": ({"hostname": "ns9.lab.test"}, "S_PRINCIPAL_UNKNOWN", "DNS/ns9.lab.test"),
    "no ticket": ({"principal": None, "password": None}, "CC_NOTFOUND", "kinit"),
    "no cache": ({"password": None, "ccache": "FILE:/nowhere/tickets"}, "FCC_NOFILE", "/nowhere/tickets"),
    "no kind of cache": ({"password": None, "ccache": "CUPBOARD:x"}, "CC_UNKNOWN_TYPE", "CUPBOARD:x"),
    "a keytab of another account": (
        {"principal": "somebody@LAB.TEST", "password": None, "keytab": "{publisher}"},
        "KT_NOTFOUND",
        "klist -k",
    ),
    "a file that is no keytab": ({"password": None, "keytab": __file__}, "KT_NOTFOUND", __file__),
    "a file that is no cache": (
        {"password": None, "ccache": __file__},
        "CCACHE_BADVNO or CC_FORMAT",
        __file__,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_kerberos_refuses_is_a_sentence(server: DnsServer, realm: Kerberos, case: str) -> None:
    options, name, words = REFUSED[case]
    given = {
        option: value.format(publisher=realm.publisher.keytab) if value else value for option, value in options.items()
    }
    queries = server.proxy.opcodes[0]
    with pytest.raises(KerberosError) as caught:
        run(server, signed_by=by_password(server, realm.publisher, **given))
    assert caught.value.name in name.split(" or ")
    assert words in str(caught.value)
    assert "Passw0rd" not in str(caught.value)
    assert server.proxy.opcodes[0] == queries, "nothing is sent without a ticket"


def test_a_kdc_that_does_not_answer(
    server: DnsServer, realm: Kerberos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "krb5.conf"
    config.write_text(re.sub("kdc = .*", "kdc = 127.0.0.1:1", realm.config.read_text()))
    monkeypatch.setenv("KRB5_CONFIG", str(config))
    with pytest.raises(KerberosError, match=r"no Kerberos server of the realm LAB\.TEST answers") as caught:
        run(server)
    assert caught.value.name == "KDC_UNREACH"


def test_a_kdc_whose_packets_are_dropped_holds_nobody_up(
    server: DnsServer, realm: Kerberos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, the Kerberos library would try for about a minute."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        config = tmp_path / "krb5.conf"
        config.write_text(re.sub("kdc = .*", f"kdc = 127.0.0.1:{port}", realm.config.read_text()))
        monkeypatch.setenv("KRB5_CONFIG", str(config))
        queries = server.proxy.opcodes[0]
        with pytest.raises(KerberosError) as caught:
            asked = Server("127.0.0.1", server.port, 1.0, by_password(server, realm.publisher))
            ensure(asked, Goal("lab.test", hosts("kms01.lab.test")))
        udp.settimeout(0)
        assert udp.recv(65536), "the Kerberos server was asked"
    assert caught.value.name == "KDC_TIMEOUT"
    assert "came within 1 s" in caught.value.message
    assert realm.publisher.principal in caught.value.message
    assert "port 88" in caught.value.remedy
    assert "Passw0rd" not in str(caught.value)
    assert server.proxy.opcodes[0] == queries, "the DNS server was not"


@pytest.mark.parametrize(
    ("change", "undo", "name"),
    [
        (["disable"], ["enable"], "CLIENT_REVOKED"),
        (
            ["setpassword", "--newpassword=Passw0rd.somebody", "--must-change-at-next-login"],
            ["setpassword", "--newpassword=Passw0rd.somebody"],
            "KEY_EXP",
        ),
        (["setpassword", "--newpassword=Passw0rd.newer"], ["setpassword", "--newpassword=Passw0rd.somebody"], "KEYTAB"),
    ],
)
@pytest.mark.parametrize("gss_server", [Samba.name], indirect=True)
def test_an_account_that_may_not_log_on(gss_server: DnsServer, change: list[str], undo: list[str], name: str) -> None:
    assert isinstance(gss_server, Samba) and gss_server.kerberos is not None
    somebody = gss_server.kerberos.other
    tool = ["samba-tool", "user"]
    environment = {"SMB_CONF_PATH": str(gss_server.smb_conf)}
    gss_server.shell(*tool, change[0], "somebody", *change[1:], environment=environment)
    try:
        identity = by_password(gss_server, somebody)
        if name == "KEYTAB":
            identity = GssCredential(keytab=str(somebody.keytab), hostname=gss_server.kerberos.hostname)
        with pytest.raises(KerberosError, match="somebody") as caught:
            run(gss_server, signed_by=identity)
    finally:
        gss_server.shell(*tool, undo[0], "somebody", *undo[1:], environment=environment)
    assert caught.value.name == ("PREAUTH_FAILED" if name == "KEYTAB" else name)
    assert name != "KEYTAB" or "write the keytab anew" in caught.value.remedy


def test_the_ticket_of_another_account_is_not_taken_for_the_one_asked_for(
    server: DnsServer, realm: Kerberos, tmp_path: Path
) -> None:
    realm.get_tickets(realm.publisher, tmp_path / "tickets")
    options = {"principal": realm.other.principal, "password": None, "ccache": str(tmp_path / "tickets")}
    with pytest.raises(KerberosError, match=r"is not one of somebody@LAB\.TEST"):
        run(server, signed_by=by_password(server, realm.publisher, **options))


@pytest.mark.server(BindWithKdc.name)
@pytest.mark.parametrize("other_server", [Bind.name, Knot.name, PowerDns.name])
def test_a_server_without_gss_tsig_is_called_that(
    running: Running, monkeypatch: pytest.MonkeyPatch, other_server: str
) -> None:
    kdc, server = running(BindWithKdc.name), running(other_server)
    assert kdc.kerberos is not None
    monkeypatch.setenv("KRB5_CONFIG", str(kdc.kerberos.config))
    with pytest.raises(ServerError, match="GSS-TSIG") as caught:
        run(server, signed_by=by_password(kdc, kdc.kerberos.publisher))
    assert str(server.port) in caught.value.message
    assert "tkey-gssapi-keytab" in caught.value.remedy
