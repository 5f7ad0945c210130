# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow of the data set, run as AWX runs it: four jobs, the clients in two slices that run at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.awx.run_jobs import Awx, Credential, JobRun
from kmslab.control import Exchange, Lab

ESTATE = Path(__file__).parent / "estates" / "awx.yml"
PASSWORD = "Pw-of-the-lab-1"
HOST_KEY = "BCDFG-HJKMP-QRTVW-XY234-HKX26"
MAK = "MPQRT-VWXY2-34678-9BCDF-MKX26"
TSIG_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE="
#: Whole, and the parts of which one would know them.
SECRETS = (
    HOST_KEY.lower(),
    HOST_KEY[:23].lower(),
    HOST_KEY.replace("-", "").lower(),
    MAK[:23].lower(),
    TSIG_SECRET.lower(),
    TSIG_SECRET[:20].lower(),
    PASSWORD.lower(),
)
CREDENTIALS = {
    "install host": [Credential("KMS host key", {"key": HOST_KEY})],
    "publish DNS": [
        Credential("DNS key (TSIG)", {"name": "winops-kms.", "secret": TSIG_SECRET, "algorithm": "hmac-sha256"})
    ],
}
SERVERS = tuple(f"srv{number}" for number in range(1, 7))

pytestmark = pytest.mark.xdist_group("awx-run-workflow")


@dataclass(frozen=True)
class Passes:
    """What the workflow did: winrm twice, then psrp once on the estate as at its start, with all output (-vvvvv)."""

    first: dict[str, list[JobRun]]
    second: dict[str, list[JobRun]]
    by_psrp: dict[str, list[JobRun]]
    states: dict[str, dict[str, Any]]
    """Machine -> its state after the first pass, as the estate itself knows it."""
    states_by_psrp: dict[str, dict[str, Any]]
    records: list[dict[str, Any]]
    second_requests: list[Exchange]

    @property
    def jobs(self) -> list[JobRun]:
        return [run for each in (self.first, self.second, self.by_psrp) for runs in each.values() for run in runs]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ESTATE) as lab:
        yield lab


def awx(lab: Lab, folder: Path, connection: str = "winrm") -> Awx:
    return Awx(lab, folder, connection=connection, user="Administrator", password=PASSWORD)


@pytest.fixture(scope="module")
def passes(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Passes:
    shared = tmp_path_factory.mktemp("shared")
    answers = {
        "kms_host_pattern": "kms_hosts",
        "kms_client_pattern": "kms_clients",
        "publish_dns_method": "rfc2136",
        "publish_dns_zone": "corp.example",
        "publish_dns_server": "127.0.0.1",
        # The folder of a job ends with it.
        "report_directory": str(shared / "report"),
        # Looks often enough for a test.
        "point_clients_delay": 1,
    }
    controller = awx(lab, tmp_path_factory.mktemp("winrm"))
    first = controller.workflow(answers, CREDENTIALS)
    states, records = {name: lab.machine(name) for name in lab.machines()}, lab.zone("corp.example")
    lab.clear_requests()
    second = controller.workflow(answers, CREDENTIALS)
    requests = lab.requests()
    lab.reset()
    by_psrp = awx(lab, tmp_path_factory.mktemp("psrp"), "psrp").workflow(answers, CREDENTIALS, verbosity=5)
    return Passes(
        first=first,
        second=second,
        by_psrp=by_psrp,
        states=states,
        states_by_psrp={name: lab.machine(name) for name in lab.machines()},
        records=records,
        second_requests=requests,
    )


def test_all_jobs_succeed(passes: Passes) -> None:
    for each in (passes.first, passes.second, passes.by_psrp):
        failed = {name: run.stdout[-3000:] for name, runs in each.items() for run in runs if run.status != "successful"}
        assert not failed, failed
        assert {name: len(runs) for name, runs in each.items()} == {
            "install host": 1,
            "publish DNS": 1,
            "point clients": 2,
            "report": 1,
        }


def test_the_estate_ends_activated_and_published(passes: Passes) -> None:
    for states in (passes.states, passes.states_by_psrp):
        assert {name: state["status"] for name, state in states.items()} == dict.fromkeys(states, "licensed")
        assert states["kms1"]["channel"] == "Volume:CSVLK"
        assert {states[name]["kms_host"] for name in SERVERS} == {"kms1"}
    (record,) = (record for record in passes.records if record["type"] == "SRV")
    assert record["data"] == "0 0 1688 kms1.corp.example."


def test_slices_have_their_hosts_alone(passes: Passes) -> None:
    """Sorted by name, kms1 is the first of the first slice; the other slice has no KMS host to look at."""
    slices = sorted(sorted(run.recap["ok"]) for run in passes.first["point clients"])
    assert slices == [["srv1", "srv3", "srv5"], ["srv2", "srv4", "srv6"]]
    assert [name for run in passes.first["point clients"] for name in run.changed] != []
    assert {name for run in passes.first["point clients"] for name in run.changed} == set(SERVERS)


def test_a_second_pass_changes_nothing(passes: Passes) -> None:
    changed = [
        (run.template, result.host, result.task)
        for runs in passes.second.values()
        for run in runs
        for result in run.results
        if any(item.get("changed") for item in (*result.module_results, result.result))
    ]
    assert not changed
    assert {request["kind"] for request in passes.second_requests} == {"read"}


def test_nodes_pass_on_what_they_did(passes: Passes) -> None:
    for each in (passes.first, passes.second):
        ((host, facts),) = each["install host"][0].artifacts["kms_installed_hosts"].items()
        assert host == facts["name"] == "kms1"
        assert facts["is_kms_host"] is facts["licensed"] is True
        assert each["publish DNS"][0].artifacts["kms_published"] == {
            "kms1": {"target": "kms1.corp.example", "port": 1688, "domains": ["corp.example"]}
        }
        clients = [run.artifacts for run in each["point clients"]]
        # AWX merges what slices pass on by its names, and the last one counts: so each has a name of its own.
        assert len({name for one in clients for name in one}) == 2
        totals = [value for one in clients for value in one.values()]
        assert sum(one["licensed"] for one in totals) == sum(one["machines"] for one in totals) == len(SERVERS)
        assert sum(one["pending"] + one["failed"] + one["other"] for one in totals) == 0
        report = each["report"][0]
        assert report.artifacts["kms_report"]["licensed"] == report.artifacts["kms_report"]["hosts"] == 7
        assert "7 of 7 licences on 7 machines are licensed" in report.messages
        assert "Of the clients of this workflow 6 ended activated, 0 pending and 0 failed." in report.messages


def test_slices_know_the_kms_host_from_the_first_node(passes: Passes) -> None:
    """The clients of the slice without the KMS host are looked at with what is known of it, and nothing is wrong."""
    (alone,) = (run for run in passes.first["point clients"] if "srv1" in run.recap["ok"])
    assert alone.extra_vars["kms_installed_hosts"]["kms1"]["build"] == 20348
    looks = [one.result for one in alone.results if one.task == "See what stands in the way of the client"]
    assert [look["findings"] for look in looks] == [[], [], []]


def test_no_secret_is_left_anywhere(passes: Passes) -> None:
    told = []
    for run in passes.jobs:
        places = [("stdout", run.stdout), ("events", json.dumps(run.events)), ("artifacts", json.dumps(run.artifacts))]
        for place, text in [*places, *((str(path), text) for path, text in run.left_behind())]:
            told += [(run.template, run.number, place) for secret in SECRETS if secret in text.lower()]
    assert not told
    (published,) = passes.by_psrp["publish DNS"]
    assert "ansible-playbook [core" in published.stdout, "this was no run with -vvvvv"


def test_results_have_short_messages(passes: Passes) -> None:
    """What our modules did is told in a line."""
    seen = set()
    for run in passes.jobs:
        for result in run.results:
            if not result.action.startswith("winops.kms.") or result.event == "runner_on_skipped":
                continue
            for item in result.module_results:
                message = item.get("msg")
                assert isinstance(message, str) and 0 < len(message) <= 300, (run.template, result.task, message)
                seen.add(result.action)
    assert seen >= {f"winops.kms.{name}" for name in ("host", "client", "license_info", "preflight_info", "srv_record")}


def test_a_long_wait_shows_how_it_goes(lab: Lab, tmp_path: Path) -> None:
    """A slice whose clients are too few tells of each look, names what it waits for, and ends pending, not failed."""
    lab.reset()
    controller = awx(lab, tmp_path)
    (host,) = controller.run("install host", credentials=CREDENTIALS["install host"], limit="kms1")
    (dns,) = controller.run(
        "publish DNS",
        {"publish_dns_method": "rfc2136", "publish_dns_zone": "corp.example", "publish_dns_server": "127.0.0.1"},
        credentials=CREDENTIALS["publish DNS"],
        limit="kms1",
    )
    assert (host.status, dns.status) == ("successful", "successful")
    answers = {"point_clients_wait": 15, "point_clients_delay": 1, "kms_client_serial": "2"}
    runs = controller.run("point clients", answers, artifacts=host.artifacts | dns.artifacts, limit="srv1:srv2:srv4")
    assert [run.status for run in runs] == ["successful", "successful"], [run.stdout[-2000:] for run in runs]
    (alone,) = (run for run in runs if "srv1" in run.recap["ok"])
    for run in runs:
        retries = [one for one in run.results if one.event == "runner_retry"]
        assert retries
        assert all(one.result["msg"] and one.result["attempts"] for one in retries)
        ((_name, totals),) = run.artifacts.items()
        assert (totals["licensed"], totals["pending"]) == (0, totals["machines"])
    assert "The KMS hosts of this workflow (kms1.corp.example) are not in the inventory of this job" in alone.messages
    assert "Waiting for more machines to ask, up to 15 seconds in all." in alone.messages


def test_artifacts_are_those_of_all_hosts(lab: Lab, tmp_path: Path) -> None:
    """Aggregated over hosts and batches, with a limit, and in check mode."""
    lab.reset()
    (run,) = awx(lab, tmp_path).run(
        "point clients (check)",
        {"kms_client_serial": "2", "point_clients_activate": "false"},
        slices=1,
        limit="srv1:srv2:srv3:srv5",
    )
    assert run.status == "successful", run.stdout[-2000:]
    ((_name, totals),) = run.artifacts.items()
    assert totals == {"machines": 4, "licensed": 0, "pending": 0, "left_alone": 0, "other": 4, "failed": 0}
    assert {request["kind"] for request in lab.requests()} == {"read"}
