# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a run is to fail: conditions such as `unactivated > 0` or `unanswered in kms_clients > 5%`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import FleetError
from .figures import METRICS, NEEDS_DNS

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*(\w+)(?:\s+in\s+([^\s<>=!]+))?\s*([<>]=?|==|!=)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_HOW = "Write it as METRIC > NUMBER or METRIC in GROUP > NUMBER%, such as unactivated in kms_clients > 5%"


@dataclass(frozen=True)
class Condition:
    """metric of the hosts of a group (None: all hosts), compared with a number, or a part of those hosts in percent."""

    text: str
    metric: str
    group: str | None
    sign: str
    number: float
    percent: bool

    @classmethod
    def parse(cls, text: str, *, with_dns: bool) -> Condition:
        """Raises FleetError."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise FleetError(f"fail_when: {text!r} is no condition. {_HOW}")
        metric, group, sign, number, percent = match.groups()
        if metric not in METRICS:
            raise FleetError(f"fail_when: {metric!r} in {text!r} is not counted. Use one of {', '.join(METRICS)}")
        if metric == NEEDS_DNS and not with_dns:
            raise FleetError(f"fail_when: {metric} is known only when domains names the DNS domains to look into")
        return cls(text.strip(), metric, group, sign, float(number), bool(percent))

    def met(self, counts: Mapping[str, int]) -> str | None:
        """What is the case, by the counts of its group; None when the condition does not hold.

        A part of no machines is neither large nor small: such a condition does not hold.
        """
        found = counts[self.metric]
        total = counts["hosts"]
        if self.percent and not total:
            return None
        value = found * 100 / total if self.percent else float(found)
        if not _OPERATORS[self.sign](value, self.number):
            return None
        where = f" of {self.group}" if self.group else ""
        return f"{self.text} ({found} of {total} hosts{where}: {METRICS[self.metric].text})"
