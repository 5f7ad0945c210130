# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: rules that make the next matching requests go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: Kind -> whether the requested operation is carried out all the same.
KINDS: Mapping[str, bool] = {
    "hang": False,
    "unauthorized": False,
    "drop_before": False,
    "drop_after": True,
    "delay": True,
    "timed_out": True,
    "quota": False,
    "html": False,
    "truncated": True,
    "malformed": True,
    "wrong_types": True,
    "wrong_id": True,
    "doctype": True,
    "oversized": True,
    "empty_400": False,
    "http_503": False,
    "access_denied": False,
    "fault": False,
}

_TYPES: Mapping[str, tuple[type, ...]] = {
    "machine": (str,),
    "kind": (str,),
    "action": (str,),
    "method": (str,),
    "count": (int, type(None)),
    "seconds": (int, float),
    "hresult": (int, str),
    "shape": (str,),
    "size": (int,),
    "done": (bool,),
}


class BadRule(ValueError):
    """A rule that cannot be understood; the message names the field."""


@dataclass
class Rule:
    """One rule; see `KINDS` for what each kind does.

    It matches requests to `machine` (`*`: any) whose action URI contains `action` and that invoke `method`, where
    given, `count` times (None: always).  `seconds` is for delay, `hresult` and `shape` (wsman or wmi; default: what
    the machine's generation uses) for fault, `size` the bytes of an oversized answer; `done` overrides whether the
    operation is carried out.
    """

    machine: str
    kind: str
    action: str = ""
    method: str = ""
    count: int | None = 1
    seconds: float = 1.0
    hresult: int = 0x80041001
    shape: str = ""
    size: int = 4 * 1024 * 1024
    done: bool | None = None

    @property
    def runs(self) -> bool:
        """Whether the operation is carried out."""
        return KINDS[self.kind] if self.done is None else self.done

    def matches(self, *, machine: str, action: str, method: str) -> bool:
        """Whether a request is one that this rule is for."""
        return (
            self.machine in ("*", machine.lower())
            and self.action in action
            and (not self.method or self.method == method)
        )


def parse_rule(data: object) -> Rule:
    """A rule from JSON.  Raises BadRule."""
    if not isinstance(data, dict):
        raise BadRule("a fault is a JSON object with machine and kind")
    values: dict[str, Any] = dict(data)
    for name, value in values.items():
        if name not in _TYPES:
            raise BadRule(f"unknown field {name!r}; there are {', '.join(sorted(_TYPES))}")
        wrong_bool = isinstance(value, bool) and name != "done"
        if wrong_bool or not isinstance(value, _TYPES[name]):
            raise BadRule(f"{name} has a value of a wrong type")
    if "machine" not in values or values.get("kind") not in KINDS:
        raise BadRule(f"machine and kind are needed; kinds are {', '.join(KINDS)}")
    if values.get("shape", "") not in ("", "wsman", "wmi"):
        raise BadRule("shape is wsman or wmi")
    if values.get("count", 1) is not None and values.get("count", 1) < 1:
        raise BadRule("count is at least 1, or null for always")
    if isinstance(values.get("hresult"), str):
        try:
            values["hresult"] = int(values["hresult"], 0)
        except ValueError:
            raise BadRule("hresult is a number or a string such as 0xC004F074") from None
    if not 0 <= values.get("hresult", 0) <= 0xFFFFFFFF:
        raise BadRule("hresult is an unsigned 32-bit number")
    values["machine"] = values["machine"].lower()
    return Rule(**values)


class Injector:
    """The rules in force, oldest first; a request is met by the first that matches.

    They are kept by machine: thousands of rules cost a request to another machine nothing.
    """

    def __init__(self) -> None:
        self._rules: dict[str, dict[int, Rule]] = {}
        self._added = 0

    def add(self, rule: Rule) -> None:
        """Put a rule in force."""
        self._added += 1
        self._rules.setdefault(rule.machine, {})[self._added] = rule

    def clear(self, machine: str | None = None) -> None:
        """Drop all rules, or those of one machine."""
        if machine is None:
            self._rules.clear()
        else:
            self._rules.pop(machine.lower(), None)

    def _in_order(self, *machines: str) -> list[tuple[int, str, Rule]]:
        found = [(number, name, rule) for name in machines for number, rule in self._rules.get(name, {}).items()]
        return sorted(found, key=lambda entry: entry[0])

    def entries(self) -> list[dict[str, object]]:
        """The rules that are left, JSON-ready."""
        return [asdict(rule) for _number, _name, rule in self._in_order(*self._rules)]

    def take(self, *, machine: str, action: str, method: str) -> Rule | None:
        """The rule for this request, used up by one."""
        if not self._rules:
            return None
        for number, name, rule in self._in_order(machine.lower(), "*"):
            if rule.matches(machine=machine, action=action, method=method):
                if rule.count is not None:
                    rule.count -= 1
                    if rule.count == 0:
                        del self._rules[name][number]
                return rule
        return None
