# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules that speak WS-Management have in common: options in, session, result out, secrets hidden."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from .._cim.errors import CimAuthenticationError, CimFault, CimTransportError
from .._cim.session import CimSession
from .connection import open_session
from .options import validated_options
from .secrets import Secrets
from .specs import ArgumentSpec

Work = Callable[[CimSession], dict[str, Any]]
"""What a task does in a session with the host; it returns the result."""


class WsmanAction(ActionBase):
    """Base of the action plugins.

    argument_spec: of the module; errors: exceptions that make the task fail, which `failure` puts into a result;
    shows_outcome: where to look whether a change happened whose answer was lost.
    """

    _supports_check_mode = True
    _supports_async = False

    argument_spec: ArgumentSpec
    # ValueError: a value that can't be sent at all, such as one with control characters.
    errors: tuple[type[Exception], ...] = (CimFault, AnsibleError, ValueError)
    shows_outcome: str

    @abstractmethod
    def begin(self, options: dict[str, Any], *, check: bool) -> Work:
        """Check what the options ask for, before anything is sent, and return how to do it."""

    @abstractmethod
    def failure(self, error: Exception) -> dict[str, Any]:
        """The result of a task that failed by one of `errors` before it changed anything."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        secrets = Secrets(self._secret_arguments())
        host = str((task_vars or {}).get("inventory_hostname", "this host"))
        try:
            result.update(self._run(host))
        except AnsibleConnectionFailure as error:
            # Raised again, so that the host counts as unreachable, but without what the text may hold.  Some kinds put
            # words of their own in front of it, so that they are only made anew when they have to be.
            hidden = secrets.hide(str(error))
            if hidden == str(error) and error.__cause__ is None:
                raise error from None
            raise type(error)(hidden) from None
        except self.errors as error:
            result.update(self.failure(error))
        if result.get("failed"):
            result["msg"] = f"{host}: {result['msg']}"
        # The names are the module's own: a mistyped secret of a few letters must not take `failed` apart.
        return {name: secrets.hide(value) for name, value in result.items()}

    def _run(self, host: str) -> dict[str, Any]:
        work = self.begin(validated_options(self._task, self.argument_spec), check=bool(self._task.check_mode))
        try:
            with open_session(self._connection) as session:
                return work(session)
        except CimAuthenticationError as error:
            raise AnsibleAuthenticationFailure(f"{host}: {error}") from None
        except CimTransportError as error:
            raise AnsibleConnectionFailure(f"{host}: {self._transport_text(error)}") from None

    def _secret_arguments(self) -> list[str]:
        names = [name for name, option in self.argument_spec.options.items() if option.get("no_log")]
        return [str(self._task.args[name]) for name in names if self._task.args.get(name)]

    def _transport_text(self, error: CimTransportError) -> str:
        if error.outcome_unknown:
            return (
                f"{error}. A change had been sent: whether it happened shows in {self.shows_outcome} once the host "
                "answers again"
            )
        return str(error)
