# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live tests (tests/live) with the lab in place of a real host: this proves the tests, not Windows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.pywinrm_transport import PywinrmTransport
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import SERVICE_CLASS
from ansible_collections.winops.kms.tests.live import questions
from ansible_collections.winops.kms.tests.live.recording import (
    Recording,
    RecordingRefused,
    RecordingSession,
    public_scrubber,
    write,
)
from ansible_collections.winops.kms.tests.system.harness import ROOT
from kmslab.control import Exchange, Lab

HOST, CLIENT = "berlin-kms", "berlin-pc"
#: What the estate has that must be in no file: names, user, password, keys, addresses.
SECRETS = ("berlin", "secretcorp", "hamlet", "Lab-only", "FW444", "HK222", "198.18.")
EVENTS = [
    {"event": 12290, "client": "hh-{n}.secretcorp.lab", "count": 5, "clients": 3, "over_minutes": 60},
    {"event": 12288, "host": "berlin-kms.secretcorp.lab:1688", "count": 25, "over_minutes": 60},
    {"event": 12289, "activated": True, "kms_count": 27},
]
#: Client settings, and nothing else.
WRITTEN = {
    "SetKeyManagementServiceMachine",
    "SetKeyManagementServicePort",
    "SetKeyManagementServiceLookupDomain",
    "ClearKeyManagementServiceMachine",
    "ClearKeyManagementServicePort",
    "ClearKeyManagementServiceLookupDomain",
    "DisableKeyManagementServiceHostCaching",
}


@dataclass(frozen=True)
class Live:
    """The live tests' runs on both machines, and what the lab saw of them."""

    lab: Lab
    runs: Mapping[str, subprocess.CompletedProcess[str]]
    output: Path
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    requests: list[Exchange]


def _pytest(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    left_out = ("WINOPS_LIVE_", "PYTEST_", "ANSIBLE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=ROOT,
        env={**environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def live(start_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Everything by both plugins with writes on the KMS host; read-only and by one plugin on the client."""
    lab, output = start_lab("live"), tmp_path_factory.mktemp("output")
    lab.patch(HOST, {"add_events": EVENTS})
    lab.clear_requests()
    before = {name: lab.machine(name) for name in lab.machines()}
    common = {
        "WINOPS_LIVE_INVENTORY": str(lab.inventory),
        "WINOPS_LIVE_DNS_SERVER": f"127.0.0.1:{lab.info['dns_port']}",
    }
    runs = {
        HOST: _pytest(
            "tests/live",
            **common,
            WINOPS_LIVE_HOST=HOST,
            WINOPS_LIVE_WRITE="1",
            WINOPS_LIVE_OUTPUT=str(output / HOST),
        ),
        CLIENT: _pytest(
            "tests/live",
            **common,
            WINOPS_LIVE_HOST=CLIENT,
            WINOPS_LIVE_CONNECTIONS="winrm",
            WINOPS_LIVE_OUTPUT=str(output / CLIENT),
        ),
    }
    after = {name: lab.machine(name) for name in lab.machines()}
    return Live(lab, runs, output, before, after, lab.requests())


def test_they_pass(live: Live) -> None:
    for host, run in live.runs.items():
        assert run.returncode == 0, f"{host}\n{run.stdout[-6000:]}"
        assert re.search(r"^\d+ passed in", run.stdout, re.MULTILINE), run.stdout[-500:]
    counts = [int(re.findall(r"^(\d+) passed", live.runs[host].stdout, re.MULTILINE)[0]) for host in (HOST, CLIENT)]
    # Both plugins and the writes, against one plugin without.
    assert counts[0] > 2 * (counts[1] - 1)


def test_nothing_is_changed_at_the_end(live: Live) -> None:
    assert live.after == live.before


def test_the_lab_has_seen_no_shell_and_no_other_write(live: Live) -> None:
    assert {request["kind"] for request in live.requests} == {"read", "write"}
    writes = [request for request in live.requests if request["kind"] == "write"]
    assert {request["method"] for request in writes} <= WRITTEN
    assert {request["machine"] for request in writes} == {HOST}


def test_the_recordings_play_in_the_protocol_tests(live: Live, tmp_path: Path) -> None:
    scripts = sorted(live.output.rglob("exchanges/*.yml"))
    assert len(scripts) == 3 * len(list((live.output / HOST / "winrm" / "exchanges").iterdir()))
    run = _replay(scripts, tmp_path)
    assert run.returncode == 0, run.stdout[-6000:]
    assert f"{len(scripts) + 1} passed" in run.stdout


def _replay(scripts: list[Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """The unchanged runner of tests/protocol over other scripts."""
    for name in ("test_exchanges.py", "classes.yml"):
        shutil.copy(ROOT / "tests" / "protocol" / name, folder)
    (folder / "exchanges").mkdir()
    for number, script in enumerate(scripts):
        shutil.copy(script, folder / "exchanges" / f"{number:02d}_{script.name}")
    return _pytest(str(folder / "test_exchanges.py"), "-c", str(ROOT / "pyproject.toml"))


def test_no_file_tells_whose_host_it_was(live: Live) -> None:
    private = [*SECRETS, *(machine["cmid"] for machine in live.before.values())]
    files = [path for path in live.output.rglob("*") if path.is_file()]
    assert any(path.suffix == ".md" for path in files)
    for path in files:
        text = path.read_text(encoding="utf-8").lower()
        assert not [secret for secret in private if secret.lower() in text], path
    # There was something to take out: "hh-1.secretcorp.lab", replaced by a name of the same length.
    events = (live.output / HOST / "winrm" / "exchanges" / "host_events.yml").read_text(encoding="utf-8")
    assert re.search(r"<InsertionStrings>host\d\.zone\dx\.example<", events)


def test_the_table_says_rightly_what_the_lab_does(live: Live) -> None:
    texts = [path.read_text(encoding="utf-8") for path in live.output.rglob("open_questions.md")]
    assert len(texts) == 3
    for question in questions.QUESTIONS:
        line = f"| {question.text} | {question.lab} | "
        told = {text.split(line)[1].split(" |")[0] for text in texts}
        assert question.lab in told, f"{question.name}: {told}"
        assert told <= {question.lab, "nothing to be seen"} or question.name == "product_machine_name", told


def test_a_secret_in_an_answer_is_replaced(live: Live, tmp_path: Path) -> None:
    """All columns bring the key in the firmware, which the collection itself never asks for."""
    recording = _everything_of(live.lab, CLIENT)
    assert any(b"N4444-44444-44444-44444-FW444" in (sent.answer or b"") for sent in recording.sent)
    (path,) = write([recording], tmp_path / "scripts", public_scrubber())
    text = path.read_text(encoding="utf-8")
    assert "FW444" not in text
    assert re.search(r"<p:OA3xOriginalProductKey>N2222-22222-22222-22222-22[A-Z]{3}<", text)
    assert "branch.secretcorp.lab" not in text
    (tmp_path / "play").mkdir()
    run = _replay([path], tmp_path / "play")
    assert run.returncode == 0, run.stdout[-3000:]


def test_a_file_with_a_forbidden_word_is_not_written(live: Live, tmp_path: Path) -> None:
    recording = _everything_of(live.lab, CLIENT)
    with pytest.raises(RecordingRefused, match=r"line \d+: a forbidden word") as caught:
        write([recording], tmp_path / "scripts", public_scrubber(["10.0.22631"]))
    assert "22631" not in str(caught.value)
    assert not (tmp_path / "scripts").exists()


def _everything_of(lab: Lab, machine: str) -> Recording:
    from winrm.protocol import Protocol

    def protocol() -> Any:
        return Protocol(lab.endpoint(machine), transport="basic", username="svc-hamlet", password="Lab-only-1")

    recording = Recording("everything", "All columns of the service.")
    with RecordingSession(PywinrmTransport(protocol, lab.endpoint(machine)), recording) as session:
        session.query(SERVICE_CLASS)
    return recording


def test_without_a_host_nothing_runs_and_the_variables_are_named() -> None:
    run = _pytest("tests/live")
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "WINOPS_LIVE_INVENTORY" in run.stdout
    assert "no tests ran" in run.stdout
