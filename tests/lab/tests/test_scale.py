# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark and a troubled fleet need: totals, latency, machines that are not there, swallowed modules."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from labsupport.fake import ALL, NS, Client
from winrm.protocol import Protocol

from kmslab.control import Lab, LabError

ESTATE = Path(__file__).resolve().parents[1] / "estates" / "fleet.yml"
USER, PASSWORD = "Administrator", "Lab-only-1"
NODES = [f"node-{number:05d}" for number in range(1, 13)]
QUERY = "SELECT LicenseStatus FROM SoftwareLicensingProduct WHERE PartialProductKey IS NOT NULL"


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab(ESTATE, arguments=("--fleet", str(len(NODES)), "--record-limit", "0")) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


def client(lab: Lab, name: str = NODES[0]) -> Client:
    return Client(lab.info["http_port"], name, user=USER, password=PASSWORD)


# -- totals -----------------------------------------------------------------------------------------------------------


def test_totals_without_a_record(lab: Lab) -> None:
    first, second = client(lab), client(lab, NODES[1])
    sent = first.envelope(NS["n"] + "/Enumerate", ALL, f"<n:Enumerate><w:Filter>{QUERY}</w:Filter></n:Enumerate>")
    answered = len(first.post(sent).text.encode())
    second.enumerate(QUERY)
    second.invoke(
        "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service",
        "StopService",
        selectors={"Name": "W32Time"},
    )
    assert lab.requests() == []
    totals = lab.totals()
    assert {name: totals[name] for name in ("requests", "read", "write", "shell", "machines")} == {
        "requests": 3,
        "read": 2,
        "write": 1,
        "shell": 0,
        "machines": 2,
    }
    assert sum(totals["statuses"].values()) == 3
    by_machine = lab.totals_by_machine()
    assert (by_machine[NODES[0]]["bytes_in"], by_machine[NODES[0]]["bytes_out"]) == (len(sent.encode()), answered)
    assert totals["bytes_in"] == sum(one["bytes_in"] for one in by_machine.values())
    assert totals["cpu_seconds"] > 0
    assert totals["peak_rss_bytes"] > 10_000_000
    lab.clear_requests()
    assert (lab.totals()["requests"], lab.totals_by_machine()) == (0, {})


def test_the_wire_carries_more_than_the_record_knows(lab: Lab) -> None:
    asking = client(lab)
    asking.headers["Authorization"] = "Basic bm9ib2R5Og=="
    assert asking.enumerate(QUERY).status == 401
    totals = lab.totals()
    assert totals["requests"] == 0
    assert totals["wire"]["connections"] == 1
    assert totals["wire"]["bytes_in"] > 700
    assert totals["wire"]["bytes_out"] > 100


# -- latency ----------------------------------------------------------------------------------------------------------


def test_latency_holds_nobody_else_up(lab: Lab) -> None:
    asking = [client(lab, name) for name in NODES]
    for one in asking:
        one.enumerate(QUERY)
    lab.settings(latency_ms=300)
    began = time.monotonic()
    with ThreadPoolExecutor(len(asking)) as pool:
        answers = list(pool.map(lambda one: one.enumerate(QUERY).status, asking))
    together = time.monotonic() - began
    assert answers == [200] * len(asking)
    assert 0.3 <= together < 0.3 * len(asking)
    # A method that writes is waited for in the same way, and one connection's requests come one after the other.
    began = time.monotonic()
    asking[0].connection.close()
    assert [asking[0].enumerate("SELECT Name FROM Nothing").status for _ignored in range(2)] == [500, 500]
    assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": True}, "latency_ms"),
        ({"swallow_modules": 1}, "swallow_modules"),
        ({"colour": "red"}, "no setting colour"),
    ],
)
def test_settings_that_cannot_be(lab: Lab, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        lab.settings(**change)


def test_a_reset_ends_latency(lab: Lab) -> None:
    assert lab.settings(latency_ms=5, swallow_modules=True) == {"latency_ms": 5, "swallow_modules": True}
    lab.reset()
    assert lab.settings() == {"latency_ms": 0, "swallow_modules": False}


# -- troubled machines ------------------------------------------------------------------------------------------------


def test_one_call_for_many_machines(lab: Lab) -> None:
    lab.fault_many(NODES[:3], "access_denied", count=None)
    lab.fault_many(NODES[3:5], "unauthorized", count=None)
    assert [client(lab, name).enumerate(QUERY).status for name in NODES[:6]] == [500, 500, 500, 401, 401, 200]
    assert [client(lab, name).enumerate(QUERY).status for name in NODES[:6]] == [500, 500, 500, 401, 401, 200]
    assert [rule["machine"] for rule in lab.faults()] == NODES[:5]
    with pytest.raises(LabError, match="no machine nowhere"):
        lab.fault_many([NODES[0], "nowhere"], "html")
    assert len(lab.faults()) == 5


def test_a_machine_that_never_answers(lab: Lab) -> None:
    lab.fault(NODES[0], "hang", count=None)
    silent = client(lab)
    silent.connection.timeout = 0.3
    with pytest.raises(TimeoutError):
        silent.enumerate(QUERY)
    assert client(lab, NODES[1]).enumerate(QUERY).status == 200
    silent.connection.close()
    lab.clear_faults()
    assert client(lab).enumerate(QUERY).status == 200


def test_lies(lab: Lab) -> None:
    for kind in ("malformed", "wrong_types", "wrong_id"):
        lab.fault(NODES[0], kind)
    asking = client(lab)
    malformed, wrong_types, wrong_id = (asking.enumerate(QUERY) for _ignored in range(3))
    assert "</s:Envelope>" in malformed.text
    with pytest.raises(SyntaxError):
        malformed.root.find("s:Body", NS)
    assert wrong_types.value(".//LicenseStatus") == "plenty"
    assert wrong_id.value(".//a:RelatesTo") == "uuid:00000000-0000-0000-0000-000000000000"
    assert wrong_id.value(".//LicenseStatus") == "1"


def test_ports_of_machines_that_are_not_there(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", lab.info["closed_port"]), timeout=5)
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", lab.info["silent_port"]), timeout=0.3)
    source = lab.away(tmp_path / "away.json", closed=NODES[:1], silent=NODES[1:2])
    assert str(lab.info["silent_port"]) in source.read_text(encoding="utf-8")


# -- modules that the lab swallows ------------------------------------------------------------------------------------


def run(lab: Lab, command: str, *arguments: str) -> tuple[bytes, int]:
    protocol = Protocol(
        lab.endpoint(NODES[0]), transport="basic", username=USER, password=PASSWORD, ca_trust_path=lab.info["ca_file"]
    )
    shell = protocol.open_shell()
    identifier = protocol.run_command(shell, command, arguments)
    protocol.send_command_input(shell, identifier, b"a module", end=True)
    output, _errors, code = protocol.get_command_output(shell, identifier)
    protocol.cleanup_command(shell, identifier)
    protocol.close_shell(shell)
    return output, code


def test_power_shell_is_swallowed_on_demand(lab: Lab) -> None:
    module = ("PowerShell", "-NoProfile", "-EncodedCommand", "AAAA")
    assert run(lab, *module)[1] == 1
    lab.settings(swallow_modules=True)
    output, code = run(lab, *module)
    assert (json.loads(output)["changed"], code) == (False, 0)
    assert run(lab, "hostname") == (NODES[0].encode() + b"\r\n", 0)
    assert lab.totals()["shell"] == 18


def test_a_connection_is_counted_once(lab: Lab) -> None:
    asking = client(lab)
    asking.enumerate(QUERY)
    asking.enumerate(QUERY)
    asking.connection.close()
    assert lab.totals()["wire"]["connections"] == 1
    assert isinstance(asking.connection, http.client.HTTPConnection)
