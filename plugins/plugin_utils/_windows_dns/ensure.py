# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring KMS hosts' records into the SRV set of a domain on a Windows DNS server, without touching any other host's.

The provider has no prerequisites and no transactions, only calls that change one record each. So a round is: read the
set; compute the difference; make one call for each record that differs, named by the reference that was just read, so
that a record which somebody else has changed meanwhile is not found rather than overwritten; read again. Whatever is
still, or again, different makes another round. A call whose answer was lost is followed by reading until its effect
shows. When it does not show, the call is made again: a set cannot hold the same record twice.

Requests: one query when the set is as wanted (and not empty); otherwise a second query, for the zone; and when
something is changed, one call for each record and a query to see the result.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...module_utils._dns.errors import ConvergenceError, DnsError, sentence
from ...module_utils._dns.records import RecordSet, SrvRecord, record_set, same_set, text
from ...module_utils._dns.update import Change, Goal, plan
from .._cim.errors import CimAccessDenied, CimError, CimFault, CimTransportError
from .._cim.session import CimSession
from .errors import error_from_fault
from .server import Entry, Operation, Zone, check_writable, find_zone, read_entries, records_in, send

# Rounds until it is certain that something keeps changing the set back; a bound, not an expectation.
MOST_ROUNDS = 12
# Answers that may get lost, and accepted rounds that may show no effect, before giving up.
MOST_LOST_ANSWERS = 3
MOST_UNHEEDED = 3
#: Seconds to wait before each look at the set after a call whose answer got lost.
PATIENCE = (0.0, 0.5, 1.0, 2.0, 4.0)
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True)
class Outcome:
    """changed: calls of ours changed the set (or would). records: the whole set as it is (or would be) now. before,
    after: the set without and with what we changed, as zone file lines. attempts: how many rounds sent something.
    zone, server: where the set is, as the server itself spells it. error: what kept it from being finished."""

    changed: bool
    records: RecordSet
    before: str
    after: str
    attempts: int
    zone: str
    server: str
    error: DnsError | None = None


def ensure(
    session: CimSession,
    goal: Goal,
    *,
    check: bool = False,
    pause: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Outcome:
    """Reach the goal on the server of the session. check: only read, and predict.

    An error after the first change is in the outcome; before it, it is raised. Raises DnsError, and CimTransportError
    when the host cannot be reached (any more).

    pause, jitter: how to wait and how to draw from 0..1, given by tests.
    """
    rounds = _Rounds(session, goal, pause, jitter)
    try:
        try:
            return rounds.run(check=check)
        except CimFault as fault:
            raise error_from_fault(fault, rounds.doing) from None
    except DnsError as error:
        outcome = rounds.outcome()
        if not outcome.changed:
            raise
        return replace(outcome, error=error)


def operations_of(change: Change, entries: Sequence[Entry]) -> tuple[Operation, ...]:
    """The calls that make a change: what can be changed in place, then what is new, then what goes.

    A record that is replaced by one of the same host is changed in place, and keeps the target as the server spells it.
    The records of the goal's hosts come before those that only get another TTL, so that no client ever finds none.
    """
    going = [entry for entry in entries if entry.record in change.delete]
    modify: list[Operation] = []
    create: list[Operation] = []
    for record in change.add:
        own = [entry for entry in going if entry.record.host == record.host]
        if own:
            nearest = min(own, key=lambda entry: _differences(entry.record, record))
            going.remove(nearest)
            modify.append(Operation(nearest, replace(record, target=nearest.record.target)))
        else:
            create.append(Operation(None, record))
    return (
        *(operation for operation in modify if not operation.is_ttl_alone),
        *create,
        *(operation for operation in modify if operation.is_ttl_alone),
        *(Operation(entry, None) for entry in going),
    )


def _differences(one: SrvRecord, other: SrvRecord) -> int:
    pairs = zip((*one.data, one.ttl), (*other.data, other.ttl), strict=True)
    return sum(mine != theirs for mine, theirs in pairs)


def _made(records: RecordSet, operations: Sequence[Operation]) -> RecordSet:
    """The set once the calls are made."""
    after = list(records)
    for operation in operations:
        if operation.old is not None:
            after.remove(operation.old.record)
        if operation.new is not None:
            after.append(operation.new)
    return record_set(after)


def _unmade(records: RecordSet, operations: Sequence[Operation]) -> RecordSet:
    """The set as it would be without these calls, whatever others have done to it before, between and after them."""
    before = list(records)
    for operation in reversed(operations):
        new, old = operation.new, operation.old
        if new is not None:
            before = [record for record in before if record.data != new.data]
        if old is not None and all(record.data != old.record.data for record in before):
            before.append(old.record)
    return record_set(before)


class _Rounds:
    def __init__(
        self, session: CimSession, goal: Goal, pause: Callable[[float], None], jitter: Callable[[], float]
    ) -> None:
        self.session = session
        self.goal = goal
        self.pause = pause
        self.jitter = jitter
        self.doing = ""
        self.container = goal.zone or goal.domain
        self.zone: Zone | None = None
        self.entries: tuple[Entry, ...] = ()
        self.attempts = 0
        self.lost_answers = 0
        self.unheeded = 0
        # Calls that were made, those that may have been, and the one that the server refused last, with its reason.
        self.done: list[Operation] = []
        self.doubtful: list[Operation] = []
        self.refused: tuple[Operation, CimFault] | None = None

    @property
    def records(self) -> RecordSet:
        return records_in(self.entries)

    def run(self, *, check: bool) -> Outcome:
        self._look_first()
        operations = self._operations()
        if self.zone is None and (operations or not self.entries):
            operations = self._look_where_it_belongs()
        if operations:
            check_writable(self._known_zone())
        if check:
            return self.outcome(_made(self.records, operations), operations)
        while operations:
            self._stop_when_stuck(operations)
            self._round(operations)
            operations = self._operations()
        return self.outcome()

    def outcome(self, records: RecordSet | None = None, made: Sequence[Operation] | None = None) -> Outcome:
        """What came of it until now; or what would, given the set and the calls that would be made."""
        records = self.records if records is None else records
        before = _unmade(records, self.done if made is None else made)
        server = self.zone.server if self.zone else next((entry.server for entry in self.entries), "")
        return Outcome(
            changed=not same_set(before, records),
            records=records,
            before=text(before, self.goal.owner),
            after=text(records, self.goal.owner),
            attempts=self.attempts,
            zone=self.zone.name if self.zone else self.container,
            server=server,
        )

    def _operations(self) -> tuple[Operation, ...]:
        return operations_of(plan(self.records, self.goal), self.entries)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _look_first(self) -> None:
        """Read where the set most likely is. A fault may only mean that there is no such zone."""
        try:
            self._look()
        except CimAccessDenied:
            raise
        except CimFault:
            self.zone = self._find_zone()
            if self.zone.name.lower() == self.container.lower():
                self.doing = f"reading the records of {self.goal.owner}"
                raise
            self.container = self.zone.name
            self._look()

    def _look_where_it_belongs(self) -> tuple[Operation, ...]:
        self.zone = self._find_zone()
        if self.zone.name.lower() != self.container.lower():
            self.container = self.zone.name
            self._look()
        return self._operations()

    def _find_zone(self) -> Zone:
        self.doing = f"looking for the zone of {self.goal.owner}"
        return find_zone(self.session, self.goal.owner, self.goal.zone)

    def _known_zone(self) -> Zone:
        if self.zone is None:
            self.zone = self._find_zone()
        return self.zone

    def _look(self) -> None:
        self.doing = f"reading the records of {self.goal.owner}"
        try:
            self.entries = read_entries(self.session, self.container, self.goal.owner)
        except CimTransportError as error:
            # Only a reading failed, but what was sent before it may have happened.
            error.outcome_unknown = bool(self.done or self.doubtful)
            raise
        shown = [operation for operation in self.doubtful if operation.shows_in(self.records)]
        self.done += shown
        self.doubtful = [operation for operation in self.doubtful if operation not in shown]

    # --- writing ----------------------------------------------------------------------------------------------------

    def _round(self, operations: Sequence[Operation]) -> None:
        """Make the calls, until one has trouble, and look at the result."""
        before = self.records
        self.attempts += 1
        for operation in operations:
            try:
                self.doing = f"changing the records of {self.goal.owner}"
                send(self.session, self._known_zone(), self.goal.owner, operation)
            except CimError as error:
                if error.outcome_unknown:
                    self._wait_for(operation, error)
                    return
                if isinstance(error, CimAccessDenied) or not isinstance(error, CimFault):
                    raise
                # Often somebody else was faster: the record is gone, or there already.
                self.refused = (operation, error)
                self._wait()
                self._look()
                return
            self.done.append(operation)
        self.refused = None
        self._look()
        if same_set(before, self.records):
            self.unheeded += 1
            self._wait()

    def _wait_for(self, operation: Operation, error: CimError) -> None:
        """Look until a call whose answer was lost shows in the set, or patience ends."""
        self.doubtful.append(operation)
        self.lost_answers += 1
        last: CimTransportError | None = None
        for seconds in PATIENCE:
            self.pause(seconds)
            try:
                self._look()
                last = None
            except CimTransportError as caught:
                last = caught
                continue
            if operation.shows_in(self.records):
                return
        if last is not None:
            raise last
        if self.lost_answers > MOST_LOST_ANSWERS:
            self.doing = f"changing the records of {self.goal.owner}"
            raise error

    def _wait(self) -> None:
        self.pause(self.jitter() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.attempts, 10)))

    def _stop_when_stuck(self, operations: Sequence[Operation]) -> None:
        where = f"{self.goal.owner} on {self._known_zone().server or 'the DNS server'}"
        if self.refused is not None and self.refused[0] == operations[0]:
            self.doing = f"changing the records of {self.goal.owner}"
            raise self.refused[1]
        if self.unheeded >= MOST_UNHEEDED:
            raise ConvergenceError(
                "NOT_APPLIED",
                f"{sentence(where)}: the changes were accepted, but the records there have not changed.",
                "Look at the event log 'DNS Server' of the host, and whether the zone is paused or read-only there.",
            )
        if self.attempts >= MOST_ROUNDS:
            raise ConvergenceError(
                "LOST_RACE",
                f"The records of {where} were changed by others during each of {self.attempts} attempts.",
                "Something keeps rewriting this record set. Find it (two tools with different opinions of it?), or run "
                "the task again with fewer hosts at a time.",
            )
