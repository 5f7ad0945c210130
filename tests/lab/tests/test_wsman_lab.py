# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a process: `python -m kmslab` and the `Lab` helper that tests and the demo use."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from labsupport.fake import Client

from kmslab.control import PACKAGE_ROOT, Lab, LabError

ESTATE = Path(__file__).parents[1] / "estates" / "small.yml"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ESTATE) as running:
        yield running


def client(lab: Lab, name: str) -> Client:
    inventory = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
    variables = {**inventory["vars"], **inventory["hosts"][name]}
    return Client(lab.info["http_port"], name, user=variables["ansible_user"], password=variables["ansible_password"])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_every_machine_answers(lab: Lab) -> None:
    assert lab.machines()
    for name in lab.machines():
        [service] = client(lab, name).query("SELECT Version FROM SoftwareLicensingService")
        assert service.findtext("Version")
    assert lab.log() == ""


def test_the_helper_reaches_everything(lab: Lab) -> None:
    lab.reset()
    name = lab.machines()[0]
    lab.fault(name, "access_denied")
    assert [rule["kind"] for rule in lab.faults()] == ["access_denied"]
    assert client(lab, name).enumerate("SELECT Version FROM SoftwareLicensingService").code == 5
    assert [entry["status"] for entry in lab.requests(name)] == [500]
    lab.clear_requests()
    assert lab.requests() == []
    lab.fault("*", "html", count=None)
    lab.clear_faults()
    assert lab.faults() == []
    assert lab.patch(name, {"power": False})["power"] is False
    lab.advance(30, hours=1)
    lab.reset()
    assert lab.machine(name)["power"] is True


def test_refusals_say_what_is_wrong(lab: Lab) -> None:
    with pytest.raises(LabError, match="404 there is no machine ghost"):
        lab.machine("ghost")
    with pytest.raises(LabError, match=r"400 .*kinds are"):
        lab.fault(lab.machines()[0], "explode")
    with pytest.raises(LabError, match="400 cannot set colour"):
        lab.patch(lab.machines()[0], {"colour": "red"})
    with pytest.raises(LabError, match="404"):
        lab.zone("no.such.zone")


def test_a_zone_can_be_read_and_written_back(lab: Lab) -> None:
    variables = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]["vars"]
    zone = variables["lab_dns_zone"]
    records = lab.zone(zone)
    assert lab.put_zone(zone, records) == lab.zone(zone)
    lab.reset()


def test_stopping_frees_everything() -> None:
    lab = Lab(ESTATE).start()
    directory, ports = lab.directory, [lab.info[name] for name in ("http_port", "https_port", "control_port")]
    assert all(listens(port) for port in ports)
    lab.stop()
    assert not any(listens(port) for port in ports)
    assert not directory.exists()
    lab.stop()  # once more does no harm


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kmslab", "--estate", str(ESTATE), "--directory", str(tmp_path / "lab")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"kmslab ready\n"
    assert json.loads((tmp_path / "lab" / "lab.json").read_text())["pid"] == process.pid
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, b"", b"")


@pytest.mark.parametrize("content", ["machines: [", "- 1", "colour: red"])
def test_a_bad_estate_is_told(tmp_path: Path, content: str) -> None:
    estate = tmp_path / "estate.yml"
    estate.write_text(content, encoding="utf-8")
    with pytest.raises(LabError, match=r"estate\.yml"):
        Lab(estate).start()
