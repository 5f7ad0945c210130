# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has changed since an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .answers import Answer, parse_line
from .errors import FleetError

_ANSWERED = "answered"
_ACTIVATED = "activated"
_UNANSWERED = "unanswered"


#: Name -> what a host was and what it is now; None for one that was not there.
CHANGES: dict[str, tuple[tuple[str | None, ...], tuple[str | None, ...]]] = {
    "newly_unactivated": ((_ACTIVATED,), (_ANSWERED,)),
    "newly_activated": ((_ANSWERED,), (_ACTIVATED,)),
    "lost": ((_ACTIVATED, _ANSWERED), (_UNANSWERED,)),
    "found_again": ((_UNANSWERED,), (_ACTIVATED, _ANSWERED)),
    "new_hosts": ((None,), (_ACTIVATED, _ANSWERED, _UNANSWERED)),
    "gone_hosts": ((_ACTIVATED, _ANSWERED, _UNANSWERED), (None,)),
}


def conditions_of(answers: Iterable[Answer]) -> dict[str, str]:
    """Host -> activated, answered (and not activated), or unanswered."""
    return {answer.host: _condition(answer) for answer in answers}


def _condition(answer: Answer) -> str:
    return _ACTIVATED if answer.activated else _ANSWERED if answer.answered else _UNANSWERED


def read_earlier(path: Path) -> dict[str, str]:
    """Host -> its condition, from a file of answers.  Raises FleetError."""
    found: dict[str, str] = {}
    try:
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                answer = parse_line(line)
                if answer is None:
                    raise FleetError(
                        f"compare_with: line {number} of {path} is no answer of a host. Name a file that "
                        "json_lines of an earlier run has written"
                    )
                found[answer.host] = _condition(answer)
    except OSError as error:
        raise FleetError(f"compare_with: {path} can't be read: {error.strerror}") from None
    return found


def changes(earlier: Mapping[str, str], now: Mapping[str, str], *, most: int) -> dict[str, Any]:
    """For each of CHANGES the count and the first hosts."""
    result: dict[str, Any] = {}
    hosts = sorted({*earlier, *now})
    for name, (was, is_now) in CHANGES.items():
        having = [host for host in hosts if earlier.get(host) in was and now.get(host) in is_now]
        result[name] = {"count": len(having), "hosts": having[:most]}
    return result
