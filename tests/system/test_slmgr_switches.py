# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task of the guide slmgr_guide.rst, on a machine of its own: it does what the switch did, and once.

All rows run at the same time, in few runs of ansible-playbook: check mode, the task, the task again, what takes it
back, that again.  What a machine is like is asked of the lab, never of the module.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from labsupport.licences import SKU, other_file, product_file

from ansible_collections.winops.kms.tests.system.harness import ROOT, Ansible, Run, brief, kinds
from ansible_collections.winops.kms.tests.tools.pages.switches import Row, rows
from kmslab.control import Exchange, Lab

HOST_KEY = "N2222-22222-22222-22222-HK222"
#: Not the one of the machines that are KMS hosts at the start: a key is for six machines.
NEW_HOST_KEY = "N2222-22222-22222-22222-HK226"
OFFICE_HOST_KEY = "N2222-22222-22222-22222-HF922"
MAK = "N3333-33333-33333-33333-MK333"
OFFICE_MAK = "N3333-33333-33333-33333-MF922"
CONFIRMATION_ID = "123456" * 8
ILID = "8a5b6a86-1f5c-4a44-9a9e-7d2f6b7f3c11"
KMS = "kms01.corp.example"
OFFICE = "0ff1ce15-a989-479d-af46-f275c6370663"
#: Professional Plus 2021 as a KMS client; its activation ID and the end of its setup key are in tasks of the guide.
PRO_PLUS_ID = "fbdb3e18-a8ef-4fb3-9183-dffd60bd0984"
TOKENS = [{"ilid": ILID, "ilvid": 1}, {"ilid": ILID, "ilvid": 2}]

INCLUDE = "include the tasks of the row"

State = Mapping[str, Any]
Look = Callable[[State], Any]
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """How a row is tried.

    machine: fields of its machine in the estate.  look: what of the machine's state the task changes, from `was` to
    `becomes`; without it the task only reads.  tells: (results of the tasks, state of the machine) -> whether the
    results are right.  sends: the methods that the task calls, where the state does not show it.  prepare: a row whose
    task is run first.  late: run when the grace period is nearly over.  restart: the machine is restarted before the
    second run, as a rearm needs it.  fails: the task fails, as the row expects.
    """

    machine: Mapping[str, Any] = field(default_factory=dict)
    look: Look | None = None
    was: Any = None
    becomes: Any = None
    tells: Callable[[Results, State], bool] | None = None
    sends: Sequence[str] = ()
    prepare: str = ""
    late: bool = False
    restart: bool = False
    fails: bool = False


def windows(state: State) -> dict[str, Any]:
    """The product of Windows with a key."""
    return next(one for one in state["products"] if one["application"] != OFFICE and one["partial_product_key"])


def office(state: State) -> dict[str, Any]:
    """The product of Office with a key, or the one for KMS clients."""
    found = [one for one in state["products"] if one["application"] == OFFICE]
    return next((one for one in found if one["partial_product_key"]), found[0])


def key(state: State) -> Any:
    return state["partial_product_key"]


def office_key(state: State) -> Any:
    return office(state)["partial_product_key"]


def status(state: State) -> Any:
    return state["status"]


def setting(*names: str) -> Look:
    return lambda state: tuple(state["settings"][name] for name in names)


def of_host(name: str) -> Look:
    return lambda state: state["host"][name]


def of_windows(*names: str) -> Look:
    return lambda state: tuple(windows(state)[name] for name in names)


def of_office(*names: str) -> Look:
    return lambda state: tuple(office(state)[name] for name in names)


def installed_files(state: State) -> Any:
    return len(state["license_installs"])


def tokens(state: State) -> Any:
    return [one["ilvid"] for one in state["token_licenses"]]


def shown(results: Results) -> list[str]:
    """What debug tasks printed."""
    found: list[str] = []
    for result in results.values():
        for one in result.get("results") or [result]:
            found += [str(value) for name, value in one.items() if name == "msg" or name.startswith("result.")]
    return found


def read_licence(results: Results, state: State) -> bool:
    (result,) = results.values()
    license_ = result["license"] or next(one for one in result["licenses"] if one["application"] == "windows")
    read = (license_["partial_product_key"], license_["status"], license_["days_remaining"])
    return read == (state["partial_product_key"], state["status"], state["days_left"])


def read_office(results: Results, state: State) -> bool:
    found = results["Read the licences of Office"]["licenses"]
    return [one["activation_id"] for one in found] == [office(state)["id"]]


CLIENT: dict[str, Any] = {"edition": "Enterprise", "build": 22631}
SERVER: dict[str, Any] = {"edition": "ServerStandard", "build": 20348}
HOST: dict[str, Any] = {
    **SERVER,
    "key": HOST_KEY,
    "licensed": True,
    "sppsvc": "Running",
    "dns_publishing": False,
    "firewall": {"SPPSVC-In-TCP": True},
}
WITH_OFFICE: dict[str, Any] = {**CLIENT, "office": ["ProPlus2021"]}
WITH_MAK: dict[str, Any] = {**CLIENT, "key": MAK, "internet": False}
ASKS_KMS01: dict[str, Any] = {"kms_server": KMS}
READ = Case(CLIENT, tells=read_licence)
READ_TOKENS = Case(
    {**CLIENT, "token_licenses": TOKENS},
    tells=lambda results, _state: (
        [(one["ilid"], one["ilvid"]) for one in results["List the issuance licences"]["token_licenses"]]
        == [(ILID, 1), (ILID, 2)]
    ),
)
INSTALL_FILE = Case(WITH_OFFICE, installed_files, 0, 1, lambda _results, state: SKU in str(state["products"]))

CASES: dict[str, Case] = {
    "ipk": Case({**CLIENT, "media": "none"}, key, None, "MK333"),
    "ipk-gvlk": Case(
        {**CLIENT, "media": "retail", "grace_minutes_left": 0}, of_windows("channel"), ("Retail",), ("Volume:GVLK",)
    ),
    "ipk-host": Case(
        SERVER,
        lambda state: (state["channel"], state["host"]["is_kms_host"], state["firewall"]["SPPSVC-In-TCP"]),
        ("Volume:GVLK", False, False),
        ("Volume:CSVLK", True, True),
    ),
    "ato": Case({**CLIENT, **ASKS_KMS01}, status, "oob_grace", "licensed"),
    "dli": READ,
    "dlv": Case(
        HOST,
        tells=lambda results, state: (
            (found := results["Read all licences, the KMS settings and the counts of a KMS host"])["kms_host"]["port"]
            == state["host"]["effective_port"]
            and found["service"]["client_machine_id"] == state["cmid"]
        ),
    ),
    "xpr": Case(
        {**CLIENT, "licensed": True},
        tells=lambda results, state: (
            results["Read the licence of Windows"]["license"]["days_remaining"] == state["days_left"] > 14
        ),
    ),
    "cpky": Case(
        {**CLIENT, "media": "retail", "grace_minutes_left": 0}, key, "", "2YT43", sends=["ClearProductKeyFromRegistry"]
    ),
    "ilc": INSTALL_FILE,
    "rilc": Case(CLIENT, installed_files, 0, 2),
    "rearm": Case({**CLIENT, "grace_minutes_left": 0}, lambda state: state["rearms"], 3, 2, restart=True),
    "rearm-app": Case({**CLIENT, "grace_minutes_left": 7200}, of_windows("app_rearms"), (1001,), (1000,), restart=True),
    "rearm-sku": Case({**CLIENT, "grace_minutes_left": 0}, of_windows("rearms"), (1001,), (1000,), restart=True),
    "upk": Case(WITH_OFFICE, lambda state: (key(state), office_key(state)), ("2YT43", "6F7TH"), (None, "6F7TH")),
    "dti": Case(WITH_MAK, tells=lambda results, _state: any(text.isdigit() for text in shown(results))),
    "atp": Case(WITH_MAK, status, "oob_grace", "licensed"),
    "skms": Case(CLIENT, setting("kms_server", "kms_port"), (None, 0), (KMS, 0)),
    "skms-port": Case(CLIENT, setting("kms_server", "kms_port"), (None, 0), (KMS, 1789)),
    "skms-product": Case(
        CLIENT,
        lambda state: (state["registry"].get("KeyManagementServiceName"), windows(state)["kms_server"]),
        (None, None),
        (None, KMS),
    ),
    "ckms": Case(
        {**CLIENT, "kms_server": "old.corp.example", "kms_port": 1690},
        setting("kms_server", "kms_port"),
        ("old.corp.example", 1690),
        (None, 0),
    ),
    "skms-domain": Case(CLIENT, setting("lookup_domain"), (None,), ("licensing.corp.example",)),
    "ckms-domain": Case(
        {**CLIENT, "lookup_domain": "old.corp.example"}, setting("lookup_domain"), ("old.corp.example",), (None,)
    ),
    "skhc": Case({**CLIENT, "host_caching": False}, setting("host_caching"), (False,), (True,)),
    "ckhc": Case(CLIENT, setting("host_caching"), (True,), (False,)),
    "act-type": Case(CLIENT, setting("activation_type"), (0,), (2,)),
    "sprt": Case(HOST, of_host("effective_port"), 1688, 1789),
    "sai": Case(HOST, of_host("activation_interval"), 120, 60),
    "sri": Case(HOST, of_host("renewal_interval"), 10080, 1440),
    "sdns": Case(HOST, of_host("dns_publishing"), False, True),
    "cdns": Case({**HOST, "dns_publishing": True}, of_host("dns_publishing"), True, False),
    "spri": Case(HOST, of_host("low_priority"), True, False, prepare="cpri"),
    "cpri": Case(HOST, of_host("low_priority"), False, True),
    "lil": READ_TOKENS,
    "ril": Case({**CLIENT, "token_licenses": TOKENS}, tokens, [1, 2], [2]),
    "stao": Case(CLIENT, setting("activation_type"), (0,), (3,)),
    "ctao": Case(CLIENT, setting("activation_type"), (3,), (0,), prepare="stao"),
    "act": Case({**WITH_OFFICE, **ASKS_KMS01}, of_office("status"), ("oob_grace",), ("licensed",)),
    "inpkey": Case({**WITH_OFFICE, "office_media": "none"}, office_key, None, "MF922"),
    "unpkey": Case(WITH_OFFICE, lambda state: (key(state), office_key(state)), ("2YT43", "6F7TH"), ("2YT43", None)),
    "inslic": INSTALL_FILE,
    "dstatus": Case(WITH_OFFICE, tells=read_office),
    "dstatusall": Case(
        WITH_OFFICE,
        tells=lambda results, _state: [one["license"]["activation_id"] for one in results.values()] == [PRO_PLUS_ID],
    ),
    "dhistoryacterr": Case(
        WITH_OFFICE,
        tells=lambda results, state: any(office(state)["status_reason"] in text for text in shown(results)),
    ),
    "dinstid": Case(
        {**WITH_OFFICE, "office_media": "none", "office_keys": [OFFICE_MAK]},
        tells=lambda results, _state: any(text.split()[-1].isdigit() for text in shown(results) if text.strip()),
    ),
    "actcid": Case(
        {**WITH_OFFICE, "office_media": "none", "office_keys": [OFFICE_MAK], "internet": False},
        of_office("status"),
        ("oob_grace",),
        ("licensed",),
    ),
    "office-rearm": Case(WITH_OFFICE, of_office("app_rearms"), (1001,), (1000,), late=True, restart=True),
    "office-rearm-product": Case(WITH_OFFICE, of_office("rearms"), (1001,), (1000,), late=True, restart=True),
    "sethst": Case(
        WITH_OFFICE,
        lambda state: (state["settings"]["kms_server"], office(state)["kms_server"]),
        (None, None),
        (None, KMS),
    ),
    "setprt": Case(WITH_OFFICE, of_office("kms_server", "kms_port"), (None, 0), (KMS, 1789)),
    "remhst": Case(WITH_OFFICE, of_office("kms_server", "kms_port"), (KMS, 0), (None, 0), prepare="sethst"),
    "cachst": Case(WITH_OFFICE, setting("host_caching"), (True,), (False,)),
    "actype": Case(WITH_OFFICE, of_office("activation_type"), (0,), (2,)),
    "office-skms-domain": Case(WITH_OFFICE, of_office("lookup_domain"), (None,), ("licensing.corp.example",)),
    "office-ckms-domain": Case(
        WITH_OFFICE, of_office("lookup_domain"), ("licensing.corp.example",), (None,), prepare="office-skms-domain"
    ),
    "dhistorykms": Case(
        {**CLIENT, **ASKS_KMS01},
        tells=lambda results, _state: (
            [(one["server"], one["answer"]["activated"]) for result in results.values() for one in result["requests"]]
            == [(KMS, True)]
        ),
        prepare="ato",
    ),
    "dcmid": Case(CLIENT, tells=lambda results, state: state["cmid"] in shown(results)),
    "dtokils": READ_TOKENS,
    "rtokil": Case({**CLIENT, "token_licenses": TOKENS}, tokens, [1, 2], []),
    "stokflag": Case(WITH_OFFICE, of_office("activation_type"), (0,), (3,)),
    "ctokflag": Case(WITH_OFFICE, of_office("activation_type"), (3,), (0,), prepare="stokflag"),
    "vamt-status": READ,
    "vamt-key": Case({**CLIENT, "media": "none"}, key, None, "MK333"),
    "vamt-gvlk": Case(
        {**WITH_OFFICE, "media": "none", "office_media": "none"},
        lambda state: (key(state), office_key(state)),
        (None, None),
        ("2YT43", "6F7TH"),
    ),
    "vamt-activate": Case(
        {**CLIENT, "media": "none"},
        lambda state: (key(state), status(state)),
        (None, "unlicensed"),
        ("MK333", "licensed"),
    ),
    "vamt-kms": Case(
        {**CLIENT, "kms_server": "old.corp.example", "lookup_domain": "old.corp.example"},
        setting("kms_server", "lookup_domain", "activation_type"),
        ("old.corp.example", "old.corp.example", 0),
        (None, None, 2),
    ),
    "recipe-pending": Case({**CLIENT, **ASKS_KMS01}, status, "oob_grace", "licensed"),
    "recipe-error": Case(
        {**CLIENT, "kms_server": "gone.corp.example"},
        tells=lambda results, _state: any(text.startswith("0x") and ": " in text for text in shown(results)),
        fails=True,
    ),
}
ROWS = {row.id: row for row in rows() if row.task and not row.tested_by}
CHANGING = [name for name, case in CASES.items() if case.look]
READING = [name for name, case in CASES.items() if not case.look]


@dataclass(frozen=True)
class Pass:
    """One run over all rows: what each did, and what the machines were like afterwards."""

    run: Run
    states: Mapping[str, State]
    sent: Mapping[str, Sequence[Exchange]]

    def changed(self, name: str) -> bool:
        return self.run.changed(name)

    def results(self, name: str) -> Results:
        return {task: result for task, result in self.run.results[name].items() if task != INCLUDE}

    def writes(self, name: str) -> list[str]:
        return [one["method"] for one in self.sent[name] if one["kind"] == "write"]


@dataclass(frozen=True)
class Passes:
    """The runs; `start` is after what had to be prepared."""

    start: Mapping[str, State]
    check: Pass
    first: Pass
    second: Pass
    undo: Pass
    undone: Pass


class Runner:
    """Runs rows, each on the machine of its own name, all at once."""

    def __init__(self, lab: Lab, folder: Path, licence_files: Path) -> None:
        self.lab = lab
        self._ansible = Ansible(lab, folder)
        self._folder = folder
        self._variables = {
            "vault_mak": MAK,
            "vault_office_mak": OFFICE_MAK,
            "vault_kms_host_key": NEW_HOST_KEY,
            "confirmation_id": CONFIRMATION_ID,
            "licence_files": str(licence_files),
        }
        self._count = 0

    def run(self, tasks: Mapping[str, str], **how: Any) -> Pass:
        """Machine -> tasks, as text of the guide."""
        self._count += 1
        files = self._folder / f"tasks-{self._count}"
        files.mkdir()
        for name, text in tasks.items():
            (files / f"{name}.yml").write_text(f"---\n{text}", encoding="utf-8")
        play = {
            "hosts": ",".join(tasks),
            "strategy": "free",
            "vars": {"lab_connection": "{{ ['winrm', 'psrp'][(inventory_hostname | length) % 2] }}"},
            "tasks": [{"name": INCLUDE, "ansible.builtin.include_tasks": f"{files}/{{{{ inventory_hostname }}}}.yml"}],
        }
        self.lab.clear_requests()
        done = self._ansible.play([play], extra_vars=self._variables, environment={"ANSIBLE_FORKS": "6"}, **how)
        return Pass(done, self.states(tasks), {name: self.lab.requests(name) for name in tasks})

    def states(self, names: Sequence[str] | Mapping[str, str]) -> dict[str, State]:
        return {name: self.lab.machine(name) for name in names}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path = tmp_path_factory.mktemp("estate") / "switches.yml"
    kms01 = {
        **HOST,
        "seed_cmids": 60,
        "office_packs": ["2021"],
        "office_keys": [OFFICE_HOST_KEY],
        "office_licensed": True,
        "office_seed_cmids": 10,
    }
    machines = {KMS.partition(".")[0]: kms01, **{name: case.machine for name, case in CASES.items()}}
    estate = {
        "name": "switches",
        "domain": "corp.example",
        "keys": [
            {"key": HOST_KEY, "channel": "csvlk", "group": "ws2025", "activations": 10},
            {"key": NEW_HOST_KEY, "channel": "csvlk", "group": "ws2025", "activations": 10},
            {"key": OFFICE_HOST_KEY, "channel": "csvlk", "group": "office2021", "activations": 10},
            {"key": MAK, "channel": "mak"},
            {"key": OFFICE_MAK, "channel": "mak", "editions": ["ProPlus2021"]},
        ],
        "zones": [{"name": "corp.example"}],
        "defaults": {"domain": "corp.example", "accounts": {"Administrator": {"password": "Lab-only-1"}}},
        "machines": [{"name": name, **fields} for name, fields in machines.items()],
    }
    path.write_text(json.dumps(estate), encoding="utf-8")
    with Lab(path) as started:
        yield started


@pytest.fixture(scope="module")
def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    files = tmp_path_factory.mktemp("licences")
    for name in ("tokens", "oem"):
        (files / name).mkdir()
    for path, text in (("product", product_file()), ("tokens/1", product_file()), ("oem/2", other_file())):
        (files / f"{path}.xrm-ms").write_text(text, encoding="utf-8", newline="")
    return Runner(lab, tmp_path_factory.mktemp("runs"), files)


def all_passes(runner: Runner, names: Sequence[str]) -> Passes:
    prepare = {name: ROWS[CASES[name].prepare].task for name in names if CASES[name].prepare}
    if prepare:
        runner.run(prepare)
    start = runner.states(names)
    tasks = {name: ROWS[name].task for name in names}
    undo = {name: ROWS[name].undo for name in names if ROWS[name].undo}
    check, first = runner.run(tasks, check=True), runner.run(tasks)
    for name in names:
        if CASES[name].restart:
            runner.lab.patch(name, {"restart": True})
    second = runner.run(tasks)
    undone = [runner.run(undo), runner.run(undo)] if undo else [second, second]
    return Passes(start, check, first, second, *undone)


@pytest.fixture(scope="module")
def passes(runner: Runner) -> Passes:
    return all_passes(runner, [name for name, case in CASES.items() if not case.late])


@pytest.fixture(scope="module")
def late_passes(runner: Runner, passes: Passes) -> Passes:
    """Of the rows that wait for the end of a grace period; after those that do not."""
    runner.lab.reset()
    runner.lab.advance(days=25)
    return all_passes(runner, [name for name, case in CASES.items() if case.late])


@pytest.fixture
def of(name: str, request: pytest.FixtureRequest) -> Passes:
    found: Passes = request.getfixturevalue("late_passes" if CASES[name].late else "passes")
    return found


@pytest.mark.parametrize("name", CHANGING)
def test_the_task_does_what_the_switch_did(name: str, of: Passes) -> None:
    case = CASES[name]
    assert case.look is not None
    before, after = case.look(of.start[name]), case.look(of.first.states[name])
    assert before == case.was or (case.was == "" and before), "the case is not one"
    assert after == case.becomes, brief(of.first.sent[name])
    assert of.first.changed(name)
    assert set(case.sends) <= set(of.first.writes(name))
    if case.tells:
        assert case.tells(of.first.results(name), of.first.states[name])


@pytest.mark.parametrize("name", READING)
def test_the_task_tells_what_the_switch_showed(name: str, of: Passes) -> None:
    case = CASES[name]
    assert case.tells is not None
    assert case.tells(of.first.results(name), of.first.states[name]), of.first.results(name)
    assert not of.first.changed(name)
    if not case.fails:
        assert kinds(of.first.sent[name]).keys() <= {"read"}, brief(of.first.sent[name])


@pytest.mark.parametrize("name", CASES)
def test_check_mode_foretells_it_and_sends_nothing(name: str, of: Passes) -> None:
    assert kinds(of.check.sent[name]).keys() == {"read"}, brief(of.check.sent[name])
    if not CASES[name].fails:
        assert of.check.changed(name) == of.first.changed(name)


@pytest.mark.parametrize("name", CASES)
def test_a_second_run_changes_nothing(name: str, of: Passes) -> None:
    case = CASES[name]
    if case.fails:
        return
    if ROWS[name].repeats:
        assert of.second.changed(name) and of.second.writes(name) == of.first.writes(name)
        return
    assert not of.second.changed(name)
    assert kinds(of.second.sent[name]).keys() == {"read"}, brief(of.second.sent[name])
    if case.look:
        assert case.look(of.second.states[name]) == case.becomes


@pytest.mark.parametrize("name", [name for name in CASES if ROWS[name].undo])
def test_what_takes_it_back_does_so_once(name: str, of: Passes) -> None:
    case = CASES[name]
    assert case.look is not None
    undone = case.look(of.undo.states[name])
    assert undone != case.becomes
    if name not in NOT_AS_BEFORE:
        assert undone == case.was
    else:
        assert undone == NOT_AS_BEFORE[name]
    assert of.undo.changed(name) and not of.undone.changed(name)
    assert kinds(of.undone.sent[name]).keys() == {"read"}, brief(of.undone.sent[name])


#: A row's undo leaves another state than the one at the start: the key that was there before is not known.
NOT_AS_BEFORE: dict[str, Any] = {
    "ipk-host": (None, False, False),
    "skms-port": (KMS, 0),
    "setprt": (KMS, 0),
}


def test_each_row_with_a_task_is_tried() -> None:
    assert set(CASES) == set(ROWS)


def test_keys_are_not_in_what_the_runs_leave(passes: Passes) -> None:
    for run in (passes.first.run, passes.undo.run):
        for path, text in run.left_behind():
            for secret in (MAK, OFFICE_MAK, NEW_HOST_KEY):
                assert secret not in text, path


@pytest.mark.parametrize("row", [row for row in rows() if row.tested_by], ids=lambda row: row.id)
def test_the_test_of_a_row_that_is_tried_elsewhere_exists(row: Row) -> None:
    path, _colons, name = row.tested_by.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert name in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    for task in (*row.tasks, *row.undo_tasks):
        (module,) = (word for word in task if word.startswith("winops.kms."))
        assert module in source
