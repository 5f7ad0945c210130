# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong is refused: a clear error that names the option and the host, nothing sent, nothing changed.

Every row runs on a machine of its own, by both connection plugins, all in one ansible-playbook run.
"""

from __future__ import annotations

import json
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.batch import CONNECTIONS, Batch, Call, Ending
from ansible_collections.winops.kms.tests.system.harness import PROGRAMS, Expectation, brief
from kmslab.control import Exchange, Lab

ENTERPRISE_GVLK = "NPPR9-FWDCX-D2C8J-H872K-2YT43"
STANDARD_2022_GVLK = "VDYBN-27WPP-V4HQT-9VMD4-VMK7H"
HOST_KEY = "N2222-22222-22222-22222-HK222"
MAK = "N3333-33333-33333-33333-MK333"
UNKNOWN_KEY = "N2222-22222-22222-22222-QQ222"
GUID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Row:
    """What is given, and what comes of it.

    `kind` names the sort of machine in the estate, `says` what the message holds (in any case), `never` what no result
    may hold.  `sends`: nothing; reads; refused, that is reads and one change that Windows refuses.
    `fault` is what the lab does with every request of the machine.
    """

    name: str
    kind: str
    module: str
    options: Mapping[str, Any]
    says: Sequence[str]
    ends: Expectation = "failed"
    sends: str = "nothing"
    code: str | None = None
    never: Sequence[str] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    fault: Mapping[str, Any] | None = None
    power: bool = True


def _option_rows() -> Iterator[Row]:
    """Options that are wrong whatever the machine is like: nothing is sent."""
    malformed: dict[str, Any] = {
        "too short": "NPPR9-FWDCX",
        "four groups": "NPPR9-FWDCX-D2C8J-H872K",
        "six groups": "NPPR9-FWDCX-D2C8J-H872K-2YT43-2YT43",
        "groups of six": "NPPR99-FWDCXX-D2C8JJ-H872KK-2YT433",
        "no hyphens": "NPPR9FWDCXD2C8JH872K2YT43",
        "a question mark": "NPPR9-FWDCX-D2C8J-H872K-2YT4?",
        "an inner blank": "NPPR9-FWDCX -D2C8J-H872K-2YT43",
        "words": "none of your business",
        "a number": 12345,
        "quotation marks": '"NPPR9-FWDCX-D2C8J-H872K-2YT43"',
    }
    for what, key in malformed.items():
        yield Row(f"key: {what}", "pc", "client", {"key": key}, ["key: ", "product key"], never=[str(key)[:18]])
    for module, kind in (("host", "server"), ("product_key", "pc")):
        for what in ("four groups", "a question mark"):
            key = malformed[what]
            yield Row(f"{module}: key: {what}", kind, module, {"key": key}, ["key: ", "product key"], never=[key[:18]])

    wrong = "not one of microsoft's public client setup keys"
    wrong_keys: tuple[tuple[str, str, str, dict[str, Any], list[str]], ...] = (
        ("GVLK as host key", "server", "host", {"key": STANDARD_2022_GVLK}, ["key: ", "VMK7H", "GVLK", "CSVLK"]),
        ("CSVLK on a client", "pc", "client", {"key": HOST_KEY}, ["key: ", "HK222", wrong, "module host"]),
        ("MAK on a client unsaid", "pc", "client", {"key": MAK}, ["key: ", "MK333", wrong, "key_channel: mak"]),
        (
            "GVLK that is said to be a MAK",
            "pc",
            "client",
            {"key": ENTERPRISE_GVLK, "key_channel": "mak"},
            ["key_channel: ", "2YT43"],
        ),
        (
            "product_key: GVLK that is said to be a CSVLK",
            "server",
            "product_key",
            {"key": STANDARD_2022_GVLK, "key_channel": "csvlk"},
            ["key_channel: ", "VMK7H", "csvlk"],
        ),
        (
            "product_key: MAK that is said to be a GVLK",
            "pc",
            "product_key",
            {"key": MAK, "key_channel": "gvlk"},
            ["key_channel: ", "MK333", "gvlk"],
        ),
    )
    for name, kind, module, options, says in wrong_keys:
        yield Row(name, kind, module, options, says, never=[options["key"]])

    together: tuple[tuple[str, dict[str, Any]], ...] = (
        ("client", {"server": "kms.corp.example", "discover": True}),
        ("client", {"port": 1688, "discover": True}),
        ("client", {"key": ENTERPRISE_GVLK, "gvlk": True}),
        ("product_key", {"key": ENTERPRISE_GVLK, "gvlk": True}),
    )
    for module, options in together:
        yield Row(
            f"{module}: {' and '.join(options)}",
            "pc",
            module,
            options,
            ["mutually exclusive", *options],
            never=["-H872K-"],
        )

    numbers: tuple[tuple[str, str, Sequence[Any], list[str]], ...] = (
        ("client", "port", (0, 65536, -1), ["1 to 65535"]),
        ("host", "port", (0, 65536), ["1 to 65535"]),
        ("host", "activation_interval", (14, 43201), ["15 to 43200", "minutes"]),
        ("host", "renewal_interval", (14, 43201), ["15 to 43200", "minutes"]),
        ("client", "port", ("https", "16x88", 1.5), ["int"]),
        ("host", "port", ("text",), ["int"]),
        ("host", "activation_interval", ("two hours",), ["int"]),
    )
    for module, option, values, says in numbers:
        for value in values:
            kind = "pc" if module == "client" else "server"
            yield Row(f"{module}: {option} {value}", kind, module, {option: value}, [option, str(value), *says])

    server = "kms.corp.example"
    for what, value, says in (
        ("with a port", f"{server}:1688", ["colon", "option port"]),
        ("with a blank", "kms corp", ["not a host name"]),
        ("with a slash", f"{server}/wsman", ["not a host name"]),
        ("as a URL", f"https://{server}", ["not a host name"]),
        ("of nothing", "", ["empty"]),
        ("of blanks", "  ", ["empty"]),
        ("as a bare IPv6 address", "2001:db8::1", ["colon", "brackets"]),
    ):
        yield Row(f"client: server {what}", "pc", "client", {"server": value}, ["server: ", *says])

    for module, more in (("client", {"gvlk": True}), ("product_key", {"gvlk": True}), ("activation", {}), ("host", {})):
        for text in ("not-a-guid", GUID[:-1], GUID + "0"):
            options = {"activation_id": text, **more}
            yield Row(f"{module}: activation_id {text}", "pc", module, options, ["activation_id: ", text, "GUID"])

    domains: tuple[tuple[str, list[Any], list[str]], ...] = (
        ("twice", [{"domain": "a.example"}, {"domain": "b.example"}, {"domain": "A.example."}], ["a.example", "twice"]),
        ("with an empty label", [{"domain": "a..example"}], ["a..example", "not a dns domain name"]),
        ("with a comma", [{"domain": "a.example, 1, 2"}], ["not a dns domain name"]),
        ("of nothing", [{"domain": ""}], ["not a dns domain name"]),
        ("priority 65536", [{"domain": "a.example", "priority": 65536}], ["priority 65536", "0 to 65535"]),
        ("weight -1", [{"domain": "a.example", "weight": -1}], ["weight -1", "0 to 65535"]),
        ("without a domain", [{"priority": 1}], ["domain", "required"]),
        ("with an unknown part", [{"domain": "a.example", "ttl": 1}], ["ttl", "supported"]),
    )
    for what, value, says in domains:
        yield Row(f"publish_domains {what}", "server", "host", {"publish_domains": value}, ["publish_domains", *says])

    others: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
        ("client", {"serverr": server}, ["serverr", "unsupported"]),
        ("client", {"activation_type": "phone"}, ["activation_type", "phone", "token"]),
        ("client", {"host_caching": "perhaps"}, ["host_caching", "perhaps"]),
        ("client", {"host_caching": True, "activation_id": GUID}, ["host_caching: ", "activation_id"]),
        ("client", {"application": "visio"}, ["application", "visio", "office"]),
        ("host", {"state": "gone"}, ["state", "gone", "absent"]),
        ("product_key", {}, ["key: ", "nothing to do"]),
        ("product_key", {"key": ""}, ["key: ", "nothing to do"]),
        ("product_key", {"state": "absent", "gvlk": True}, ["state: ", "absent"]),
        ("product_key", {"key": ENTERPRISE_GVLK, "key_channel": "oem"}, ["key_channel", "oem", "retail"]),
        ("license_info", {"application": "all", "activation_ids": [GUID]}, ["activation_ids", "unsupported"]),
    )
    for module, options, says in others:
        given = ", ".join(f"{name}={'' if name == 'key' else value}" for name, value in options.items())
        yield Row(f"{module}: {given or 'no options'}", "pc", module, options, says, never=["-H872K-"])


def _state_rows() -> Iterator[Row]:
    """What only the machine's state shows to be wrong: it is read, and nothing is written."""
    for module in ("client", "product_key"):
        yield Row(
            f"{module}: gvlk on an evaluation edition",
            "trial",
            module,
            {"gvlk": True},
            ["gvlk: ", "no client setup key", "ServerStandardEval", "10.0.20348", "DISM"],
            sends="reads",
        )
    not_a_host: tuple[dict[str, Any], ...] = (
        {"port": 1700},
        {"activation_interval": 60, "renewal_interval": 600},
        {"dns_publishing": False},
        {"low_priority": True},
        {"activate": True},
    )
    for options in not_a_host:
        yield Row(
            f"host: {', '.join(options)} without a host key",
            "server",
            "host",
            options,
            [*options, "no KMS host", "CSVLK"],
            sends="reads",
        )
    yield Row("activation without a key", "keyless", "activation", {}, ["no product key"], sends="reads")
    yield Row(
        "client: activate without a key",
        "keyless",
        "client",
        {"server": "kms.corp.example", "activate": True},
        ["no product key", "gvlk: true"],
        sends="reads",
    )
    for module, options in (("activation", {}), ("client", {"activate": True})):
        yield Row(
            f"{module}: activation_id of no product",
            "pc",
            module,
            {"activation_id": GUID, **options},
            ["activation_id: ", "no product", GUID],
            sends="reads",
        )
    for module, options in (("activation", {}), ("client", {"gvlk": True}), ("product_key", {"state": "absent"})):
        yield Row(
            f"{module}: two keyed products",
            "double",
            module,
            options,
            ["2 products", "Windows(R), Enterprise edition", "Windows(R), Professional edition", "activation_id"],
            sends="reads",
        )


def _refused_rows() -> Iterator[Row]:
    """What Windows itself refuses: the change is sent once, and the error has the HRESULT and a remedy."""
    yield Row(
        "client: GVLK of another edition",
        "pc",
        "client",
        {"key": "W269N-WFGWX-YVC9B-4J6C9-T83GX"},
        ["0xC004F069"],
        sends="refused",
        code="0xC004F069",
        never=["W269N-WFGWX"],
    )
    yield Row(
        "host: key that Windows does not know",
        "server",
        "host",
        {"key": UNKNOWN_KEY},
        ["0xC004F050"],
        sends="refused",
        code="0xC004F050",
        never=[UNKNOWN_KEY],
    )
    yield Row(
        "host: key for a server on a client",
        "pc",
        "host",
        {"key": HOST_KEY, "activate": True},
        ["0xC004F069"],
        sends="refused",
        code="0xC004F069",
        never=[HOST_KEY],
    )


def _login_rows() -> Iterator[Row]:
    """Who may log on, and who may do what."""
    wish: dict[str, Any] = {"server": "kms.corp.example"}
    refused = ["credentials", "password"]
    yield Row(
        "wrong password",
        "pc",
        "client",
        wish,
        refused,
        ends="unreachable",
        variables={"ansible_password": "wrong-Secret-9"},
        never=["wrong-Secret-9"],
    )
    yield Row(
        "unknown user", "pc", "license_info", {}, refused, ends="unreachable", variables={"ansible_user": "stranger"}
    )
    reader = {"ansible_user": "reader", "ansible_password": "Lab-only-2"}
    nobody = {"ansible_user": "nobody", "ansible_password": "Lab-only-3"}
    denied = ["denies", "Administrators"]
    code, never = "0x00000005", ["Lab-only"]
    for module, options in (("client", wish), ("activation", {})):
        yield Row(
            f"{module} by a reader",
            "pc",
            module,
            options,
            denied,
            sends="refused",
            code=code,
            variables=reader,
            never=never,
        )
    for module, options in (("client", wish), ("license_info", {}), ("activation", {})):
        yield Row(f"{module} without rights", "pc", module, options, denied, sends="reads", code=code, variables=nobody)


def _transport_rows(closed_port: int) -> Iterator[Row]:
    """Hosts that give no usable answer."""
    wish: dict[str, Any] = {"server": "kms.corp.example"}

    def row(name: str, says: Sequence[str], *, sends: str = "nothing", **more: Any) -> Row:
        return Row(name, "pc", "client", wish, says, ends="unreachable", sends=sends, **more)

    yield row("closed port", ["cannot be reached", str(closed_port)], variables={"ansible_port": closed_port})
    yield row("unknown name", ["no-such-host.invalid"], variables={"ansible_host": "no-such-host.invalid"})
    yield row("powered off", ["/wsman"], power=False)
    wrong_path = {"ansible_winrm_path": "/elsewhere", "ansible_psrp_path": "elsewhere"}
    yield row("wrong path", ["404", "path", "/wsman"], variables=wrong_path)
    https = {"ansible_winrm_scheme": "https", "ansible_psrp_protocol": "https"}
    yield row("HTTPS to a port that speaks HTTP", ["TLS", "HTTPS"], variables=https)
    untrusted = {**https, "ansible_port": "{{ lab_https_port }}"}
    yield row("untrusted certificate", ["TLS", "certificate"], variables=untrusted)
    always: tuple[tuple[str, list[str]], ...] = (
        ("html", ["HTML"]),
        ("truncated", ["XML"]),
        ("doctype", ["DOCTYPE"]),
        ("oversized", ["larger than"]),
        ("http_503", ["503", "WinRM"]),
        ("empty_400", ["400"]),
        ("drop_before", ["dropped"]),
    )
    for kind, says in always:
        yield row(f"answers: {kind}", says, sends="reads", fault={"kind": kind, "count": None})
    # One lost answer to a read is no trouble at all.
    once: dict[str, Any] = {"sends": "reads", "ends": "ok"}
    for kind in ("empty_400", "drop_before", "drop_after"):
        yield Row(f"once: {kind}", "pc", "license_info", {}, [], fault={"kind": kind}, **once)


def _closed_port() -> int:
    """A port on loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


ROWS = (*_option_rows(), *_state_rows(), *_refused_rows(), *_login_rows(), *_transport_rows(_closed_port()))


@dataclass(frozen=True)
class Seen:
    """What one row did: how it ended, what the lab recorded, and its view of the machine before and after."""

    machine: str
    ending: Ending
    requests: list[Exchange]
    before: dict[str, Any]
    after: dict[str, Any]


def _view(lab: Lab, machine: str) -> dict[str, Any]:
    """The lab's own view of a machine, without what reading alone changes: a look wakes the licensing service."""
    state = lab.machine(machine)
    state["sppsvc"].pop("state")
    return state


def _machines(lab: Lab) -> Callable[[str], str]:
    """Gives a fresh machine of a kind with every call."""
    free: dict[str, list[str]] = defaultdict(list)
    for name in lab.machines():
        free[name.rpartition("-")[0]].append(name)
    return lambda kind: free[kind].pop(0)


Key = tuple[str, str]


@pytest.fixture(scope="module")
def seen(start_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Seen]:
    """(row, connection) -> what happened; one ansible-playbook run for all of them."""
    lab = start_lab("bad_input")
    next_machine = _machines(lab)
    calls: dict[Key, Call] = {}
    before: dict[Key, dict[str, Any]] = {}
    for row in ROWS:
        for connection in CONNECTIONS:
            machine = next_machine(row.kind)
            if not row.power:
                lab.patch(machine, {"power": False})
            if row.fault:
                lab.fault(machine, **row.fault)
            calls[row.name, connection] = Call(machine, connection, row.module, row.options, row.variables)
            before[row.name, connection] = _view(lab, machine)
    endings = Batch(lab, tmp_path_factory.mktemp("bad-input")).run(list(calls.values()))
    lab.clear_faults()
    return {
        key: Seen(
            call.machine, endings[call.machine], lab.requests(call.machine), before[key], _view(lab, call.machine)
        )
        for key, call in calls.items()
    }


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_bad_input(row: Row, connection: str, seen: dict[Key, Seen]) -> None:
    what = seen[row.name, connection]
    result, message = what.ending.result, what.ending.message
    assert what.ending.how == row.ends, result
    assert result.get("changed", False) is False, result
    if row.ends != "ok":
        assert what.machine in message, message
        assert "Traceback" not in json.dumps(result), result
    missing = [text for text in row.says if text.lower() not in message.lower()]
    assert not missing, f"{missing} in {message}"
    if row.ends == "failed":
        assert result["error"]["code"] == row.code, result
        assert result["error"]["message"], result
    told = [secret for secret in row.never if secret.lower() in json.dumps(result).lower()]
    assert not told, result
    _check_sent(row, what)
    assert what.after == what.before


def _check_sent(row: Row, what: Seen) -> None:
    sent = brief(what.requests)
    writes = [request for request in what.requests if request["kind"] != "read"]
    if row.sends == "nothing":
        assert not sent
    elif row.sends == "reads":
        assert sent
        assert not writes, sent
    else:
        assert [(request["kind"], request["status"]) for request in writes] == [("write", 500)], sent


def test_names_of_rows_differ() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if "two keyed" in row.name], ids=lambda row: row.module)
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_ambiguity_lists_the_candidates(row: Row, connection: str, seen: dict[Key, Seen]) -> None:
    what = seen[row.name, connection]
    keyed = {product["id"] for product in what.after["products"] if product["partial_product_key"]}
    assert set(what.ending.result["candidates"]) == keyed
    assert len(keyed) == 2


# -- connection plugins ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab_of_two(start_lab: Callable[[str], Lab]) -> Lab:
    return start_lab("bad_input")


@pytest.mark.parametrize("plugin", ["local", "ssh"])
@pytest.mark.parametrize("module", ["client", "host", "product_key", "activation", "license_info"])
def test_another_connection_plugin(plugin: str, module: str, others: dict[str, Ending]) -> None:
    ending = others[f"{plugin} {module}"]
    assert ending.how == "failed", ending.result
    assert all(word in ending.message for word in (plugin, "winrm", "psrp", "ansible_connection")), ending.message


@pytest.fixture(scope="module")
def others(lab_of_two: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ending]:
    """`plugin module` -> how it ended; each with options that are right."""
    options: dict[str, dict[str, Any]] = {
        "client": {"gvlk": True},
        "host": {"port": 1700},
        "product_key": {"gvlk": True},
    }
    next_machine = _machines(lab_of_two)
    calls = {
        f"{plugin} {module}": Call(next_machine("pc"), plugin, module, options.get(module, {}))
        for plugin in ("local", "ssh")
        for module in ("client", "host", "product_key", "activation", "license_info")
    }
    lab_of_two.clear_requests()
    endings = Batch(lab_of_two, tmp_path_factory.mktemp("plugins")).run(list(calls.values()))
    assert not brief(lab_of_two.requests())
    return {name: endings[call.machine] for name, call in calls.items()}


@pytest.mark.parametrize(
    ("plugin", "package", "library"), [("winrm", "winrm", "pywinrm"), ("psrp", "pypsrp", "pypsrp")]
)
def test_missing_library(plugin: str, package: str, library: str, lab_of_two: Lab, tmp_path: Path) -> None:
    """The error names the library to install, and the host."""
    hidden = tmp_path / "hidden" / package
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text(f"raise ImportError(\"No module named '{package}'\", name='{package}')\n")
    call = Call("server-100", plugin, "client", {"gvlk": True})
    ending = Batch(lab_of_two, tmp_path).run([call], environment={"PYTHONPATH": str(hidden.parent)})["server-100"]
    assert ending.how == "failed", ending.result
    assert all(word in ending.message for word in ("server-100", plugin, f"pip install {library}")), ending.message
    assert "Traceback" not in json.dumps(ending.result)


# -- DNS -------------------------------------------------------------------------------------------------------------

_RIGHT: dict[str, Any] = {
    "zone": "corp.example",
    "target": "kms1.corp.example",
    "server": "{{ lab_dns_server }}",
    "server_port": "{{ lab_dns_port }}",
    "tsig_key_name": "{{ lab_tsig_key_name }}",
    "tsig_key_secret": "{{ lab_tsig_key_secret }}",
}
_WRONG_SECRET = "d3Jvbmc6IHRoaXMgaXMgbm90IHRoZSBzZWNyZXQhISE="

#: Name -> (what differs from the right options, error.name, what the message holds).  None: left out.
DNS_ROWS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "unknown zone": ({"zone": "other.example"}, "REFUSED", ["zone", "other.example"]),
    "a name in the zone": ({"zone": "sub.corp.example"}, "WRONG_ZONE", ["sub.corp.example", "the zone corp.example"]),
    "zone with the service": ({"zone": "_vlmcs._tcp.corp.example"}, "INVALID_OPTION", ["zone", "_vlmcs._tcp"]),
    "zone of two dots": ({"zone": "corp..example"}, "INVALID_OPTION", ["zone", "corp..example"]),
    "secret is no base64": ({"tsig_key_secret": "not*base64"}, "INVALID_OPTION", ["tsig_key_secret", "base64"]),
    "wrong secret": ({"tsig_key_secret": _WRONG_SECRET}, "BADSIG", ["signature", "tsig_key_secret"]),
    "unknown key": ({"tsig_key_name": "stranger."}, "BADKEY", ["tsig_key_name", "stranger"]),
    "wrong algorithm": ({"tsig_algorithm": "hmac-sha512"}, "BADKEY", ["tsig_algorithm"]),
    "no key": ({"tsig_key_name": None, "tsig_key_secret": None}, "REFUSED", ["refused the update", "_vlmcs._tcp.corp"]),
    "key name without secret": (
        {"tsig_key_secret": None},
        "",
        ["tsig_key_name", "tsig_key_secret", "required together"],
    ),
    "target without a dot": ({"target": "kms1"}, "INVALID_OPTION", ["target", "kms1.corp.example"]),
    "target is an address": ({"target": "192.0.2.1"}, "INVALID_OPTION", ["target", "192.0.2.1"]),
    "port 0": ({"port": 0}, "INVALID_OPTION", ["port", "1 to 65535"]),
    "port 65536": ({"port": 65536}, "INVALID_OPTION", ["port", "1 to 65535"]),
    "port of text": ({"port": "text"}, "", ["port", "int"]),
    "weight 65536": ({"weight": 65536}, "INVALID_OPTION", ["weight", "0 to 65535"]),
    "nothing listens": ({"server_port": _closed_port()}, "CONNECTION_REFUSED", ["127.0.0.1", "server_port"]),
    "server with a port": ({"server": "127.0.0.1:53"}, "INVALID_OPTION", ["server", "server_port"]),
}


@pytest.fixture(scope="module")
def dns(lab_of_two: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ending]:
    """Row -> how it ended; the zone is as before afterwards."""
    next_machine = _machines(lab_of_two)
    on_controller = {"delegate_to": "localhost"}
    python = {"ansible_python_interpreter": str(PROGRAMS / "python")}
    calls = {}
    for name, (differs, _name, _says) in DNS_ROWS.items():
        options = {option: value for option, value in {**_RIGHT, **differs}.items() if value is not None}
        calls[name] = Call(next_machine("server"), "winrm", "srv_record", options, python, on_controller)
    before = lab_of_two.zone("corp.example")
    lab_of_two.clear_requests()
    endings = Batch(lab_of_two, tmp_path_factory.mktemp("dns")).run(list(calls.values()))
    assert lab_of_two.zone("corp.example") == before
    assert not brief(lab_of_two.requests())
    return {name: endings[call.machine] for name, call in calls.items()}


@pytest.mark.parametrize("name", DNS_ROWS)
def test_bad_dns_input(name: str, dns: dict[str, Ending]) -> None:
    _differs, symbol, says = DNS_ROWS[name]
    ending = dns[name]
    assert ending.how == "failed", ending.result
    assert ending.result.get("error", {}).get("name", "") == symbol, ending.result
    missing = [text for text in says if text not in ending.message]
    assert not missing, ending.message
    output = json.dumps(ending.result)
    assert "not*base64" not in output
    assert _WRONG_SECRET not in output
    assert "Traceback" not in output
