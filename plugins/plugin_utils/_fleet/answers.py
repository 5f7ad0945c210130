# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What asking one machine came to, and its line in a file."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._report.rows import KmsHost, Row, kms_host_of, rows_of


@dataclass(frozen=True)
class Answer:
    """The rows of one machine, one for each licence, or one that says why there is none.

    at: seconds since 1970 at which it was asked.
    """

    host: str
    at: float
    rows: tuple[Row, ...]
    kms_host: KmsHost | None = None

    @property
    def outcome(self) -> str:
        """ok, unreachable or failed."""
        return self.rows[0].outcome

    @property
    def answered(self) -> bool:
        return self.outcome == "ok"

    @property
    def activated(self) -> bool:
        """Whether all that it has a key for is licensed."""
        return self.answered and all(row.status == "licensed" for row in self.rows)

    def as_line(self, *, timed: bool = True) -> bytes:
        """One line of JSON without what has no value; without its time, it changes only when the machine does."""
        # The time comes first: that is how a file of these lines is told from one without times.
        value: dict[str, Any] = {**({"at": self.at} if timed else {}), "host": self.host}
        value["rows"] = [_brief(row.as_dict()) for row in self.rows]
        if self.kms_host:
            value["kms_host"] = self.kms_host.as_dict()
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def answer_of(host: str, result: Mapping[str, Any], *, at: float) -> Answer:
    """From a result as license_info returns it, or one with `unreachable` or `failed` and `msg`."""
    return Answer(host, at, tuple(rows_of(host, result)), kms_host_of(host, result))


def not_asked(host: str, reason: str, *, remedy: str = "") -> Answer:
    """The answer of a machine that told nothing."""
    return answer_of(host, {"unreachable": True, "error": {"message": reason, "remedy": remedy}}, at=time.time())


def parse_line(line: bytes) -> Answer | None:
    """The answer of a line; None for one that is none, such as the torn last line of a run that was killed."""
    if not line.endswith(b"\n"):
        return None
    try:
        value = json.loads(line)
        rows = tuple(Row.from_dict({**_EMPTY, **_shared(row)}) for row in value["rows"])
        kms_host = KmsHost(**value["kms_host"]) if value.get("kms_host") else None
        return Answer(str(value["host"]), float(value.get("at", 0)), rows, kms_host) if rows else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


_EMPTY: dict[str, Any] = {
    field.name: field.default for field in dataclasses.fields(Row) if field.default is not dataclasses.MISSING
}


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    """The same with each text once in memory: thousands of machines have the same product, and the same trouble."""
    return {name: sys.intern(value) if isinstance(value, str) else value for name, value in row.items()}


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    # By identity: no days left is a number that tells something, and equals False.
    return {name: value for name, value in row.items() if value is not None and value is not False}
