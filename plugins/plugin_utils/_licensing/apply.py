# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry a plan out: every operation once, the service started again once at the end, the state read back.

An operation that spends an activation is never sent again blindly: when no answer comes, the state is read until it
shows the change or patience ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from .._cim.errors import CimError, CimFault, CimTransportError
from .._cim.session import CimSession
from .errors import LicensingError, UnknownOutcome
from .faults import error_from_fault
from .keys import ProductKey
from .plan import Change, Goal, Operation, actual_changes, predicted_changes, unmet
from .reading import Reader, State
from .restart import restart_licensing_service

#: Seconds to wait before each look at the state after a call whose answer got lost.
_PATIENCE = (0.0, 0.5, 1.0, 2.0, 4.0)


@dataclass
class Outcome:
    """What a task did: the state before and after, what changed, and how it ended."""

    before: State
    after: State
    changes: tuple[Change, ...] = ()
    restarted: bool = False
    left_alone: bool = False
    error: LicensingError | None = None
    warnings: list[str] = field(default_factory=list)
    failures: list[tuple[Goal, LicensingError]] = field(default_factory=list)
    """Goals whose failure did not end the task."""

    @property
    def changed(self) -> bool:
        return bool(self.changes)


def _not_kept_apart(state: State) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass
class Applier:
    """Carries out plans on one host.

    pause: waits that many seconds; alone: keeps other runs off the machine of this state, as long as its context lasts.
    """

    reader: Reader
    pause: Callable[[float], None] = time.sleep
    alone: Callable[[State], AbstractContextManager[None]] = _not_kept_apart

    @property
    def session(self) -> CimSession:
        return self.reader.session

    def installing(self, key: ProductKey | None) -> Applier:
        """The same for a task that installs this key, which may be that of an add-on or of one more product."""
        if key is None:
            return self
        scope = replace(self.reader.scope, installing=key.partial)
        return replace(self, reader=replace(self.reader, scope=scope))

    def run(self, goals: Sequence[Goal], state: State, *, check: bool) -> Outcome:
        """Bring the goals about.  A fault ends it early; what changed until then is in the outcome, with the error.

        What uses up an activation is done by one run at a time, and only if no other has done it since `state` was
        read.
        Raises CimTransportError when the host can't be reached any more.
        """
        if check or not any(goal.spends for goal in unmet(goals, state)):
            return self._run(goals, state, check=check)
        with self.alone(state):
            return self._run(goals, self.reader.read(), check=False)

    def _run(self, goals: Sequence[Goal], state: State, *, check: bool) -> Outcome:
        plan = unmet(goals, state)
        try:
            for goal in goals:
                if goal not in plan:
                    goal.verify(state)
        except LicensingError as caught:
            return Outcome(before=state, after=state, error=caught)
        if not plan:
            return Outcome(before=state, after=state)
        if check:
            return Outcome(before=state, after=state, changes=predicted_changes(plan, state))
        done: list[Goal] = []
        try:
            return self._carry_out(plan, state, done)
        except CimTransportError as lost:
            # Perhaps only a read failed, but changes had been made before it.
            lost.outcome_unknown = lost.outcome_unknown or bool(done)
            raise

    def _carry_out(self, plan: Sequence[Goal], state: State, done: list[Goal]) -> Outcome:
        """Reach the goals of a plan in turn; `done` gets those that were reached."""
        restarted = False
        error: LicensingError | None = None
        warnings: list[str] = []
        failures: list[tuple[Goal, LicensingError]] = []
        now = state
        try:
            for goal in plan:
                if goal.met(now):
                    continue
                try:
                    now = self._reach(goal, now, done)
                    goal.verify(now)
                except (LicensingError, CimFault) as caught:
                    if not goal.independent:
                        raise
                    failures.append((goal, _explained(caught)))
        except (LicensingError, CimFault) as caught:
            error = _explained(caught)
        if any(goal.restart for goal in done):
            # After an error too: the next run finds these settings as wanted and would not restart for them.
            try:
                restart_licensing_service(self.session, pause=self.pause)
                restarted = True
            except (LicensingError, CimTransportError) as caught:
                if error is None and isinstance(caught, CimTransportError):
                    raise
                warnings += [str(caught)] if error else []
                error = error or _explained(caught)
        try:
            after = self.reader.read()
            changes = actual_changes(plan, done, state, after)
        except (LicensingError, CimFault, CimTransportError) as caught:
            # A host that is gone is unreachable, but not when it has refused something before: that has to be told.
            if error is None and isinstance(caught, CimTransportError):
                raise
            # What was sent without an error counts as done, rather than not being told at all.
            warnings += [f"the state could not be read afterwards, license is older: {_explained(caught)}"]
            error = error or _explained(caught)
            after, changes = now, predicted_changes(done, state)
        outcome = Outcome(
            before=state,
            after=after,
            changes=changes,
            restarted=restarted,
            error=error,
            warnings=warnings,
            failures=failures,
        )
        if error is None:
            outcome.warnings += [
                f"{goal.setting} was set to {goal.wanted}, but Windows still shows {goal.read(after)}; {goal.mismatch}"
                for goal in done
                if goal.observable and goal.mismatch is not None and not goal.met(after)
            ]
        return outcome

    def _reach(self, goal: Goal, state: State, done: list[Goal]) -> State:
        for operation in goal.operations:
            self._perform(operation, goal, state)
            if operation.settles:
                # Even when Windows then refuses to look at it again.
                done.append(goal)
        return self.reader.reread_products(state) if goal.changes_products else state

    def _perform(self, operation: Operation, goal: Goal, state: State) -> None:
        try:
            operation.run(self.session, state)
        except CimError as error:
            if not error.outcome_unknown:
                raise
            if operation.settles and self._holds_after_all(goal):
                return
            if operation.settles and goal.spends:
                raise UnknownOutcome(
                    f"{operation.name} was sent, but its answer got lost ({error}), and the state does not show it",
                    remedy="Look at the host with license_info in some minutes, and run the task again if it did not "
                    "happen; it was not sent a second time, because it may use up an activation",
                ) from error
            operation.run(self.session, state)

    def _holds_after_all(self, goal: Goal) -> bool:
        """Look whether the goal holds, with patience; CimTransportError or UnknownOutcome when that is hidden."""
        last: CimTransportError | CimFault | None = None
        for seconds in _PATIENCE:
            self.pause(seconds)
            try:
                if goal.met(self.reader.read()):
                    return True
                last = None
            except (CimTransportError, CimFault) as error:
                last = error
        if isinstance(last, CimFault):
            raise UnknownOutcome(
                f"a change of {goal.setting} was sent, its answer got lost, and the state can't be read: "
                f"{error_from_fault(last)}",
                remedy="Look at the host with license_info, and run the task again if it did not happen",
            ) from last
        if last is not None:
            # Only a read failed, but what was sent before it may still have happened.
            last.outcome_unknown = True
            raise last
        return False


def _explained(error: LicensingError | CimFault | CimTransportError) -> LicensingError:
    if isinstance(error, CimTransportError):
        return LicensingError(str(error))
    return error_from_fault(error) if isinstance(error, CimFault) else error
