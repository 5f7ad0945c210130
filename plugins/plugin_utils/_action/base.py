# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules have in common that are about licences: task, product, outcome."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .._cim.errors import CimFault
from .._cim.session import CimSession
from .._licensing import tables
from .._licensing.apply import Applier, Outcome
from .._licensing.errors import AmbiguousProduct, ErrorInfo, InvalidOption, LicensingError
from .._licensing.faults import error_from_fault
from .._licensing.hresult import NOT_ENOUGH_COUNT, hex_code
from .._licensing.keys import ProductKey, gvlk_table, published_gvlks
from .._licensing.reading import Reader, Scope, State, parse_guid
from .._licensing.report import license_result, threshold_result
from .._licensing.state import Product
from .exclusive import alone_with
from .wsman import Work, WsmanAction

# Ansible imports this before it forks a worker for each host: what is worked out here, all of them have.
gvlk_table()
published_gvlks()

_PENDING_CODE = hex_code(NOT_ENOUGH_COUNT)


@dataclass(frozen=True)
class Task:
    """One call of a module: its options, whether it may write, and the scope that the options name."""

    options: dict[str, Any]
    check: bool
    scope: Scope

    def given(self, names: Iterable[str]) -> dict[str, Any]:
        """Some of the options by name, None for one that was not given."""
        return {name: self.options.get(name) for name in names}

    def product_key(self) -> ProductKey | None:
        """The option `key`, its shape checked; an empty one counts as not given."""
        text = self.options.get("key")
        return ProductKey.parse(text) if text else None


class LicensingAction(WsmanAction):
    """Base of the action plugins.  A subclass names its argument spec and does its work in `perform`."""

    errors = (*WsmanAction.errors, LicensingError)
    shows_outcome = "license_info"

    def prepare(self, task: Task) -> Any:
        """The wish that the options express; raises InvalidOption for what is wrong before anything is sent."""
        return None

    @abstractmethod
    def perform(self, session: CimSession, task: Task, wish: Any) -> dict[str, Any]:
        """Do the work and return the result."""

    def begin(self, options: dict[str, Any], *, check: bool) -> Work:
        activation_id = options.get("activation_id") or None
        if activation_id is not None and parse_guid(activation_id) is None:
            raise InvalidOption("activation_id", f"{activation_id!r} is not a GUID")
        scope = Scope(options["application"], parse_guid(activation_id) if activation_id else None)
        task = Task(options, check=check, scope=scope)
        wish = self.prepare(task)

        def work(session: CimSession) -> dict[str, Any]:
            result = self.perform(session, task, wish)
            key = task.product_key()
            if key is not None and key.odd_characters:
                text = f"key: no published product key has {key.odd_characters}; is it a typing error?"
                result["warnings"] = [*result.get("warnings", []), text]
            return result

        return work

    def _run(self, host: str) -> dict[str, Any]:
        with tables.extended_by(self.find_file(self._task.args.get(tables.OPTION))):
            try:
                return super()._run(host)
            except CimFault as fault:
                raise error_from_fault(fault) from fault

    def failure(self, error: Exception) -> dict[str, Any]:
        info = error.info if isinstance(error, LicensingError) else ErrorInfo(None, None, str(error), "")
        result: dict[str, Any] = {
            "failed": True,
            "changed": False,
            "changes": [],
            "pending": False,
            "msg": str(error),
            "error": info.as_result(),
        }
        if isinstance(error, AmbiguousProduct):
            result["candidates"] = error.candidates
        return result

    def find_file(self, given: str | None) -> str | None:
        """The path of a file or directory of the user: in `files` of the role, or beside the playbook."""
        find: Callable[[str, str], str] = self._find_needle
        return find("files", given) if given else None

    def applier(self, session: CimSession, task: Task, **reading: Any) -> Applier:
        """What carries a plan out for this task."""
        return Applier(Reader(session, task.scope, **reading), alone=alone_with)

    def outcome_result(self, outcome: Outcome, *, pending_fails: bool = False) -> dict[str, Any]:
        """The result of a task that may have changed something; the same shape for all modules."""
        product = _the_product(outcome.after)
        info = outcome.error.info if outcome.error else None
        pending = info is not None and info.code == _PENDING_CODE
        result: dict[str, Any] = {
            "changed": outcome.changed,
            "changes": [change.as_result() for change in outcome.changes],
            "license": license_result(product, outcome.after.service) if product else None,
            "pending": pending,
            "restarted": outcome.restarted,
            "diff": {
                "before": {change.label: change.before for change in outcome.changes},
                "after": {change.label: change.after for change in outcome.changes},
            },
        }
        if outcome.after.scope.application == "office":
            after = outcome.after
            result["licenses"] = [license_result(item, after.service) for item in after.products]
        if outcome.changes:
            was = _the_product(outcome.before)
            result["before"] = license_result(was, outcome.before.service) if was else None
        if outcome.warnings:
            result["warnings"] = outcome.warnings
        if pending:
            result["threshold"] = threshold_result(product or next(iter(outcome.after.products), None))
        if info is not None:
            result["error"] = info.as_result()
        if outcome.error is not None and (pending_fails or not pending):
            result.update(failed=True, msg=str(outcome.error))
        else:
            changed = "would change" if self._task.check_mode else "changed"
            result["msg"] = _summary(outcome, changed, pending=pending, threshold=result.get("threshold"))
        return result


def _the_product(state: State) -> Product | None:
    """The product that a task was about; None when it was about several, as a task about Office may be."""
    try:
        return state.product
    except AmbiguousProduct:
        return None


def _summary(outcome: Outcome, changed: str, *, pending: bool, threshold: int | None) -> str:
    """One short sentence for the screen and the job event."""
    product = _the_product(outcome.after)
    what = f"{product.name}: {product.status}" if product else "no product key installed"
    if product is None and outcome.after.products:
        what = "; ".join(f"{item.name}: {item.status}" for item in outcome.after.products)
    if outcome.left_alone and product is None:
        return f"{what}; left alone"
    if outcome.left_alone:
        return f"{what}; left alone, its key is of channel {product.channel if product else None}"
    if pending:
        return (
            f"{what}; the KMS host has not been asked by enough machines yet ({threshold or 'number not told'} needed)"
        )
    if not outcome.changes:
        return f"{what}; nothing to change"
    return f"{what}; {changed} {', '.join(change.label for change in outcome.changes)}"
