# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of the module."""

from __future__ import annotations

from typing import Any

from ...module_utils._dns.update import Goal
from .ensure import Outcome


def result_of(outcome: Outcome, goal: Goal, *, check: bool) -> dict[str, Any]:
    """The same keys as those of srv_record, as far as they apply, and `msg`; with an error, that of a failed task."""
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "msg": _sentence(outcome, goal, check=check),
        "records": [record.as_result() for record in outcome.records],
        "attempts": outcome.attempts,
        "server": outcome.server,
        "domain": goal.domain,
        "zone": outcome.zone,
        "diff": {
            "before": outcome.before,
            "after": outcome.after,
            "before_header": goal.owner,
            "after_header": goal.owner,
        },
    }
    if outcome.error is not None:
        message = f"{outcome.error} Some of the records had been changed before, see the diff."
        result.update(failed=True, msg=message, error=outcome.error.as_result())
    return result


def _sentence(outcome: Outcome, goal: Goal, *, check: bool) -> str:
    """One short sentence for the screen and the job event."""
    number = len(outcome.records)
    what = f"{number or 'no'} record{'' if number == 1 else 's'}"
    where = f"{goal.owner} on {outcome.server or 'the DNS server'}"
    if not outcome.changed:
        return f"{where}: {what}; nothing to change"
    return f"{where}: would change, {what} then" if check else f"{where}: changed, {what} now"
