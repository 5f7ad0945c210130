# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.fleet_report: the licences of all machines of a play in one task."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.winops.kms.plugins.module_utils._discovery.lookup import FAILED, Lookup
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.library import REQUIREMENT
from ansible_collections.winops.kms.plugins.module_utils._dns.library import problem as library_problem
from ansible_collections.winops.kms.plugins.module_utils._dns.names import domain_name
from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.fleet import FleetConnections
from ansible_collections.winops.kms.plugins.plugin_utils._action.options import validated_options
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.asking import Limits
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.comparison import changes, conditions_of, read_earlier
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.conditions import Condition
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.figures import Fleet
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.files import check_writable, equal, read_text, write
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.journal import Journal
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.processes import survey
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.prometheus import prometheus_text, same_figures
from ansible_collections.winops.kms.plugins.plugin_utils._report.document import report_of
from ansible_collections.winops.kms.plugins.plugin_utils._report.render import FORMATS, render

#: Option -> the least and the most it may be.
_RANGES = {
    "concurrency": (1, 2000),
    "processes": (1, 64),
    "host_timeout": (1, 3600),
    "time_limit": (1, 86400),
    "max_age": (0, 525600),
    "expiring_days": (1, 180),
    "dns_port": (1, 65535),
    "most_listed": (0, 1000),
}
_OUTPUTS = ("json_lines", "json", "csv", "html", "prometheus")
#: A collector of another user reads the figures; the others name machines and what is wrong with them.
_FILE_MODE = 0o640
_PROMETHEUS_MODE = 0o644
_PROGRESS_SECONDS = 10.0
#: More processes than that do not read answers faster than the network brings them.
_MOST_PROCESSES_BY_DEFAULT = 4
_ALL = "all"


class ActionModule(ActionBase):
    """One call for the whole play."""

    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    argument_spec = specs.FLEET_REPORT

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return {**result, **self._report(task_vars or {})}
        except (FleetError, DnsError) as error:
            raise AnsibleActionFail(str(error)) from None

    def _report(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = self._options()
        _check_ranges(options)
        hosts = self._hosts(options["hosts"], task_vars)
        conditions = [Condition.parse(text, with_dns=bool(options["domains"])) for text in options["fail_when"]]
        members = self._members(options["groups"], conditions, task_vars)
        paths = {name: Path(options[name]) for name in _OUTPUTS if options[name]}
        for name, path in paths.items():
            check_writable(name, path)
        _check_different({**paths, **({"state_file": Path(options["state_file"])} if options["state_file"] else {})})
        earlier = _earlier(options)
        published = _published(options)

        started = time.monotonic()
        with self._journal(options) as journal:
            asked = [host for host in hosts if host not in journal.kept]
            self._ask(asked, options, journal, task_vars)
            seconds = time.monotonic() - started
            # One order, whenever and in whatever order they answered.
            ordered = sorted(hosts, key=lambda host: (host.lower(), host))
            fleet = Fleet(journal.answers(ordered), expiring_days=options["expiring_days"], published=published)

        counts = {_ALL: fleet.counts(), **{group: fleet.counts(names) for group, names in members.items()}}
        written = self._write(fleet, counts, options, paths, seconds)
        met = [text for one in conditions if (text := one.met(counts[one.group or _ALL]))]
        totals = counts.pop(_ALL)
        result: dict[str, Any] = {
            "changed": any(written.values()),
            "totals": totals,
            "groups": counts,
            "problems": fleet.problems(options["most_listed"]),
            "licenses": fleet.kinds(options["most_listed"]),
            "kms_hosts": [host.as_dict() for host in fleet.kms_hosts(options["most_listed"])],
            "asked": len(asked),
            "kept": len(hosts) - len(asked),
            "seconds": round(seconds, 1),
            "files": {name: str(path) for name, path in paths.items()},
            "msg": _sentence(totals, asked=len(asked), seconds=seconds),
        }
        if earlier is not None:
            result["since"] = changes(earlier, conditions_of(fleet.answers), most=options["most_listed"])
        if met:
            result.update(failed=True, conditions_met=met, msg=f"{result['msg']}. Failed by {'; '.join(met)}")
        return result

    def _options(self) -> dict[str, Any]:
        """The options; what is empty counts as not given, because AWX sends answers that nobody gave as such."""
        given = {name: value for name, value in self._task.args.items() if not _is_empty(value)}
        options = validated_options(SimpleNamespace(action=self._task.action, args=given), self.argument_spec)
        return {
            name: [item.strip() for item in value if item.strip()] if isinstance(value, list) else value
            for name, value in options.items()
        }

    def _hosts(self, given: Sequence[str] | None, task_vars: dict[str, Any]) -> list[str]:
        if given is None:
            everyone = task_vars["ansible_play_hosts_all"]
            batch = task_vars["ansible_play_batch"]
            # With `serial` a call is for its batch; else for all, those that were lost in an earlier task too.
            given = batch if len(batch) < len(task_vars["ansible_play_hosts"]) else everyone
        known = task_vars["hostvars"]
        unknown = [host for host in given if host not in known]
        if unknown:
            raise FleetError(f"hosts: the inventory has no {', '.join(unknown[:5])}. Give names of hosts, no pattern")
        return list(dict.fromkeys(str(host) for host in given))

    def _members(
        self, groups: Sequence[str], conditions: Sequence[Condition], task_vars: dict[str, Any]
    ) -> dict[str, Collection[str]]:
        known = task_vars["groups"]
        wanted = dict.fromkeys([*groups, *(one.group for one in conditions if one.group)])
        for group in wanted:
            if group not in known:
                raise FleetError(f"groups, fail_when: the inventory has no group {group!r}")
        return {group: frozenset(known[group]) for group in wanted if group != _ALL}

    @contextmanager
    def _journal(self, options: dict[str, Any]) -> Iterator[Journal]:
        # Ansible removes what is in this folder of its own even when this process is killed.
        with tempfile.TemporaryDirectory(dir=C.DEFAULT_LOCAL_TMP) as folder:  # type: ignore[attr-defined]
            path = Path(folder, "answers")
            if options["state_file"] and not self._task.check_mode:
                path = Path(options["state_file"])
            with closing(Journal(path, fresh_since=time.time() - options["max_age"] * 60)) as journal:
                yield journal

    def _ask(self, hosts: Sequence[str], options: dict[str, Any], journal: Journal, task_vars: dict[str, Any]) -> None:
        connections = FleetConnections(self, task_vars)
        limits = Limits(options["concurrency"], options["host_timeout"], options["time_limit"])
        cores = len(os.sched_getaffinity(0))
        processes = options["processes"] or min(cores, _MOST_PROCESSES_BY_DEFAULT)
        progress = _Progress(self._display.display, len(hosts))
        parent = os.getppid()

        def tick() -> None:
            # A worker of Ansible's has a session of its own, so that what kills the play may not reach it.
            if os.getppid() != parent:
                raise FleetError("ansible-playbook has ended before all hosts were asked")
            progress.tick()

        answers = survey(hosts, connections.target, limits, processes=processes, tick=tick)
        # Its processes end with it, also when an answer can't be written down.
        with closing(answers):
            for answer in answers:
                journal.add(answer)
                progress.count(answered=answer.answered)

    def _write(
        self,
        fleet: Fleet,
        counts: dict[str, dict[str, int]],
        options: dict[str, Any],
        paths: dict[str, Path],
        seconds: float,
    ) -> dict[str, bool]:
        check = bool(self._task.check_mode)
        written: dict[str, bool] = {}
        if "json_lines" in paths:
            lines = (answer.as_line(timed=False).decode() for answer in fleet.answers)
            written["json_lines"] = write("json_lines", paths["json_lines"], lines, mode=_FILE_MODE, check=check)
        if "prometheus" in paths:
            text = prometheus_text(
                fleet.answers,
                counts,
                duration=seconds,
                timestamp=time.time(),
            )
            written["prometheus"] = write(
                "prometheus", paths["prometheus"], [text], mode=_PROMETHEUS_MODE, check=check, same=same_figures
            )
        forms = [name for name in FORMATS if name in paths]
        if forms:
            report = report_of(
                (row for answer in fleet.answers for row in answer.rows),
                (answer.kms_host for answer in fleet.answers if answer.kms_host),
                title=options["title"],
                time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                previous=read_text(paths["json"]) if "json" in paths else None,
            )
            for name in forms:
                written[name] = write(
                    name, paths[name], [render(report, name)], mode=_FILE_MODE, check=check, same=equal
                )
        return written


class _Progress:
    """Says how far a long run is."""

    def __init__(self, say: Any, total: int) -> None:
        self._say = say
        self._total = total
        self._done = self._answered = 0
        self._started = self._said = time.monotonic()

    def count(self, *, answered: bool) -> None:
        self._done += 1
        self._answered += answered

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._said >= _PROGRESS_SECONDS:
            self._said = now
            lost = self._done - self._answered
            self._say(
                f"fleet_report: {self._done} of {self._total} hosts after {now - self._started:.0f} s, "
                f"{lost} of them did not answer"
            )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _check_different(paths: dict[str, Path]) -> None:
    """Raises FleetError when two options name one file: one of them would overwrite the other."""
    names: dict[str, str] = {}
    for name, path in paths.items():
        other = names.setdefault(os.path.realpath(path), name)
        if other != name:
            raise FleetError(f"{other}, {name}: both are {path}. Name two different files")


def _earlier(options: dict[str, Any]) -> dict[str, str] | None:
    """Host -> its condition in the run to compare with; None when there is none to be compared with."""
    given, lines = options["compare_with"], options["json_lines"]
    if not given:
        return None
    if lines and os.path.realpath(given) == os.path.realpath(lines) and not os.path.exists(given):
        # The first run of those that go on from one to the next.
        return {}
    return read_earlier(Path(given))


def _check_ranges(options: dict[str, Any]) -> None:
    for name, (least, most) in _RANGES.items():
        value = options[name]
        if value is not None and not least <= value <= most:
            raise FleetError(f"{name}: {value} is not between {least} and {most}")


def _published(options: dict[str, Any]) -> set[str] | None:
    """The KMS hosts that DNS names, by whatever a client may call them; None when it is not to be asked."""
    domains = options["domains"]
    if not domains:
        return None
    if library_problem():
        raise FleetError(f"domains: {REQUIREMENT} is needed on the controller: pip install dnspython")
    lookup = Lookup(options["dns_server"], options["dns_port"])
    found: set[str] = set()
    for domain in domains:
        service = lookup.service(domain_name(domain, "domains"))
        if service.status == FAILED:
            raise FleetError(f"domains: {domain} could not be looked up by {lookup.label}: {service.problem}")
        for record in service.records:
            name = record.host.rstrip(".")
            found.update({name, name.partition(".")[0], *lookup.host(record.target).addresses})
    return found


def _sentence(totals: dict[str, int], *, asked: int, seconds: float) -> str:
    time_taken = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
    return (
        f"{totals['hosts']} hosts, {asked} asked in {time_taken} s: {totals['activated']} activated, "
        f"{totals['unactivated']} not activated, {totals['unanswered']} did not answer"
    )
