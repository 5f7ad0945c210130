# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring one KMS host's record into the SRV set of a zone, or out of it, without touching any other host's.

The set is shared: every KMS host has its record in it, and hosts publish themselves, so it changes at any time. A round
is therefore: read the set from the very server that will be updated; compute the difference; send it as one UPDATE that
holds only if the set still is what was read; read again. A round that lost the race, or whose answer was lost, is
followed by another after a random pause. Nothing is ever replaced as a whole.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ConvergenceError, NoAnswerError, TransportError, ZoneError, sentence
from .exchange import Answer, Server, content, server_error
from .library import dns
from .names import owner_name
from .records import RecordSet, SrvRecord, record_set, records_of, same_set, text
from .zone import apex_at, from_text, plain

DEFAULT_PORT = 1688
DEFAULT_TTL = 3600

# A prerequisite did not hold (RFC 2136 section 2.2): somebody else was faster.
_LOST_RACE = {3: "NXDOMAIN", 7: "YXRRSET", 8: "NXRRSET"}

# Twelve concurrent writers need up to six rounds; this is a bound, not an expectation.
MOST_UPDATES = 40
# Answers that may get lost, and accepted updates that may show no effect, before giving up.
MOST_LOST_ANSWERS = 3
MOST_UNHEEDED = 3
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True)
class Goal:
    """What is wanted of one host.

    target: host name without final dot; it alone says whose record this is. port, priority and weight are the values
    that its only record shall have. port None: DEFAULT_PORT, or any port when the record shall go.
    ttl None: as the host's record has it, else as the set has it, else DEFAULT_TTL.
    """

    zone: str
    target: str
    present: bool = True
    port: int | None = None
    priority: int = 0
    weight: int = 0
    ttl: int | None = None

    @property
    def owner(self) -> str:
        """Name of the record set, without final dot."""
        return owner_name(self.zone)


@dataclass(frozen=True)
class Change:
    """From one state of the set to the next. No deletes and no adds: nothing to do."""

    before: RecordSet
    delete: RecordSet = ()
    add: RecordSet = ()

    def __bool__(self) -> bool:
        return bool(self.delete or self.add)

    @property
    def after(self) -> RecordSet:
        """The set once the change is made."""
        return record_set([record for record in self.before if record not in self.delete] + list(self.add))


@dataclass(frozen=True)
class Outcome:
    """changed: an update of ours changed the set (or would). records: the whole set as it is (or would be) now.
    before, after: the set around that change, as zone file lines. attempts: how many updates were sent."""

    changed: bool
    records: RecordSet
    before: str
    after: str
    attempts: int


def plan(current: RecordSet, goal: Goal) -> Change:
    """The difference between the set as it is and the goal.

    A KMS host listens on one port, so a host has one record: others with the same target, in whatever case, give way.
    The records of other hosts are only touched to give them the TTL of the set, where one is asked for (all records
    of a set have one TTL, RFC 2181 section 5.2); their data stays to the letter.
    """
    host = from_text(goal.target).canonicalize()
    own = [record for record in current if record.host == host]
    if not goal.present:
        return Change(current, delete=tuple(record for record in own if goal.port in (None, record.port)))
    inherited = [record.ttl for record in own] or [record.ttl for record in current] or [DEFAULT_TTL]
    ttl = min(inherited) if goal.ttl is None else goal.ttl
    wanted = SrvRecord(
        from_text(goal.target), DEFAULT_PORT if goal.port is None else goal.port, goal.priority, goal.weight, ttl
    )
    kept = [record for record in own if record.data == wanted.data and record.ttl == ttl][:1]
    neighbours = [record for record in current if record.host != host and goal.ttl is not None and record.ttl != ttl]
    return Change(
        current,
        delete=record_set([record for record in own if record not in kept] + neighbours),
        add=record_set(
            ([] if kept else [wanted])
            + [SrvRecord(record.target, record.port, record.priority, record.weight, ttl) for record in neighbours]
        ),
    )


def ensure(
    server: Server,
    goal: Goal,
    *,
    check: bool = False,
    pause: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Outcome:
    """Reach the goal on the server. check: only read, and predict. Raises DnsError.

    pause, jitter: how to wait and how to draw from 0..1, given by tests.
    """
    apex = apex_at(server, goal.zone)
    return _Rounds(server, goal, apex.zone, pause, jitter).run(check=check)


class _Rounds:
    def __init__(
        self,
        server: Server,
        goal: Goal,
        apex: dns.name.Name,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        self.server = server
        self.goal = goal
        self.apex = apex
        self.owner = from_text(goal.owner)
        self.pause = pause
        self.jitter = jitter
        self.attempts = 0
        self.lost_answers = 0
        self.unheeded = 0
        # The last change that the server said it made, and the last that it may have made.
        self.accepted: Change | None = None
        self.doubtful: Change | None = None

    def run(self, *, check: bool) -> Outcome:
        while True:
            current = self._read_patiently()
            change = plan(current, self.goal)
            if not change:
                return self._outcome(self.accepted or self.doubtful or change, current)
            if check:
                return self._outcome(change, change.after)
            if self.accepted is not None and same_set(self.accepted.before, current):
                self._unheeded()
            if self.attempts >= MOST_UPDATES:
                raise self._lost_race()
            self._update(change)

    def _outcome(self, change: Change, records: RecordSet) -> Outcome:
        owner = self.goal.owner
        return Outcome(bool(change), records, text(change.before, owner), text(change.after, owner), self.attempts)

    def _wait(self) -> None:
        self.pause(self.jitter() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.attempts, 10)))

    def _names(self, doing: str) -> dict[str, str]:
        zone, owner = plain(self.apex), self.goal.owner
        return {"doing": f"{doing} {owner} in zone {zone}", "zone": zone, "owner": owner}

    def _read_patiently(self) -> RecordSet:
        """Read; once an answer to an update was lost, a lost answer to the reading is not the end either."""
        while True:
            try:
                return self._read()
            except TransportError:
                self.lost_answers += 1
                if self.doubtful is None or self.lost_answers > MOST_LOST_ANSWERS:
                    raise
            self._wait()

    def _read(self) -> RecordSet:
        query = dns.message.make_query(self.owner, dns.rdatatype.SRV)
        query.flags &= ~dns.flags.RD
        message = content(self.server.exchange(query), server=self.server, **self._names("reading"))
        aliases = [
            rrset for rrset in message.answer if rrset.rdtype == dns.rdatatype.CNAME and rrset.name == self.owner
        ]
        if aliases and self.goal.present:
            raise ZoneError(
                "ALIAS",
                f"{self.goal.owner} is an alias (CNAME) of {plain(aliases[0][0].target)} on {self.server.label}, so "
                "no SRV record can be there.",
                "Delete the alias, or publish the record in the zone that it leads to.",
            )
        return records_of(message, self.owner)

    def _update(self, change: Change) -> None:
        self.attempts += 1
        try:
            answer = self.server.exchange(update_message(self.apex, self.owner, change))
        except NoAnswerError:
            self.doubtful = change
            self.lost_answers += 1
            if self.lost_answers > MOST_LOST_ANSWERS:
                raise
            self._wait()
            return
        self._heed(answer, change)

    def _heed(self, answer: Answer, change: Change) -> None:
        """An error needs no proof (whoever could forge it could as well drop the answer). Success does: whatever the
        signature says of it, the set is read again."""
        if answer.tsig_error == 0 and answer.rcode == dns.rcode.NOERROR:
            self.accepted = change
        elif answer.tsig_error == 0 and answer.rcode in _LOST_RACE:
            self._wait()
        else:
            raise server_error(answer, update=True, server=self.server, **self._names("updating"))

    def _unheeded(self) -> None:
        self.accepted = None
        self.unheeded += 1
        if self.unheeded >= MOST_UNHEEDED:
            raise ConvergenceError(
                "NOT_APPLIED",
                f"{sentence(self.server.label)} accepted the update of {self.goal.owner}, but the records there "
                "have not changed.",
                "The answer may come from another server or a forged source, or a rule on the server drops the "
                "change. Name the zone's primary server in the option server, and look at its log.",
            )
        self._wait()

    def _lost_race(self) -> ConvergenceError:
        return ConvergenceError(
            "LOST_RACE",
            f"The records of {self.goal.owner} on {self.server.label} were changed by others during each of "
            f"{self.attempts} attempts.",
            "Something keeps rewriting this record set. Find it (two tools with different opinions of it?), or run "
            "the task again with fewer hosts at a time.",
        )


def update_message(apex: dns.name.Name, owner: dns.name.Name, change: Change) -> dns.update.UpdateMessage:
    """One UPDATE that makes the change if, and only if, the set still is `change.before`.

    Prerequisites have TTL 0 (any other is a format error). What is deleted is named as it was read, since some servers
    compare to the letter.
    """
    message = dns.update.UpdateMessage(apex)
    if change.before:
        message.present(owner, *[record.rdata() for record in change.before])
    else:
        message.absent(owner, dns.rdatatype.SRV)
    for record in change.delete:
        message.delete(owner, record.rdata())
    for record in change.add:
        message.add(owner, record.ttl, record.rdata())
    return message
