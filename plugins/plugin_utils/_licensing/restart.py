# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the licensing service (sppsvc) again: several settings of a KMS host take effect only then."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .._cim.envelope import wql_quote
from .._cim.errors import CimFault, CimTimedOut, CimTransportError
from .._cim.session import CimSession
from .errors import LicensingError
from .faults import error_from_fault
from .state import WINDOWS_SERVICE_CLASS

_SERVICE = "sppsvc"
_TARGET = (WINDOWS_SERVICE_CLASS, {"Name": _SERVICE})
# Win32_Service return values (learn.microsoft.com, class Win32_Service): the service may stop or start by itself
# between a look and the call.
_NOT_STOPPABLE_NOW = (0, 5, 6)
_ALREADY_RUNNING = (0, 10)
_LOOKS = 60
_SECONDS_BETWEEN_LOOKS = 0.5
_REMEDY = f"Restart {_SERVICE} on the host; the settings are written, they take effect when it starts"


def restart_licensing_service(session: CimSession, *, pause: Callable[[float], None]) -> None:
    """Stop sppsvc, wait until it has stopped, start it.

    No later look at the host shows that this was not done, so every error says that it is still to be done.
    Raises LicensingError when Windows refuses or the service does not stop, CimTransportError.
    """
    try:
        if _state(session) != "stopped":
            _call(session, "StopService", accept=_NOT_STOPPABLE_NOW)
            _wait_until_stopped(session, pause)
        _call(session, "StartService", accept=_ALREADY_RUNNING)
    except CimFault as fault:
        info = error_from_fault(fault).info
        message = f"the service {_SERVICE} could not be restarted: {info.message}"
        raise LicensingError(message, remedy=_REMEDY, code=info.code, name=info.name) from fault
    except CimTransportError as error:
        error.message = f"{error.message} {_REMEDY}."
        raise


def _wait_until_stopped(session: CimSession, pause: Callable[[float], None]) -> None:
    for look in range(_LOOKS):
        if _state(session) == "stopped":
            return
        pause(_SECONDS_BETWEEN_LOOKS if look else 0.0)
    raise LicensingError(
        f"the service {_SERVICE} did not stop within {_LOOKS * _SECONDS_BETWEEN_LOOKS:.0f} seconds", remedy=_REMEDY
    )


def _call(session: CimSession, method: str, *, accept: Collection[int]) -> None:
    """Stop or start: a second call does no harm, so a lost answer and a used-up quota are treated as with reads."""
    try:
        session.invoke(_TARGET, method, accept=accept, writes=False)
    except CimTimedOut:
        session.invoke(_TARGET, method, accept=accept, writes=False)


def _state(session: CimSession) -> str:
    instances = session.query(WINDOWS_SERVICE_CLASS, ["Name", "State"], f"Name={wql_quote(_SERVICE)}")
    if not instances:
        raise LicensingError(f"the host has no service {_SERVICE}", remedy="Check the Windows installation of the host")
    return str(instances[0].get("State") or "").lower()
