# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules on Windows have in common: options in, session, task, result out, secrets hidden."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE
from ansible.plugins.action import ActionBase

from .._cim.errors import CimAuthenticationError, CimFault, CimTransportError
from .._cim.session import CimSession
from .._licensing.apply import Applier, Outcome
from .._licensing.errors import AmbiguousProduct, ErrorInfo, InvalidOption, LicensingError
from .._licensing.faults import error_from_fault
from .._licensing.hresult import NOT_ENOUGH_COUNT, hex_code
from .._licensing.keys import ProductKey
from .._licensing.reading import Reader, Scope, parse_guid
from .._licensing.report import license_result, threshold_result
from .connection import open_session
from .secrets import Secrets
from .specs import ArgumentSpec

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


class LicensingAction(ActionBase):
    """Base of the action plugins.  A subclass names its argument spec and does its work in `perform`."""

    _supports_check_mode = True
    _supports_async = False

    argument_spec: ArgumentSpec

    def prepare(self, task: Task) -> Any:
        """The wish that the options express; raises InvalidOption for what is wrong before anything is sent."""
        return None

    @abstractmethod
    def perform(self, session: CimSession, task: Task, wish: Any) -> dict[str, Any]:
        """Do the work and return the result."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        secrets = Secrets(self._secret_arguments())
        host = str((task_vars or {}).get("inventory_hostname", "this host"))
        try:
            result.update(self._run(host))
        except AnsibleConnectionFailure as error:
            # Raised again, so that the host counts as unreachable, but without what the text may hold.
            raise type(error)(secrets.hide(str(error))) from None
        except LicensingError as error:
            result.update(failure(str(error), error.info))
            if isinstance(error, AmbiguousProduct):
                result["candidates"] = error.candidates
        except CimFault as fault:
            explained = error_from_fault(fault)
            result.update(failure(str(explained), explained.info))
        except (AnsibleError, ValueError) as error:
            # ValueError: a value that can't be sent at all, such as one with control characters.
            result.update(failure(str(error), ErrorInfo(None, None, str(error), "")))
        if result.get("failed"):
            result["msg"] = f"{host}: {result['msg']}"
        # The names are the module's own: a mistyped secret of a few letters must not take `failed` apart.
        return {name: secrets.hide(value) for name, value in result.items()}

    def _run(self, host: str) -> dict[str, Any]:
        options = self._validated_options()
        activation_id = options.get("activation_id") or None
        if activation_id is not None and parse_guid(activation_id) is None:
            raise InvalidOption("activation_id", f"{activation_id!r} is not a GUID")
        scope = Scope(options["application"], parse_guid(activation_id) if activation_id else None)
        task = Task(options, check=bool(self._task.check_mode), scope=scope)
        wish = self.prepare(task)
        try:
            with open_session(self._connection) as session:
                result = self.perform(session, task, wish)
        except CimAuthenticationError as error:
            raise AnsibleAuthenticationFailure(f"{host}: {error}") from None
        except CimTransportError as error:
            raise AnsibleConnectionFailure(f"{host}: {_transport_text(error)}") from None
        key = task.product_key()
        if key is not None and key.odd_characters:
            text = f"key: no published product key has {key.odd_characters}; is it a typing error?"
            result["warnings"] = [*result.get("warnings", []), text]
        return result

    def _validated_options(self) -> dict[str, Any]:
        spec = self.argument_spec
        validator = ArgumentSpecValidator(spec.options, mutually_exclusive=spec.mutually_exclusive)
        # mutually_exclusive counts whatever is there: `discover: false` beside `server` is no contradiction.
        given = {
            name: value for name, value in self._task.args.items() if not _is_idle(spec.options.get(name, {}), value)
        }
        validated = validator.validate(given)
        if validated.error_messages:
            # The validator leaves it to its caller to say what is wrong with the options that it lists.
            texts = (
                f"unsupported: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
                for error in validated.errors.errors
            )
            raise AnsibleActionFail(f"module {self._task.action}: {'; '.join(texts)}")
        return {name: _plain(value) for name, value in validated.validated_parameters.items()}

    def _secret_arguments(self) -> list[str]:
        names = [name for name, option in self.argument_spec.options.items() if option.get("no_log")]
        return [str(self._task.args[name]) for name in names if self._task.args.get(name)]

    def applier(self, session: CimSession, task: Task, **reading: Any) -> Applier:
        """What carries a plan out for this task."""
        return Applier(Reader(session, task.scope, **reading))

    def outcome_result(self, outcome: Outcome, *, pending_fails: bool = False) -> dict[str, Any]:
        """The result of a task that may have changed something; the same shape for all modules."""
        product = outcome.after.product
        info = outcome.error.info if outcome.error else None
        pending = info is not None and info.code == _PENDING_CODE
        result: dict[str, Any] = {
            "changed": outcome.changed,
            "changes": [change.as_result() for change in outcome.changes],
            "license": license_result(product, outcome.after.service) if product else None,
            "pending": pending,
            "restarted": outcome.restarted,
            "diff": {
                "before": {change.setting: change.before for change in outcome.changes},
                "after": {change.setting: change.after for change in outcome.changes},
            },
        }
        if outcome.warnings:
            result["warnings"] = outcome.warnings
        if pending:
            result["threshold"] = threshold_result(product)
        if info is not None:
            result["error"] = info.as_result()
        if outcome.error is not None and (pending_fails or not pending):
            result.update(failed=True, msg=str(outcome.error))
        else:
            changed = "would change" if self._task.check_mode else "changed"
            result["msg"] = _summary(outcome, changed, pending=pending, threshold=result.get("threshold"))
        return result


def failure(message: str, info: ErrorInfo) -> dict[str, Any]:
    """The result of a task that failed before it changed anything."""
    return {
        "failed": True,
        "changed": False,
        "changes": [],
        "pending": False,
        "msg": message,
        "error": info.as_result(),
    }


def _summary(outcome: Outcome, changed: str, *, pending: bool, threshold: int | None) -> str:
    """One short sentence for the screen and the job event."""
    product = outcome.after.product
    what = f"{product.name}: {product.status}" if product else "no product key installed"
    if outcome.left_alone:
        return f"{what}; left alone, its key is of channel {product.channel if product else None}"
    if pending:
        return (
            f"{what}; the KMS host has not been asked by enough machines yet ({threshold or 'number not told'} needed)"
        )
    if not outcome.changes:
        return f"{what}; nothing to change"
    return f"{what}; {changed} {', '.join(change.setting for change in outcome.changes)}"


def _is_idle(option: dict[str, Any], value: Any) -> bool:
    """Whether giving the option is the same as leaving it out: AWX sends unset answers, and templates send false."""
    if value is None or (value == "" and option.get("no_log")):
        return True
    folded = value.lower() if isinstance(value, str) else value
    return option.get("default") is False and isinstance(folded, (str, int)) and folded in BOOLEANS_FALSE


def _plain(value: Any) -> Any:
    """Without ansible-core's data tags, which the layers below need not know."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _transport_text(error: CimTransportError) -> str:
    if error.outcome_unknown:
        return f"{error}. A change had been sent: whether it happened shows in license_info once the host answers again"
    return str(error)
