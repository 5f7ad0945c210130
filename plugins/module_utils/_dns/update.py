# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring KMS hosts' records into the SRV set of a domain, or out of it, without touching any other host's.

The set is shared: every KMS host has its record in it, and hosts publish themselves, so it changes at any time. A round
is therefore: read the set from the very server that will be updated; compute the difference; send it as one UPDATE that
holds only if the set still is what was read; read again. A round that lost the race, or whose answer was lost, is
followed by another after a random pause. Nothing is ever replaced as a whole.

Whether a change would be allowed can be asked without making it: an UPDATE whose prerequisite can never hold is refused
at once by servers that look at rights first.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import ConvergenceError, DnsError, NoAnswerError, TransportError, ZoneError, sentence
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


# Says of an update that it may not be made: REFUSED, NOTAUTH.
_FORBIDDEN = (5, 9)


@dataclass(frozen=True)
class Host:
    """The one record that a KMS host has.

    target: host name without final dot; it alone says whose record this is. port None: DEFAULT_PORT, or any port when
    the record shall go.
    """

    target: str
    port: int | None = None
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True)
class Goal:
    """What is wanted of one record set.

    domain: the DNS domain that clients look in. zone: the one that the set must lie in; None: whichever holds it.
    hosts: whose records shall have exactly these values, or shall be absent; no two have the same target.
    exclusive: every other host's record shall go. ttl None: as the host's record has it, else as the set has it, else
    DEFAULT_TTL. refresh: records that stay as they are are sent once more, for servers that let them age.
    """

    domain: str
    hosts: tuple[Host, ...]
    present: bool = True
    exclusive: bool = False
    ttl: int | None = None
    refresh: bool = False
    zone: str | None = None

    @property
    def owner(self) -> str:
        """Name of the record set, without final dot."""
        return owner_name(self.domain)


@dataclass(frozen=True)
class Change:
    """From one state of the set to the next. No deletes and no adds: nothing to do. keep: what is wanted and there."""

    before: RecordSet
    delete: RecordSet = ()
    add: RecordSet = ()
    keep: RecordSet = ()

    def __bool__(self) -> bool:
        return bool(self.delete or self.add)

    @property
    def after(self) -> RecordSet:
        """The set once the change is made."""
        return record_set([record for record in self.before if record not in self.delete] + list(self.add))


@dataclass(frozen=True)
class Outcome:
    """changed: an update of ours changed the set (or would). records: the whole set as it is (or would be) now.
    before, after: the set around that change, as zone file lines. attempts: how many updates were sent. zone: the one
    that holds the set. refreshed: records were sent once more. may_update: whether the server lets the credential make
    the change, None when it was not asked or does not tell; refusal: what it said if not."""

    changed: bool
    records: RecordSet
    before: str
    after: str
    attempts: int
    zone: str = ""
    refreshed: bool = False
    may_update: bool | None = None
    refusal: DnsError | None = None


def plan(current: RecordSet, goal: Goal) -> Change:
    """The difference between the set as it is and the goal.

    A KMS host listens on one port, so a host has one record: others with the same target, in whatever case, give way.
    The records of other hosts are only touched to give them the TTL of the set, where one is asked for (all records
    of a set have one TTL, RFC 2181 section 5.2); their data stays to the letter. With an exclusive goal they go.
    """
    hosts = {from_text(host.target).canonicalize(): host for host in goal.hosts}
    own = [record for record in current if record.host in hosts]
    others = [record for record in current if record.host not in hosts]
    if not goal.present:
        return Change(current, delete=tuple(r for r in own if hosts[r.host].port in (None, r.port)))
    keep: list[SrvRecord] = []
    add: list[SrvRecord] = []
    for name, host in hosts.items():
        had = [record for record in own if record.host == name]
        wanted = _record(host, _ttl(goal, had or current))
        same = [record for record in had if record.data == wanted.data and record.ttl == wanted.ttl][:1]
        keep += same
        add += [] if same else [wanted]
    delete = [record for record in own if record not in keep]
    if goal.exclusive:
        delete += others
    elif goal.ttl is not None:
        neighbours = [record for record in others if record.ttl != goal.ttl]
        delete += neighbours
        add += [SrvRecord(r.target, r.port, r.priority, r.weight, goal.ttl) for r in neighbours]
    return Change(current, delete=record_set(delete), add=record_set(add), keep=record_set(keep))


def _record(host: Host, ttl: int) -> SrvRecord:
    port = DEFAULT_PORT if host.port is None else host.port
    return SrvRecord(from_text(host.target), port, host.priority, host.weight, ttl)


def _ttl(goal: Goal, models: Sequence[SrvRecord]) -> int:
    if goal.ttl is not None:
        return goal.ttl
    return min((record.ttl for record in models), default=DEFAULT_TTL)


def ensure(
    server: Server,
    goal: Goal,
    *,
    check: bool = False,
    probe: bool = False,
    pause: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Outcome:
    """Reach the goal on the server. check: only read, and predict. Raises DnsError.

    probe: in check mode, ask whether the credential may make the change, by updates that can change nothing.
    pause, jitter: how to wait and how to draw from 0..1, given by tests.
    """
    apex = apex_at(server, goal.domain, goal.zone)
    return _Rounds(server, goal, apex.zone, pause, jitter).run(check=check, probe=probe)


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
        self.refreshed = False
        # The last change that the server said it made, and the last that it may have made.
        self.accepted: Change | None = None
        self.doubtful: Change | None = None

    def run(self, *, check: bool, probe: bool) -> Outcome:
        while True:
            current = self._read_patiently()
            change = plan(current, self.goal)
            if check:
                allowed, refusal = self._probe(change) if change and probe else (None, None)
                return self._outcome(change, change.after, allowed, refusal)
            stale = self._stale(change)
            if not change and not stale:
                return self._outcome(self.accepted or self.doubtful or change, current)
            if change and self.accepted is not None and same_set(self.accepted.before, current):
                self._unheeded()
            if self.attempts >= MOST_UPDATES:
                raise self._lost_race()
            if change:
                self._update(change)
            else:
                self._refresh(Change(current, add=stale))

    def _stale(self, change: Change) -> RecordSet:
        """The records to be sent once more: those that are wanted and that no update of this run has made."""
        if not self.goal.refresh or self.refreshed:
            return ()
        fresh = [record.data for record in self.accepted.add] if self.accepted is not None else []
        return tuple(record for record in change.keep if record.data not in fresh)

    def _outcome(
        self,
        change: Change,
        records: RecordSet,
        may_update: bool | None = None,
        refusal: DnsError | None = None,
    ) -> Outcome:
        owner = self.goal.owner
        return Outcome(
            changed=bool(change),
            records=records,
            before=text(change.before, owner),
            after=text(change.after, owner),
            attempts=self.attempts,
            zone=plain(self.apex),
            refreshed=self.refreshed,
            may_update=may_update,
            refusal=refusal,
        )

    def _wait(self) -> None:
        self.pause(self.jitter() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.attempts, 10)))

    def _names(self, doing: str) -> dict[str, str]:
        zone, owner = plain(self.apex), self.goal.owner
        return {"doing": f"{doing} {owner} in zone {zone}", "zone": zone, "owner": owner}

    def _read_patiently(self) -> RecordSet:
        """Read; once an update was sent, a lost answer is not the end."""
        while True:
            try:
                return self._read()
            except TransportError:
                self.lost_answers += 1
                if self.attempts == 0 or self.lost_answers > MOST_LOST_ANSWERS:
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
        answer = self._send(change)
        if answer is None:
            self.doubtful = change
        elif self._accepts(answer):
            self.accepted = change

    def _refresh(self, change: Change) -> None:
        """An add of what is there already. It changes no data, so it counts for nothing but having been accepted."""
        answer = self._send(change)
        if answer is not None and self._accepts(answer):
            self.refreshed = True

    def _send(self, change: Change) -> Answer | None:
        """The answer to an update; None when it was lost, so that only reading tells whether it was carried out."""
        self.attempts += 1
        try:
            return self.server.exchange(update_message(self.apex, self.owner, change))
        except NoAnswerError:
            self.lost_answers += 1
            if self.lost_answers > MOST_LOST_ANSWERS:
                raise
            self._wait()
            return None

    def _accepts(self, answer: Answer) -> bool:
        """Whether the server says that it made the change; if not, it has lost the race. Every other answer is raised.

        An error needs no proof (whoever could forge it could as well drop the answer). Success does: whatever the
        signature says of it, the set is read again.
        """
        if answer.tsig_error == 0 and answer.rcode == dns.rcode.NOERROR:
            return True
        if answer.tsig_error == 0 and answer.rcode in _LOST_RACE:
            self._wait()
            return False
        raise server_error(answer, update=True, server=self.server, **self._names("updating"))

    def _probe(self, change: Change) -> tuple[bool | None, DnsError | None]:
        """Whether the credential may make the change, and what the server says if not.

        A refusal is certain. That only the prerequisite did not hold means yes on servers that look first at rights on
        the single record: BIND with update-policy, Knot. Active Directory looks at prerequisites first (as RFC 2136
        section 3 has it), and so does a policy of PowerDNS. Which kind of server it is shows by whether it refuses
        what surely is not granted, another type of record.
        """
        if not self.server.credential.signs:
            return None, None
        try:
            answer = self.server.exchange(probe_message(self.apex, self.owner, change))
            if _forbids(answer):
                names = self._names("asking, without changing anything, whether it is allowed to update")
                return False, server_error(answer, update=True, server=self.server, **names)
            control = self.server.exchange(control_message(self.apex, self.owner))
        except NoAnswerError:
            return None, None
        return (True if answer.rcode in _LOST_RACE and _forbids(control) else None), None

    def _unheeded(self) -> None:
        self.accepted = None
        self.unheeded += 1
        if self.unheeded >= MOST_UNHEEDED:
            raise ConvergenceError(
                "NOT_APPLIED",
                f"{sentence(self.server.label)} accepted the update of {self.goal.owner}, but the records there "
                "have not changed.",
                "A rule on the server may drop the change without saying so, as an update policy of PowerDNS does: "
                "grant what is needed there. Or the answer came from another server: name the zone's primary server in "
                "the option server. Look at its log.",
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


def _forbids(answer: Answer) -> bool:
    """Whether the server says that the credential may not do this."""
    return bool(answer.tsig_error) or answer.rcode in _FORBIDDEN


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
    _add_change(message, owner, change)
    return message


def probe_message(apex: dns.name.Name, owner: dns.name.Name, change: Change) -> dns.update.UpdateMessage:
    """The same change, under the prerequisite of a record that nobody can have made."""
    message = _never(apex, owner)
    if not change.add:
        # Deleting what is not there needs no right on some servers, adding always does.
        change = Change(change.before, add=change.delete)
    _add_change(message, owner, change)
    return message


def control_message(apex: dns.name.Name, owner: dns.name.Name) -> dns.update.UpdateMessage:
    """A change that no key for KMS records is granted, under the same prerequisite."""
    message = _never(apex, owner)
    message.add(owner, 0, "TXT", "winops.kms")
    return message


def _never(apex: dns.name.Name, owner: dns.name.Name) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(apex)
    nobody = SrvRecord(from_text(f"{uuid.uuid4()}.invalid"), 1, 0, 0, 0)
    message.present(owner, nobody.rdata())
    return message


def _add_change(message: dns.update.UpdateMessage, owner: dns.name.Name, change: Change) -> None:
    for record in change.delete:
        message.delete(owner, record.rdata())
    for record in change.add:
        message.add(owner, record.ttl, record.rdata())
