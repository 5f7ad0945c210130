# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something goes wrong in the middle: at each step that writes, in each way in which an answer can be bad.

Every row has a machine of its own and runs twice, the first time with the fault.  What the first run tells is true, the
second run ends with everything as wanted, and an activation that is counted was spent exactly once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.batch import CONNECTIONS, Batch, Call, Ending
from ansible_collections.winops.kms.tests.system.harness import brief
from kmslab.control import Exchange, Lab

HOST_KEY = "N2222-22222-22222-22222-HK222"
MAK = "N3333-33333-33333-33333-MK333"
FAULT_CODE = "0xC004F025"
QUOTA_CODE = "0x803381A6"

View = Mapping[str, Any]


# -- what the lab itself shows of a machine, by the names of the options -----------------------------------------------


def _masked_key(view: View) -> str | None:
    partial = view["partial_product_key"]
    return f"*****-{partial}" if partial else None


def _status(view: View) -> str | None:
    return view["status"] if view["partial_product_key"] else None


KEY_SETTINGS: Mapping[str, Callable[[View], Any]] = {"product_key": _masked_key, "status": _status}
HOST_SETTINGS: Mapping[str, Callable[[View], Any]] = {
    **KEY_SETTINGS,
    "port": lambda view: view["host"]["listening_port"] or None,
    "activation_interval": lambda view: view["host"]["activation_interval"],
    "renewal_interval": lambda view: view["host"]["renewal_interval"],
    "dns_publishing": lambda view: view["host"]["dns_publishing"],
    "low_priority": lambda view: view["host"]["low_priority"],
    "publish_domains": lambda view: view["host"]["publish_domains"] or [],
    "firewall": lambda view: view["firewall"]["SPPSVC-In-TCP"],
}
CLIENT_SETTINGS: Mapping[str, Callable[[View], Any]] = {
    **KEY_SETTINGS,
    "server": lambda view: view["settings"]["kms_server"],
    "port": lambda view: view["settings"]["kms_port"] or None,
    "lookup_domain": lambda view: view["settings"]["lookup_domain"],
    "host_caching": lambda view: view["settings"]["host_caching"],
    "activation_type": lambda view: ("any", "ad", "kms", "token")[view["settings"]["activation_type"]],
}


# -- what is done ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """A task that has much to do.  `steps` are the methods it calls, in order; `wanted` the settings in the end.

    `spends`: how many counted activations it uses up.
    """

    name: str
    kind: str
    module: str
    options: Mapping[str, Any]
    settings: Mapping[str, Callable[[View], Any]]
    steps: Sequence[str]
    wanted: Mapping[str, Any]
    spends: int = 0


#: These use up an activation when the key is counted, so that they are never sent again without knowing.
SPENDING = frozenset({"InstallProductKey", "Activate"})
#: These may be asked for again at any time.
RESTART = frozenset({"StopService", "StartService"})

HOST = Scenario(
    name="host",
    kind="host",
    module="host",
    options={
        "key": HOST_KEY,
        "activate": True,
        "port": 1700,
        "activation_interval": 60,
        "renewal_interval": 5000,
        "dns_publishing": False,
        "low_priority": True,
        "publish_domains": [{"domain": "corp.example"}, {"domain": "branch.example", "priority": 10, "weight": 5}],
        "firewall": True,
    },
    settings=HOST_SETTINGS,
    steps=(
        "InstallProductKey",
        "RefreshLicenseStatus",
        "Activate",
        "RefreshLicenseStatus",
        "SetKeyManagementServiceListeningPort",
        "SetVLActivationInterval",
        "SetVLRenewalInterval",
        "DisableKeyManagementServiceDnsPublishing",
        "EnableKeyManagementServiceLowPriority",
        "SetMultiStringValue",
        "Enable",
        "StopService",
        "StartService",
    ),
    wanted={
        "product_key": "*****-HK222",
        "status": "licensed",
        "port": 1700,
        "activation_interval": 60,
        "renewal_interval": 5000,
        "dns_publishing": False,
        "low_priority": True,
        "publish_domains": ["corp.example, 0, 0", "branch.example, 10, 5"],
        "firewall": True,
    },
    spends=1,
)
CLIENT = Scenario(
    name="client",
    kind="client",
    module="client",
    options={
        "gvlk": True,
        "server": "kms.corp.example",
        "port": 1701,
        "host_caching": False,
        "activation_type": "kms",
        "activate": True,
    },
    settings=CLIENT_SETTINGS,
    steps=(
        "InstallProductKey",
        "RefreshLicenseStatus",
        "SetKeyManagementServiceMachine",
        "SetKeyManagementServicePort",
        "DisableKeyManagementServiceHostCaching",
        "SetVLActivationTypeEnabled",
        "Activate",
        "RefreshLicenseStatus",
    ),
    wanted={
        "product_key": "*****-2YT43",
        "status": "licensed",
        "server": "kms.corp.example",
        "port": 1701,
        "host_caching": False,
        "activation_type": "kms",
    },
)
MAK_CLIENT = Scenario(
    name="client with a MAK",
    kind="mak",
    module="client",
    options={"key": MAK, "key_channel": "mak", "activate": True},
    settings=CLIENT_SETTINGS,
    steps=("InstallProductKey", "RefreshLicenseStatus", "Activate", "RefreshLicenseStatus"),
    wanted={"product_key": "*****-MK333", "status": "licensed"},
    spends=1,
)
DISCOVERY = Scenario(
    name="back to discovery",
    kind="fixed",
    module="client",
    options={"discover": True, "lookup_domain": "corp.example"},
    settings=CLIENT_SETTINGS,
    steps=(
        "ClearKeyManagementServiceMachine",
        "ClearKeyManagementServicePort",
        "SetKeyManagementServiceLookupDomain",
    ),
    wanted={"server": None, "port": None, "lookup_domain": "corp.example"},
)
NO_HOST = Scenario(
    name="no host any more",
    kind="retired",
    module="host",
    options={"state": "absent"},
    settings=HOST_SETTINGS,
    steps=(
        "Disable",
        "DeleteValue",
        "ClearKeyManagementServiceListeningPort",
        "UninstallProductKey",
        "RefreshLicenseStatus",
        "StopService",
        "StartService",
    ),
    wanted={"product_key": None, "port": None, "publish_domains": [], "firewall": False},
)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """One way to fail.  `reached`: whether the step was carried out; `refused`: the code of an answer that says no."""

    name: str
    rule: Mapping[str, Any]
    reached: bool = False
    refused: str | None = None


TROUBLES = (
    Trouble("dropped before", {"kind": "drop_before"}),
    Trouble("dropped after", {"kind": "drop_after"}, reached=True),
    Trouble("timed out, done", {"kind": "timed_out"}, reached=True),
    Trouble("timed out, not done", {"kind": "timed_out", "done": False}),
    Trouble("quota", {"kind": "quota", "shape": "wsman"}, refused=QUOTA_CODE),
    Trouble("quota as MSFT_WmiError", {"kind": "quota", "shape": "wmi"}, refused=QUOTA_CODE),
    Trouble("fault", {"kind": "fault", "hresult": FAULT_CODE, "shape": "wsman"}, refused=FAULT_CODE),
    Trouble("fault as MSFT_WmiError", {"kind": "fault", "hresult": FAULT_CODE, "shape": "wmi"}, refused=FAULT_CODE),
)
FEWER_TROUBLES = tuple(one for one in TROUBLES if one.name not in ("timed out, not done", "quota as MSFT_WmiError"))
FEWEST_TROUBLES = tuple(one for one in TROUBLES if one.name in ("dropped before", "dropped after", "fault"))


@dataclass(frozen=True)
class Row:
    """A trouble at one step of a scenario; `nth` counts the calls of the same method from 0."""

    scenario: Scenario
    method: str
    nth: int
    trouble: Trouble

    @property
    def name(self) -> str:
        again = f" {self.nth + 1}" if self.nth else ""
        return f"{self.scenario.name}: {self.method}{again}: {self.trouble.name}"

    @property
    def ends(self) -> str:
        """ok; refused: failed with the code; lost: failed, since nobody knows whether a counted step happened."""
        trouble, restart = self.trouble, self.method in RESTART
        if trouble.refused:
            return "ok" if restart and trouble.refused == QUOTA_CODE else "refused"
        counted = self.scenario.spends and self.method in SPENDING
        return "lost" if counted and not trouble.reached else "ok"

    def inject(self, lab: Lab, machine: str) -> None:
        if self.nth:
            lab.fault(machine, "delay", method=self.method, seconds=0, count=self.nth)
        lab.fault(machine, method=self.method, **self.trouble.rule)


def _troubles(scenario: Scenario, method: str) -> Sequence[Trouble]:
    """Everything at the steps that are treated in a way of their own; of the others not all, to be quick."""
    if method in SPENDING | RESTART and scenario not in (DISCOVERY, NO_HOST):
        return TROUBLES
    return FEWEST_TROUBLES if scenario in (DISCOVERY, NO_HOST) else FEWER_TROUBLES


def _rows() -> Iterator[Row]:
    for scenario in (HOST, CLIENT, MAK_CLIENT, DISCOVERY, NO_HOST):
        calls: Counter[str] = Counter()
        for method in scenario.steps:
            for trouble in _troubles(scenario, method):
                yield Row(scenario, method, calls[method], trouble)
            calls[method] += 1


ROWS = tuple(_rows())


# -- running it --------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What one row did: the lab's view of the machine before, after the first and after the second run."""

    machine: str
    views: list[View] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    requests: list[list[Exchange]] = field(default_factory=list)
    unused: list[dict[str, Any]] = field(default_factory=list)

    def writes(self, run: int) -> list[Exchange]:
        return [request for request in self.requests[run] if request["kind"] != "read"]


def _pools(lab: Lab) -> dict[str, list[str]]:
    free: dict[str, list[str]] = defaultdict(list)
    for name in lab.machines():
        free[name.rpartition("-")[0]].append(name)
    return free


def _run(lab: Lab, batch: Batch, calls: Sequence[Call], seen: Mapping[str, Seen]) -> None:
    """Run the calls once, and note what came of them."""
    lab.clear_requests()
    endings = batch.run(calls)
    requests: dict[str, list[Exchange]] = defaultdict(list)
    for request in lab.requests():
        requests[request["machine"]].append(request)
    for call in calls:
        what = seen[call.machine]
        what.endings.append(endings[call.machine])
        what.requests.append(requests[call.machine])
        what.views.append(lab.machine(call.machine))


def _note_unused(lab: Lab, seen: Mapping[str, Seen]) -> None:
    """Faults that nothing has met: the row would have tested nothing."""
    for rule in lab.faults():
        seen[rule["machine"]].unused.append(rule)
    lab.clear_faults()


Key = tuple[str, str]


@pytest.fixture(scope="module")
def lab(start_lab: Callable[[str], Lab]) -> Lab:
    return start_lab("fault_steps")


@pytest.fixture(scope="module")
def seen(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Seen]:
    """(row, connection) -> what happened in both runs."""
    free = _pools(lab)
    found: dict[Key, Seen] = {}
    calls: list[Call] = []
    for row in ROWS:
        for connection in CONNECTIONS:
            machine = free[row.scenario.kind].pop(0)
            found[row.name, connection] = Seen(machine, views=[lab.machine(machine)])
            row.inject(lab, machine)
            calls.append(Call(machine, connection, row.scenario.module, row.scenario.options))
    by_machine = {what.machine: what for what in found.values()}
    batch = Batch(lab, tmp_path_factory.mktemp("faults"))
    _run(lab, batch, calls, by_machine)
    _note_unused(lab, by_machine)
    _run(lab, batch, calls, by_machine)
    return found


# -- what must hold ----------------------------------------------------------------------------------------------------


def _differences(scenario: Scenario, before: View, after: View) -> dict[str, tuple[Any, Any]]:
    """Which of the settings that the task is about are different: setting -> (before, after)."""
    pairs = {name: (scenario.settings[name](before), scenario.settings[name](after)) for name in scenario.wanted}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _unwanted(scenario: Scenario, view: View) -> dict[str, Any]:
    """The settings that are not as wanted, and whether a KMS host waits for its restart."""
    found = {name: scenario.settings[name](view) for name in scenario.wanted}
    wrong = {name: value for name, value in found.items() if value != scenario.wanted[name]}
    return wrong | ({"restart": "pending"} if view["host"]["restart_pending"] else {})


def _spent(what: Seen) -> int:
    spent: int = what.views[-1]["counters"]["activations_spent"] - what.views[0]["counters"]["activations_spent"]
    return spent


parametrized = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
by_both = pytest.mark.parametrize("connection", CONNECTIONS)


@by_both
@parametrized
def test_first_run_tells_the_truth(row: Row, connection: str, seen: dict[Key, Seen]) -> None:
    what = seen[row.name, connection]
    ending, message = what.endings[0], what.endings[0].message
    assert not what.unused, "the fault was never met"
    assert ending.how == ("ok" if row.ends == "ok" else "failed"), ending.result
    assert ending.changes == _differences(row.scenario, *what.views[:2]), ending.result
    assert ending.result["changed"] is bool(ending.changes)
    if row.ends == "ok":
        assert not _unwanted(row.scenario, what.views[1]), ending.result
        return
    assert what.machine in message, message
    if row.ends == "lost":
        assert f"{row.method} was sent" in message, message
        assert "license_info" in message, message
    else:
        assert ending.result["error"]["code"] == row.trouble.refused, ending.result
        assert ending.result["error"]["remedy"], ending.result


@by_both
@parametrized
def test_counted_step_is_sent_once_a_run(row: Row, connection: str, seen: dict[Key, Seen]) -> None:
    what = seen[row.name, connection]
    for run in range(len(what.endings)):
        sent = Counter(request["method"] for request in what.writes(run))
        assert all(sent[method] <= 1 for method in SPENDING if row.scenario.spends), brief(what.requests[run])


@by_both
@parametrized
def test_second_run_ends_as_wanted(row: Row, connection: str, seen: dict[Key, Seen]) -> None:
    what = seen[row.name, connection]
    ending = what.endings[1]
    assert ending.how == "ok", ending.result
    assert ending.changes == _differences(row.scenario, *what.views[1:]), ending.result
    assert _spent(what) == row.scenario.spends
    if row.method == "StopService" and row.ends == "refused":
        # Windows shows nowhere that the service has not started since: all depends on what the first run said.
        first = what.endings[0]
        assert not set(_unwanted(row.scenario, what.views[2])) - {"restart"}
        assert "sppsvc" in first.message and "Restart" in first.message, first.message
        return
    assert not _unwanted(row.scenario, what.views[2]), ending.result
    if row.ends == "ok":
        assert ending.result["changed"] is False
        assert not what.writes(1), brief(what.requests[1])


# -- a host that is gone in the middle ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gone:
    """The host answers nothing any more from a step on; `reads`: how many queries it answers before that."""

    name: str
    scenario: Scenario
    method: str
    reads: int
    reached: bool
    says: str = "A change had been sent"

    def inject(self, lab: Lab, machine: str) -> None:
        # What was carried out once isn't done by a call that is dropped later.
        lab.fault(machine, "drop_after" if self.reached else "drop_before", method=self.method)
        lab.fault(machine, "drop_before", method=self.method, count=None)
        if self.reads:
            lab.fault(machine, "delay", action="/Enumerate", seconds=0, count=self.reads)
            lab.fault(machine, "drop_before", action="/Enumerate", count=None)


GONE = (
    Gone("MAK is sent and installed", MAK_CLIENT, "InstallProductKey", 4, reached=True),
    Gone("MAK is sent and not installed", MAK_CLIENT, "InstallProductKey", 4, reached=False),
    Gone("MAK is activated", MAK_CLIENT, "Activate", 5, reached=True),
    Gone("MAK is not activated", MAK_CLIENT, "Activate", 5, reached=False),
    Gone("host key is activated", HOST, "Activate", 7, reached=True),
    Gone("host key is not activated", HOST, "Activate", 7, reached=False),
    Gone("server is set", CLIENT, "SetKeyManagementServiceMachine", 3, reached=True),
    Gone("service can't be stopped", HOST, "StopService", 0, reached=False, says="Restart sppsvc"),
    Gone("service is stopped", HOST, "StopService", 8, reached=True, says="Restart sppsvc"),
    Gone("service can't be started", HOST, "StartService", 0, reached=False, says="Restart sppsvc"),
)


# -- a host that can't be read in the end ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unread:
    """After so many queries each one fails: what was changed before is told all the same."""

    name: str
    scenario: Scenario
    reads: int
    rules: Sequence[Mapping[str, Any]]
    code: str = FAULT_CODE

    def inject(self, lab: Lab, machine: str) -> None:
        lab.fault(machine, "delay", action="/Enumerate", seconds=0, count=self.reads)
        for rule in self.rules:
            lab.fault(machine, **rule)


_UNREADABLE = {"kind": "fault", "action": "/Enumerate", "hresult": FAULT_CODE, "count": None}
_GONE = {"kind": "drop_before", "action": "/Enumerate", "count": None}
_DENIED = {"kind": "access_denied", "action": "/Enumerate", "count": None}
_REFUSED = {"kind": "fault", "hresult": FAULT_CODE}

UNREAD = (
    Unread("client, all done", CLIENT, 3, [_UNREADABLE]),
    Unread("client, all done, access denied", CLIENT, 3, [_DENIED], code="0x00000005"),
    Unread("MAK, all done", MAK_CLIENT, 5, [_UNREADABLE]),
    Unread("MAK installed", MAK_CLIENT, 4, [_UNREADABLE]),
    Unread("host, all done but the restart", HOST, 7, [_UNREADABLE]),
    Unread("client, activation refused", CLIENT, 3, [{**_REFUSED, "method": "Activate"}, _GONE]),
    Unread("MAK, activation refused", MAK_CLIENT, 5, [{**_REFUSED, "method": "Activate"}, _GONE]),
    Unread("host, interval refused", HOST, 7, [{**_REFUSED, "method": "SetVLRenewalInterval"}, _GONE]),
)


# -- reads -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """One read gets no answer, or the host's quota is used up: nobody is to notice."""

    name: str
    scenario: Scenario
    rules: Sequence[Mapping[str, Any]]

    def inject(self, lab: Lab, machine: str) -> None:
        for rule in self.rules:
            lab.fault(machine, **rule)


INFO = Scenario(
    name="license_info",
    kind="read",
    module="license_info",
    options={"application": "all"},
    settings=KEY_SETTINGS,
    steps=(),
    wanted={},
)
LOST: Sequence[Mapping[str, Any]] = (
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "empty_400"},
    {"kind": "quota"},
)
#: A full set-up of a host makes so many queries, before, between and after the writes.
QUERIES_OF_A_HOST = 13


def _reads() -> Iterator[Read]:
    for nth in range(QUERIES_OF_A_HOST):
        passing = [{"kind": "delay", "action": "/Enumerate", "seconds": 0, "count": nth}] if nth else []
        # Every kind of loss at every query would be a lot of the same.
        lost = LOST[nth % len(LOST)]
        yield Read(f"query {nth + 1}: {lost['kind']}", HOST, [*passing, {**lost, "action": "/Enumerate"}])
    for lost in LOST:
        yield Read(f"publish list: {lost['kind']}", HOST, [{**lost, "method": "GetMultiStringValue"}])
        yield Read(f"query: {lost['kind']}", INFO, [{**lost, "action": "/Enumerate"}])
        yield Read(f"second page: {lost['kind']}", INFO, [{**lost, "action": "/Pull"}])
    lost_place = {"kind": "fault", "action": "/Pull", "hresult": "0x8033801B", "shape": "wsman"}
    yield Read("second page: place lost", INFO, [lost_place])
    yield Read("three quota faults", INFO, [{"kind": "quota", "action": "/Enumerate", "count": 3}])
    yield Read("undisturbed", INFO, [])


READS = tuple(_reads())


@pytest.fixture(scope="module")
def once(lab: Lab, seen: dict[Key, Seen], tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Seen]:
    """(row of GONE, UNREAD or READS, connection) -> what happened; only those of READS run just once."""
    free = _pools(lab)
    used = {what.machine for what in seen.values()}
    found: dict[Key, Seen] = {}
    calls: list[Call] = []
    again: list[Call] = []
    rows: list[Gone | Unread | Read] = [*GONE, *UNREAD, *READS]
    for row in rows:
        for connection in CONNECTIONS:
            machine = next(name for name in free[row.scenario.kind] if name not in used)
            used.add(machine)
            found[row.name, connection] = Seen(machine, views=[lab.machine(machine)])
            row.inject(lab, machine)
            calls.append(Call(machine, connection, row.scenario.module, row.scenario.options))
            again += [] if isinstance(row, Read) else calls[-1:]
    by_machine = {what.machine: what for what in found.values()}
    batch = Batch(lab, tmp_path_factory.mktemp("gone"))
    _run(lab, batch, calls, by_machine)
    _note_unused(lab, by_machine)
    _run(lab, batch, again, by_machine)
    return found


@by_both
@pytest.mark.parametrize("row", GONE, ids=[row.name for row in GONE])
def test_host_gone_in_the_middle(row: Gone, connection: str, once: dict[Key, Seen]) -> None:
    what = once[row.name, connection]
    first, second = what.endings
    assert first.how == "unreachable", first.result
    assert what.machine in first.message, first.message
    assert row.says in first.message, first.message
    assert second.how == "ok", second.result
    assert second.changes == _differences(row.scenario, *what.views[1:])
    assert _spent(what) == row.scenario.spends
    if row.reached and row.scenario.spends:
        assert row.method not in {request["method"] for request in what.writes(1)}, brief(what.requests[1])
    assert not set(_unwanted(row.scenario, what.views[2])) - ({"restart"} if row.method in RESTART else set())


@by_both
@pytest.mark.parametrize("row", UNREAD, ids=[row.name for row in UNREAD])
def test_host_unread_in_the_end(row: Unread, connection: str, once: dict[Key, Seen]) -> None:
    what = once[row.name, connection]
    first, second = what.endings
    assert first.how == "failed", first.result
    assert first.result["error"]["code"] == row.code, first.result
    assert first.changes == _differences(row.scenario, *what.views[:2]), first.result
    assert first.result["changed"] is True
    assert any("could not be read" in text for text in first.result["warnings"]), first.result
    assert second.how == "ok", second.result
    assert second.changes == _differences(row.scenario, *what.views[1:])
    assert _spent(what) == row.scenario.spends
    unwanted = set(_unwanted(row.scenario, what.views[2]))
    if "restart" in unwanted:
        # Nothing shows it later, so it has to be told now.
        assert "Restart sppsvc" in " ".join([first.message, *first.result["warnings"]])
    assert not unwanted - {"restart"}


@by_both
@pytest.mark.parametrize("row", READS, ids=[row.name for row in READS])
def test_reads_are_repeated(row: Read, connection: str, once: dict[Key, Seen]) -> None:
    what = once[row.name, connection]
    assert not what.unused, "the fault was never met"
    assert what.endings[0].how == "ok", what.endings[0].result
    assert what.endings[0].changes == _differences(row.scenario, *what.views)
    assert not _unwanted(row.scenario, what.views[1])
    assert _spent(what) == row.scenario.spends
    if row.scenario is INFO:
        assert not what.writes(0)
        undisturbed = once["undisturbed", connection].endings[0].result["licenses"]
        assert len(undisturbed) == 3
        assert [one["name"] for one in what.endings[0].result["licenses"]] == [one["name"] for one in undisturbed]


# -- waiting is not failing --------------------------------------------------------------------------------------------


SHAPES = ("wsman", "wmi")


@by_both
@pytest.mark.parametrize("shape", SHAPES)
def test_count_too_low_is_pending(shape: str, connection: str, lab: Lab, tmp_path: Path) -> None:
    """The one HRESULT that is no failure, in both shapes of a fault."""
    # From the end of the pool, which the rows never reach.
    machine = _pools(lab)["client"][-1 - SHAPES.index(shape) - len(SHAPES) * CONNECTIONS.index(connection)]
    before = lab.machine(machine)
    lab.fault(machine, "fault", method="Activate", hresult="0xC004F038", shape=shape)
    ending = Batch(lab, tmp_path).run([Call(machine, connection, CLIENT.module, CLIENT.options)])[machine]
    assert ending.how == "ok", ending.result
    assert ending.result["pending"] is True
    assert ending.result["error"]["code"] == "0xC004F038"
    assert ending.result["threshold"] == 25
    assert ending.changes == _differences(CLIENT, before, lab.machine(machine))
    assert "status" not in ending.changes
