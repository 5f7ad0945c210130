# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded, faults on demand, and the control API over them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from labsupport.fake import NS, SERVICES, WMI, Client, FakeEstate, Rows, RunningLab, machine

from kmslab.faults import KINDS

REGISTRY = WMI + "root/default/StdRegProv"
QUERY = "SELECT Name FROM Win32_Service WHERE Name='sppsvc'"

Api = Callable[..., tuple[int, Any]]


@pytest.fixture
def providers() -> dict[str, Rows]:
    return {}


@pytest.fixture
def lab(tmp_path: Path, providers: dict[str, Rows]) -> Iterator[RunningLab]:
    view, made = machine()
    providers.update(made)
    old, _ignored = machine("old01", version="6.1.7601")
    with RunningLab(FakeEstate({view.name: view, "old01": old}), tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: RunningLab) -> Client:
    return lab.client()


@pytest.fixture
def api(lab: RunningLab) -> Api:
    def call(method: str, path: str, data: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", lab.info["control_port"], timeout=20)
        body = b"" if data is None else json.dumps(data).encode()
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    return call


# -- the record -----------------------------------------------------------------------------------------------------


def test_every_kind_of_request_is_recorded(lab: RunningLab, client: Client, api: Api) -> None:
    context = client.enumerate("SELECT Name FROM Win32_Service").value(".//n:EnumerationContext")
    client.release(client.pull(context, elements=1).value(".//n:EnumerationContext"))
    client.get(SERVICES, {"Name": "none"})
    client.invoke(REGISTRY, "EnumKey")
    client.invoke(SERVICES, "StopService", selectors={"Name": "sppsvc"})
    client.invoke(SERVICES, "Explode", selectors={"Name": "sppsvc"})
    client.send(NS["x"] + "/Delete", SERVICES, selectors={"Name": "Odd"})
    lab.client("old01").enumerate(QUERY)
    status, entries = api("GET", "/requests?machine=SRV01")
    assert status == 200
    assert [
        (entry["action"].rpartition("/")[2], entry["method"], entry["kind"], entry["status"]) for entry in entries
    ] == [
        ("Enumerate", "", "read", 200),
        ("Pull", "", "read", 200),
        ("Release", "", "read", 200),
        ("Get", "", "read", 500),
        ("EnumKey", "EnumKey", "read", 200),
        ("StopService", "StopService", "write", 200),
        ("Explode", "Explode", "write", 500),
        ("Delete", "", "write", 200),
    ]
    assert len(api("GET", "/requests")[1]) == 9
    assert api("DELETE", "/requests") == (200, {})
    assert api("GET", "/requests") == (200, [])


def test_sizes_and_message_ids(client: Client, api: Api) -> None:
    envelope = client.envelope(NS["x"] + "/Get", SERVICES, selectors={"Name": "sppsvc"})
    answer = client.post(envelope)
    [entry] = api("GET", "/requests")[1]
    assert entry == {
        "machine": "srv01",
        "action": NS["x"] + "/Get",
        "resource": SERVICES,
        "method": "",
        "kind": "read",
        "status": 200,
        "bytes_in": len(envelope),
        "bytes_out": len(answer.text.encode()),
        "message_id": answer.value(".//a:RelatesTo"),
    }


def test_parameters_are_never_recorded(client: Client, api: Api) -> None:
    client.invoke(SERVICES, "Change", "<p:DisplayName>the secret</p:DisplayName>", {"Name": "sppsvc"})
    assert "secret" not in json.dumps(api("GET", "/requests")[1])


# -- faults on demand -----------------------------------------------------------------------------------------------


def stop(client: Client) -> Any:
    return client.invoke(SERVICES, "StopService", selectors={"Name": "sppsvc"})


def state(providers: dict[str, Rows]) -> object:
    return providers["Win32_Service"].rows[0]["State"]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"hang"}))
def test_whether_the_operation_is_done(client: Client, api: Api, providers: dict[str, Rows], kind: str) -> None:
    assert api("POST", "/faults", {"machine": "SRV01", "kind": kind, "seconds": 0, "size": 10}) == (200, {})
    try:
        stop(client)
    except (ConnectionError, http.client.HTTPException):
        assert kind in ("drop_before", "drop_after")
    assert state(providers) == ("Stopped" if KINDS[kind] else "Running")
    assert len(api("GET", "/requests")[1]) == 1
    assert client.enumerate(QUERY).status == 200


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_dropped_connections(client: Client, api: Api, kind: str) -> None:
    api("POST", "/faults", {"machine": "srv01", "kind": kind})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        client.enumerate(QUERY)
    [entry] = api("GET", "/requests")[1]
    assert (entry["status"], entry["bytes_out"]) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "subcode", "code"),
    [
        ("timed_out", "w:TimedOut", 2150858793),
        ("quota", "w:InternalError", 2150859174),
        ("access_denied", "w:AccessDenied", 5),
        ("fault", "w:InternalError", 0x80041001),
    ],
)
def test_faults(client: Client, api: Api, kind: str, subcode: str, code: int) -> None:
    api("POST", "/faults", {"machine": "srv01", "kind": kind})
    answer = client.enumerate(QUERY)
    assert (answer.status, answer.subcode, answer.code) == (500, subcode, code)


def test_a_given_hresult_in_a_given_shape(client: Client, api: Api) -> None:
    api("POST", "/faults", {"machine": "srv01", "kind": "fault", "hresult": "0xC004F074", "shape": "wsman"})
    api("POST", "/faults", {"machine": "srv01", "kind": "fault", "hresult": 0xC004F038, "shape": "wmi"})
    first, second = client.enumerate(QUERY), client.enumerate(QUERY)
    assert first.find(".//f:ProviderFault/f:WSManFault").get("Code") == str(0xC004F074)
    assert second.value(".//wmi:MessageID") == "HRESULT 0xc004f038"


def test_shape_follows_the_generation(lab: RunningLab, api: Api) -> None:
    api("POST", "/faults", {"machine": "*", "kind": "quota", "count": 2})
    assert lab.client("srv01").enumerate(QUERY).has(".//wmi:error_Code")
    assert lab.client("old01").enumerate(QUERY).has(".//f:WSManFault")


def test_answers_that_are_not_what_they_should_be(client: Client, api: Api) -> None:
    for kind in ("html", "http_503", "empty_400", "truncated", "doctype", "oversized"):
        api("POST", "/faults", {"machine": "srv01", "kind": kind, "size": 600000})
    page, unavailable, empty = (client.enumerate(QUERY) for _ignored in range(3))
    assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert unavailable.status == 503
    assert (empty.status, empty.text) == (400, "")
    cut, doctype, big = (client.enumerate(QUERY) for _ignored in range(3))
    assert cut.text.startswith("<s:Envelope")
    assert "</s:Envelope>" not in cut.text
    assert doctype.text.startswith("<!DOCTYPE")
    assert len(big.text) > 600000
    assert big.root.tag.endswith("Envelope")


def test_delay(client: Client, api: Api) -> None:
    api("POST", "/faults", {"machine": "srv01", "kind": "delay", "seconds": 0.2})
    before = time.monotonic()
    assert client.enumerate(QUERY).status == 200
    assert time.monotonic() - before >= 0.2


def test_rules_match_machine_action_method_and_count(lab: RunningLab, api: Api) -> None:
    api("POST", "/faults", {"machine": "old01", "kind": "access_denied", "count": None})
    api("POST", "/faults", {"machine": "srv01", "kind": "access_denied", "action": "transfer/Get", "count": 2})
    api("POST", "/faults", {"machine": "srv01", "kind": "access_denied", "method": "EnumKey"})
    client = lab.client()
    assert client.enumerate(QUERY).status == 200
    assert [client.get(SERVICES, {"Name": "sppsvc"}).status for _ignored in range(3)] == [500, 500, 200]
    assert [client.invoke(REGISTRY, "EnumKey").status for _ignored in range(2)] == [500, 200]
    assert [lab.client("old01").enumerate(QUERY).status for _ignored in range(3)] == [500, 500, 500]
    assert [rule["machine"] for rule in api("GET", "/faults")[1]] == ["old01"]
    assert api("DELETE", "/faults") == (200, {})
    assert lab.client("old01").enumerate(QUERY).status == 200


def test_done_can_be_turned_round(client: Client, api: Api, providers: dict[str, Rows]) -> None:
    api("POST", "/faults", {"machine": "srv01", "kind": "fault", "hresult": 0x800706BE, "done": True})
    assert stop(client).code == 0x800706BE
    assert state(providers) == "Stopped"


@pytest.mark.parametrize(
    "rule",
    [
        [],
        {"kind": "drop_before"},
        {"machine": "srv01"},
        {"machine": "srv01", "kind": "explode"},
        {"machine": "srv01", "kind": "fault", "hresult": "C004"},
        {"machine": "srv01", "kind": "fault", "hresult": -1},
        {"machine": "srv01", "kind": "fault", "shape": "round"},
        {"machine": "srv01", "kind": "fault", "count": 0},
        {"machine": "srv01", "kind": "fault", "count": True},
        {"machine": "srv01", "kind": "fault", "colour": "red"},
    ],
)
def test_bad_rules(api: Api, rule: object) -> None:
    status, answer = api("POST", "/faults", rule)
    assert status == 400
    assert answer["error"]
    assert api("GET", "/faults")[1] == []


def test_a_rule_for_a_machine_that_is_not_there(api: Api) -> None:
    assert api("POST", "/faults", {"machine": "ghost", "kind": "html"})[0] == 404


# -- the rest of the control API ------------------------------------------------------------------------------------


def test_machines(api: Api) -> None:
    assert api("GET", "/machines") == (200, ["srv01", "old01"])
    assert api("GET", "/machines/SRV01") == (
        200,
        {"name": "srv01", "power": True, "open_enumerations": 0, "open_shells": 0},
    )
    assert api("GET", "/machines/ghost")[0] == 404


def test_unfinished_enumerations_are_counted(client: Client, api: Api) -> None:
    context = client.enumerate("SELECT Name FROM Win32_Service").value(".//n:EnumerationContext")
    assert api("GET", "/machines/srv01")[1]["open_enumerations"] == 1
    client.release(context)
    assert api("GET", "/machines/srv01")[1]["open_enumerations"] == 0


def test_switching_a_machine_off_and_on(client: Client, api: Api) -> None:
    assert api("PATCH", "/machines/srv01", {"power": False})[1]["power"] is False
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        client.enumerate(QUERY)
    api("PATCH", "/machines/srv01", {"power": True})
    assert client.enumerate(QUERY).status == 200
    status, answer = api("PATCH", "/machines/srv01", {"colour": "red"})
    assert (status, answer["error"]) == (400, "cannot set colour")
    assert api("PATCH", "/machines/srv01", ["power"])[0] == 400


def test_clock_and_reset(lab: RunningLab, client: Client, api: Api) -> None:
    assert api("POST", "/clock", {"advance_minutes": 90}) == (200, {})
    for wrong in ({}, {"advance_minutes": -1}, {"advance_minutes": "1"}, {"advance_minutes": True}, None):
        assert api("POST", "/clock", wrong)[0] == 400
    client.enumerate("SELECT Name FROM Win32_Service")
    api("POST", "/faults", {"machine": "srv01", "kind": "html"})
    assert api("POST", "/reset") == (200, {})
    assert lab.estate.log == ["start", "advance 90", "reset"]
    assert api("GET", "/requests")[1] == []
    assert api("GET", "/faults")[1] == []
    assert api("GET", "/machines/srv01")[1]["open_enumerations"] == 0


def test_dns(api: Api) -> None:
    records = [{"name": "_vlmcs._tcp", "type": "SRV", "data": "0 0 1688 kms1"}]
    assert api("PUT", "/dns/corp.example", records) == (200, records)
    assert api("GET", "/dns/corp.example") == (200, records)
    assert api("GET", "/dns/other.example")[0] == 404
    assert api("PUT", "/dns/other.example", [])[0] == 404


def test_unknown_paths_and_bad_bodies(lab: RunningLab, api: Api) -> None:
    assert api("GET", "/")[0] == 404
    assert api("GET", "/nothing")[0] == 404
    assert api("POST", "/machines", {})[0] == 405
    connection = http.client.HTTPConnection("127.0.0.1", lab.info["control_port"], timeout=20)
    connection.request("POST", "/faults", b"{")
    assert connection.getresponse().status == 400
    connection.close()


def test_files(lab: RunningLab, tmp_path: Path) -> None:
    info = json.loads((tmp_path / "lab.json").read_text())
    assert info == lab.info
    assert Path(info["ca_file"]) == tmp_path / "ca.pem"
    everything = yaml.safe_load((tmp_path / "inventory.yml").read_text())["all"]
    assert everything["vars"]["ansible_port"] == info["http_port"]
    assert everything["vars"]["ansible_password"] == "secret"
    assert everything["vars"]["lab_dns_zone"] == "corp.example"
    # Paths are written out: a delegated task reads them under the name of another machine.
    assert everything["hosts"] == {
        name: {"ansible_winrm_path": f"/{name}/wsman", "ansible_psrp_path": f"{name}/wsman"}
        for name in ("srv01", "old01")
    }
    assert list(everything["children"]["kms_clients"]["hosts"]) == ["srv01", "old01"]
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    view, _ignored = machine()
    with RunningLab(FakeEstate({view.name: view}), tmp_path) as lab:
        stop(lab.client())
    assert [thread.name for thread in set(threading.enumerate()) - before] == []
