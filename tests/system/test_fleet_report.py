# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet_report over a fleet with one machine of every sort, with troubles, killed in the middle, and misused."""

from __future__ import annotations

import base64
import contextlib
import csv
import fcntl
import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._action.specs import FLEET_REPORT
from ansible_collections.winops.kms.tests.system import harness
from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief
from kmslab.control import Lab

pytestmark = pytest.mark.estate("survey")

FLEET = [f"pc-{number:05}" for number in range(1, 21)]
HOSTS = sorted(
    [
        *("kms1", "kms2", "by-short", "by-name", "by-address", "stale", "twin1", "twin2", "soon", "late", "keyless"),
        *("mak", "german", "seven", "office"),
        *FLEET,
    ]
)
PASSWORDS = ("Lab-only-1", "Lab-other-2", "Lab-wrong-9")
DNS = {"domains": ["corp.example"], "dns_server": "127.0.0.1", "dns_port": "{{ lab_dns_port }}"}
FILES = {
    "json_lines": "fleet.jsonl",
    "csv": "fleet.csv",
    "html": "fleet.html",
    "json": "fleet.json",
    "prometheus": "kms.prom",
}


def task(**options: Any) -> dict[str, Any]:
    return {"name": "survey", "winops.kms.fleet_report": options}


def result(run: Run, name: str = "survey") -> dict[str, Any]:
    """That of the one host that a task for the whole play ran for."""
    (found,) = (one.result for one in run.events if one.task == name)
    return found


def files(folder: Path, *names: str) -> dict[str, str]:
    return {name: str(folder / FILES[name]) for name in names or FILES}


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Host -> its rows of json_lines."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["host"] for line in lines] == sorted(line["host"] for line in lines)
    return {line["host"]: line["rows"] for line in lines}


def source(folder: Path, hosts: Mapping[str, Mapping[str, Any]], name: str = "more.json") -> Path:
    """An inventory source with more variables of hosts."""
    path = folder / name
    path.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    return path


def listed(found: Mapping[str, Any], problem: str) -> dict[str, str]:
    return {entry["host"]: entry["why"] for entry in found["problems"][problem]}


def ways(lab: Lab) -> dict[str, dict[str, Any]]:
    """Every way to a machine that the lab knows without a realm: plugins, TLS, NTLM, accounts."""
    psrp = {"ansible_connection": "psrp"}
    https, ca_file = lab.info["https_port"], lab.info["ca_file"]
    return {
        "by-name": {"ansible_user": "other", "ansible_password": "{{ secret_of_other }}"},
        "by-address": {**psrp, "ansible_psrp_user": "other", "ansible_password": "Lab-other-2"},
        "twin1": psrp,
        "seven": psrp,
        "kms2": psrp,
        FLEET[0]: {"ansible_winrm_transport": "ntlm"},
        FLEET[1]: {**psrp, "ansible_psrp_auth": "ntlm", "ansible_psrp_message_encryption": "auto"},
        FLEET[2]: {
            "ansible_port": https,
            "ansible_winrm_scheme": "https",
            "ansible_winrm_ca_trust_path": ca_file,
            "ansible_winrm_transport": ["ntlm", "basic"],
        },
        FLEET[3]: {
            **psrp,
            "ansible_port": https,
            "ansible_psrp_protocol": "https",
            "ansible_psrp_cert_validation": "ignore",
        },
    }


def test_what_is_told_and_written(lab: Lab, play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    state = folder / "fleet.state"
    others = {"linux": {"ansible_connection": "ssh"}, "controller": {"ansible_connection": "local"}}
    more = source(tmp_path, {**ways(lab), **others})
    variables = {"secret_of_other": "Lab-other-2"}
    survey = task(**files(folder), **DNS, state_file=str(state), groups=["kms_hosts"], most_listed=40, max_age=0)

    predicted = play([survey], inventory=[more], extra_vars=variables, check=True)
    assert result(predicted)["changed"] is True
    assert list(folder.iterdir()) == []
    lab.clear_requests()

    run = play([survey], inventory=[more], extra_vars=variables)
    found = result(run)
    requests = lab.requests()
    assert {one["kind"] for one in requests} == {"read"}
    counted = Counter(one["machine"] for one in requests if one["status"] == 200)
    # A second product comes by a second page; Windows 7 lacks columns that others have.
    assert {host: counted[host] for host in HOSTS} == {**dict.fromkeys(HOSTS, 2), "office": 3}, brief(requests)
    assert len({event.host for event in run.events}) == 1

    # -- the result ----------------------------------------------------------------------------------------------------
    assert found["totals"] == {
        "hosts": 37,
        "answered": 35,
        "unanswered": 2,
        "unreachable": 0,
        "failed": 2,
        "activated": 32,
        "unactivated": 3,
        "expiring": 1,
        "sharing_id": 2,
        "not_in_dns": 1,
        "kms_hosts": 2,
        "kms_hosts_low": 1,
    }
    assert found["groups"]["kms_hosts"] == {
        **dict.fromkeys(found["totals"], 0),
        **{"hosts": 2, "answered": 2, "activated": 2, "kms_hosts": 2, "kms_hosts_low": 1},
    }
    assert {name: set(listed(found, name)) for name in found["problems"]} == {
        "unanswered": {"linux", "controller"},
        "unactivated": {"keyless", "late", "office"},
        "expiring": {"soon"},
        "sharing_id": {"twin1", "twin2"},
        "not_in_dns": {"stale"},
        "kms_hosts_low": {"kms2"},
    }
    assert "connection plugin ssh can't be used" in listed(found, "unanswered")["linux"]
    assert "ansible_connection: winrm" in listed(found, "unanswered")["controller"]
    assert found["licenses"]["status"] == {"licensed": 33, "failed": 2, "no_key": 1, "notification": 1, "oob_grace": 1}
    assert found["licenses"]["error_code"] == {"0xC004F074": 1}
    assert found["licenses"]["kms_server"]["oldkms.corp.example"] == 1
    assert [(one["host"], one["current_count"]) for one in found["kms_hosts"]] == [("kms1", 50), ("kms2", 9)]
    assert (found["asked"], found["kept"]) == (37, 0)
    assert found["msg"].startswith("37 hosts, 37 asked in ")
    assert found["files"] == files(folder)

    # -- the files, against the lab ------------------------------------------------------------------------------------
    lines = rows(folder / "fleet.jsonl")
    assert set(lines) == {*HOSTS, *others}
    for host in HOSTS:
        machine = lab.machine(host)
        row = lines[host][0]
        assert row["client_machine_id"] == machine["cmid"].lower(), host
        assert row.get("partial_product_key") == machine["partial_product_key"], host
        assert row["status"] == (machine["status"] if machine["partial_product_key"] else "no_key"), host
        assert row.get("channel") == (machine["channel"] if machine["partial_product_key"] else None), host
    assert (lines["soon"][0]["days_left"], lines["late"][0]["days_left"]) == (14, 0)
    assert [row["application"] for row in lines["office"]] == ["windows", "office"]
    with (folder / "fleet.csv").open(encoding="utf-8", newline="") as table:
        assert Counter(line["host"] for line in csv.DictReader(table)) == {
            host: len(of_host) for host, of_host in lines.items()
        }
    page = (folder / "fleet.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "KMS fleet report" in page
    assert json.loads((folder / "fleet.json").read_text(encoding="utf-8"))["summary"]["totals"]["hosts"] == 37
    figures = (folder / "kms.prom").read_text(encoding="utf-8")
    assert 'winops_kms_fleet_hosts{group="kms_hosts",state="activated"} 2\n' in figures
    assert 'winops_kms_host_current_count{kms_host="kms1"} 50\n' in figures
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {**dict.fromkeys(FILES.values(), 0o640), "kms.prom": 0o644, "fleet.state": 0o600}

    # -- the same again, then with what the time brings ----------------------------------------------------------------
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".prom", ".state")}
    again = play([survey], inventory=[more], extra_vars=variables)
    assert not result(again)["changed"]
    assert {name: (folder / name).read_bytes() for name in before} == before

    lab.advance(days=12)
    lab.patch("german", {"licensed": False, "grace_minutes_left": 0})
    lab.patch("mak", {"power": False})
    conditions = ["unactivated > 50%", "unanswered in kms_hosts > 0", "unactivated in kms_clients >= 1"]
    compared = task(**files(folder), compare_with=str(folder / "fleet.jsonl"), expiring_days=5, fail_when=conditions)
    gone = source(tmp_path, {**ways(lab), "brand-new": {"ansible_connection": "local"}}, "later.json")
    later = play([compared], inventory=[gone], extra_vars=variables, expect=None)
    found = result(later)
    since = {name: change["hosts"] for name, change in found["since"].items()}
    assert since == {
        "newly_unactivated": ["german"],
        "newly_activated": [name for name in ("late", "office") if _licensed(lab, name)],
        "lost": ["mak"],
        "found_again": [],
        "new_hosts": ["brand-new"],
        "gone_hosts": ["controller", "linux"],
    }
    assert set(listed(found, "expiring")) == {"soon"} and "2 days left" in listed(found, "expiring")["soon"]
    assert later.rc == 2 and found["changed"]
    unactivated = found["totals"]["unactivated"]
    assert found["conditions_met"] == [
        f"unactivated in kms_clients >= 1 ({unactivated} of 32 hosts of kms_clients: are not activated)"
    ]
    assert "Failed by unactivated in kms_clients >= 1" in found["msg"]
    assert set(rows(folder / "fleet.jsonl")) == {*HOSTS, "brand-new"}, "written all the same"


def _licensed(lab: Lab, machine: str) -> bool:
    products = [one for one in lab.machine(machine)["products"] if one["partial_product_key"]]
    return all(one["status"] == "licensed" for one in products)


#: Machine -> what is wrong with it, and what its reason says.  Some need more than a fault.
TROUBLES: dict[str, tuple[Mapping[str, Any], str]] = {
    "pc-00001": ({"ansible_port": "{{ lab_closed_port }}"}, "cannot be reached: Connection refused"),
    "pc-00002": ({"ansible_port": "{{ lab_silent_port }}"}, "did not accept a connection in time"),
    "pc-00003": ({"ansible_password": "Lab-wrong-9"}, "refuses the credentials of Administrator by basic"),
    "pc-00004": ({"ansible_host": "no-such-host.invalid"}, "no-such-host.*cannot be reached"),
    "pc-00005": ({"ansible_user": "nobody", "ansible_password": "Lab-only-4"}, "may log on, but WinRM or WMI denies"),
    "pc-00006": ({"ansible_password": "{{ not_defined }}"}, "It can't be asked: ansible_password: .*not_defined"),
    "pc-00007": ({"ansible_connection": "winrmm"}, "there is no connection plugin 'winrmm'"),
    "pc-00008": ({"ansible_winrm_path": "/elsewhere"}, "HTTP 404: no WS-Management service at this path"),
    "pc-00009": ({"kind": "http_503"}, "HTTP 503: the WinRM service is stopped"),
    "pc-00010": ({"kind": "truncated"}, "not complete, well-formed XML"),
    "pc-00011": ({"kind": "html"}, "an HTML page instead of a WS-Management message"),
    "pc-00012": ({"kind": "doctype"}, "a document with a DOCTYPE"),
    "pc-00013": ({"kind": "oversized"}, "The answer is larger than [0-9]+ bytes"),
    "pc-00014": ({"kind": "empty_400"}, "dropped the security context"),
    "pc-00015": ({"kind": "drop_before"}, "The connection was dropped before the answer was complete"),
    "pc-00016": ({"kind": "quota"}, "A quota of WinRM on the host is used up.*raise the quota"),
    "pc-00017": ({"kind": "access_denied"}, "may log on, but WinRM or WMI denies"),
    "pc-00018": ({"kind": "fault", "hresult": "0x80041010"}, "does not know a class or property"),
    "pc-00019": ({"kind": "delay", "seconds": 300}, "did not answer in time"),
    "pc-00020": ({"kind": "wrong_types"}, "in the answer is not a valid uint32"),
}
#: What goes away again by itself is no trouble.
PASSING: dict[str, Mapping[str, Any]] = {
    "soon": {"kind": "drop_before", "count": 1},
    "twin1": {"kind": "quota", "count": 1},
    # Long enough for a line about the progress.
    "twin2": {"kind": "delay", "seconds": 10.5, "count": 1},
}


def test_troubles_are_told_and_are_nobody_elses(lab: Lab, play: Play, tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    play([task(json_lines=str(good))])
    for machine, (fault, _text) in TROUBLES.items():
        if "kind" in fault:
            lab.fault(machine, **{"count": None, **fault})
    for machine, fault in PASSING.items():
        lab.fault(machine, **fault)
    more = source(tmp_path, {host: fault for host, (fault, _text) in TROUBLES.items() if "kind" not in fault})
    bad = tmp_path / "bad.jsonl"
    survey = task(json_lines=str(bad), host_timeout=14, time_limit=120, concurrency=50, most_listed=99)
    run = play([survey], inventory=[more])
    found = result(run)
    reasons = listed(found, "unanswered")
    assert set(reasons) == TROUBLES.keys()
    wrong = {host: reasons[host] for host, (_fault, text) in TROUBLES.items() if not _says(text, reasons[host])}
    assert not wrong
    assert found["seconds"] < 120, "it ends within its limit, whatever a machine does"
    expected, seen = rows(good), rows(bad)
    assert {host: seen[host] for host in HOSTS if host not in TROUBLES} == {
        host: expected[host] for host in HOSTS if host not in TROUBLES
    }
    assert "fleet_report: " in run.stdout and " of 35 hosts after 1" in run.stdout
    assert all(len(reason) < 900 and "Traceback" not in reason for reason in reasons.values())
    assert not [password for password in PASSWORDS if password in json.dumps(found)]


def _says(pattern: str, text: str) -> bool:

    return re.search(pattern, text) is not None


def test_a_run_that_was_killed_goes_on_where_it_was(lab: Lab, play: Play, tmp_path: Path) -> None:
    chance = random.Random(f"{os.environ['WINOPS_TEST_SEED']} fleet")
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    for folder in (whole, pieces):
        folder.mkdir()
    play([task(**files(whole, "json_lines", "csv"))])
    state = pieces / "fleet.state"
    options = {**files(pieces, "json_lines", "csv"), "state_file": str(state), "concurrency": 2, "processes": 2}
    # So that there is time enough to be killed in.
    for host in HOSTS:
        lab.fault(host, "delay", seconds=0.1, count=None)
    told: set[str] = set()
    for number, whom in enumerate((_everybody, _group)):
        lab.clear_requests()
        least = len(told) + chance.randint(2, 10)
        _kill_when(state, least, lab, tmp_path / f"killed-{number}", options, whom)
        assert not (pieces / "fleet.csv").exists()
        kept = {json.loads(line)["host"] for line in state.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"}
        assert told < kept and len(kept) < len(HOSTS)
        assert not told & {one["machine"] for one in lab.requests()}
        told = kept
    lab.clear_faults()
    lab.clear_requests()
    last = result(play([task(**options)]))
    assert (last["asked"], last["kept"]) == (len(HOSTS) - len(told), len(told))
    assert {one["machine"] for one in lab.requests()} == set(HOSTS) - told
    for name in ("fleet.jsonl", "fleet.csv"):
        assert (pieces / name).read_bytes() == (whole / name).read_bytes()


def _everybody(process: int) -> None:
    """Kill a process and all that it has started, one by one."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    os.kill(process, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(OSError):
            _everybody(int(child))


def _group(process: int) -> None:
    """Kill those that belong together; Ansible's own workers have a session of their own since ansible-core 2.19."""
    os.killpg(process, signal.SIGKILL)


def _kill_when(
    state: Path, least: int, lab: Lab, folder: Path, options: Mapping[str, Any], kill: Callable[[int], None]
) -> None:
    """Kill ansible-playbook when the state file has so many lines, and wait until nobody uses the file any more."""
    folder.mkdir()
    playbook = folder / "playbook.json"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task(**options)]}]))
    command = [str(harness.PROGRAMS / "ansible-playbook"), "-i", str(lab.inventory), str(playbook)]
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            command, env=harness._environment(folder), stdout=output, stderr=output, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while not state.exists() or state.read_bytes().count(b"\n") < least:
                assert process.poll() is None and time.monotonic() < end, (folder / "output").read_text()
                time.sleep(0.002)
        finally:
            kill(process.pid)
            process.wait()
    with open(state, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def test_who_is_asked(lab: Lab, play: Play, tmp_path: Path) -> None:
    lab.patch("late", {"power": False})
    limit = "soon,late,twin*,kms1,mak"
    plays = [
        {"hosts": "all", "serial": 4, "tasks": [task()]},
        {
            "hosts": "all",
            "tasks": [
                {"name": "lost", "winops.kms.license_info": {}},
                {**task(), "name": "with the lost"},
                {**task(hosts=["stale", "kms1", "stale"]), "name": "named"},
                {**task(fail_when="unreachable > 0"), "name": "failing", "ignore_errors": True},
                {**task(), "name": "delegated", "delegate_to": "localhost"},
                {**task(), "name": "once", "run_once": True},
            ],
        },
    ]
    run = play(plays, limit=limit, expect="unreachable")
    batches = [one.result["totals"]["hosts"] for one in run.events if one.task == "survey"]
    assert batches == [4, 2]
    lost = result(run, "with the lost")
    assert lost["totals"]["hosts"] == 6 and set(listed(lost, "unanswered")) == {"late"}
    assert result(run, "named")["totals"] == {**result(run, "named")["totals"], "hosts": 2, "answered": 2}
    assert result(run, "failing")["conditions_met"] == ["unreachable > 0 (1 of 6 hosts: were not reached)"]
    for name in ("delegated", "once"):
        assert result(run, name)["totals"] == lost["totals"], name


def test_wrong_variables_of_the_first_host_are_its_own_trouble(lab: Lab, play: Play, tmp_path: Path) -> None:
    more = source(
        tmp_path, {"kms1": {"ansible_password": "{{ not_defined }}"}, "twin1": {"ansible_connection": "psrp"}}
    )
    run = play([{**task(), "delegate_to": "localhost"}], inventory=[more], limit="kms1,twin*")
    assert listed(result(run), "unanswered").keys() == {"kms1"}
    assert "ansible_password: 'not_defined' is undefined" in listed(result(run), "unanswered")["kms1"]
    assert result(run)["totals"]["answered"] == 2


BAD: dict[str, tuple[Mapping[str, Any], str]] = {
    "no such option": ({"csvv": "x"}, "unsupported: csvv"),
    "no number": ({"concurrency": "many"}, "concurrency"),
    "too many": ({"concurrency": 5000}, "concurrency: 5000 is not between 1 and 2000"),
    "too few": ({"host_timeout": 0}, "host_timeout: 0 is not between 1 and 3600"),
    "no folder": ({"csv": "/none/such/fleet.csv"}, "csv: there is no folder /none/such. Make it first"),
    "a folder": ({"html": "{{ folder }}"}, "is a folder. Name a file in it"),
    "no place for the state": (
        {"state_file": "/none/such"},
        "state_file: /none/such can't be read and written: No such",
    ),
    "another file as state": ({"state_file": "{{ folder }}/other.csv"}, "is a file of something else"),
    "one file twice": ({"csv": "{{ folder }}/x", "html": "{{ folder }}/../files/x"}, "csv, html: both are"),
    "state and output": ({"state_file": "{{ folder }}/x", "json_lines": "{{ folder }}/x"}, "both are"),
    "no earlier run": ({"compare_with": "{{ folder }}/none"}, "compare_with: .*none can't be read: No such file"),
    "a table as earlier run": ({"compare_with": "{{ folder }}/other.csv"}, "line 1 of .*other.csv is no answer"),
    "no condition": ({"fail_when": "unactivated"}, "'unactivated' is no condition. Write it as METRIC > NUMBER"),
    "no such figure": ({"fail_when": ["broken > 0"]}, "'broken' in 'broken > 0' is not counted. Use one of hosts"),
    "no such group": (
        {"fail_when": ["failed in none > 0"]},
        "groups, fail_when: the inventory has no group 'none'",
    ),
    "no such other group": ({"groups": "none"}, "groups, fail_when: the inventory has no group 'none'"),
    "without DNS": ({"fail_when": "not_in_dns > 0"}, "not_in_dns is known only when domains names"),
    "no such host": ({"hosts": ["kms1", "kms_hosts"]}, "hosts: the inventory has no kms_hosts. Give names of hosts"),
    "no such server": ({**DNS, "dns_port": 9}, "domains: corp.example could not be looked up by the DNS server"),
    "no domain": ({**DNS, "domains": "a..b"}, "domains: 'a..b' is not a DNS name"),
}


def test_what_can_not_be_is_told_before_anything_is_sent(lab: Lab, play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "other.csv").write_text("host,status\n", encoding="utf-8")
    tasks = [{**task(**options), "name": name, "ignore_errors": True} for name, (options, _text) in BAD.items()]
    run = play(tasks, hosts="kms1,late", extra_vars={"folder": str(folder)})
    messages = {name: str(result(run, name).get("msg")) for name in BAD}
    assert not {name: messages[name] for name, (_options, text) in BAD.items() if not _says(text, messages[name])}
    assert lab.requests() == []
    assert [path.name for path in folder.iterdir()] == ["other.csv"]


def test_empty_answers_count_as_none_given(lab: Lab, play: Play, tmp_path: Path) -> None:
    names = [*FLEET_REPORT.options]
    path = tmp_path / "fleet.jsonl"
    empty = {"__ansible_unsafe": ""}
    tasks = [
        {**task(**dict.fromkeys(names, "{{ answer }}")), "name": "from AWX"},
        {**task(**dict.fromkeys(names, "")), "name": "empty"},
        {**task(**dict.fromkeys(names)), "name": "null"},
        {**task(domains=[""], groups=["", "kms_hosts"], fail_when=["", " "]), "name": "lists"},
        {**task(json_lines=str(path), compare_with=str(path)), "name": "first run"},
        {**task(json_lines=str(path), compare_with=str(path)), "name": "second run"},
    ]
    run = play(tasks, hosts="kms1,late", extra_vars={"answer": empty})
    for one in tasks:
        assert result(run, one["name"])["totals"]["hosts"] == 2, one["name"]
        assert "not_in_dns" not in result(run, one["name"])["totals"]
    assert set(result(run, "lists")["groups"]) == {"kms_hosts"}
    counts = [result(run, f"{name} run")["since"]["new_hosts"]["count"] for name in ("first", "second")]
    assert counts == [2, 0]


def test_passwords_stay_secret(lab: Lab, play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    log = tmp_path / "ansible.log"
    broken: dict[str, dict[str, Any]] = {
        "late": {"ansible_password": "Lab-wrong-9"},
        "soon": {"ansible_password": "{{ 'Lab-wrong-9' | no_such_filter }}"},
        "twin1": {"ansible_connection": "psrp", "ansible_password": "Lab-wrong-9"},
        "twin2": {"ansible_connection": "psrp", "ansible_password": "{{ ['Lab-wrong-9'] }}"},
        "stale": {"ansible_password": {"of": "Lab-wrong-9"}},
    }
    more = source(tmp_path, {**ways(lab), **broken})
    survey = task(**files(folder), state_file=str(folder / "fleet.state"), most_listed=99)
    run = play(
        [survey],
        inventory=[more],
        extra_vars={"secret_of_other": "Lab-other-2"},
        verbosity=5,
        environment={"ANSIBLE_LOG_PATH": str(log)},
    )
    assert {"late", "twin1"} <= listed(result(run), "unanswered").keys()
    texts = {"output": run.output, "log": log.read_text(encoding="utf-8"), **dict(_texts(folder)), **dict(_left(run))}
    for password in PASSWORDS:
        encoded = base64.b64encode(f"Administrator:{password}".encode()).decode().rstrip("=")
        for spelling in (password, encoded):
            assert not [name for name, text in texts.items() if spelling in text], spelling


def _texts(folder: Path) -> Sequence[tuple[str, str]]:
    return [(path.name, path.read_text(encoding="utf-8")) for path in folder.iterdir()]


def _left(run: Run) -> Sequence[tuple[str, str]]:
    return [(str(path), text) for path, text in run.left_behind()]
