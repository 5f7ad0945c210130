# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the licensing service (sppsvc) again: several settings of a KMS host take effect only then."""

from __future__ import annotations

from collections.abc import Callable

from .._cim.envelope import wql_quote
from .._cim.session import CimSession
from .errors import LicensingError
from .state import WINDOWS_SERVICE_CLASS

_SERVICE = "sppsvc"
_TARGET = (WINDOWS_SERVICE_CLASS, {"Name": _SERVICE})
# Win32_Service return values (learn.microsoft.com, class Win32_Service): the service may stop or start by itself
# between a look and the call.
_NOT_STOPPABLE_NOW = (0, 5, 6)
_ALREADY_RUNNING = (0, 10)
_LOOKS = 60
_SECONDS_BETWEEN_LOOKS = 0.5


def restart_licensing_service(session: CimSession, *, pause: Callable[[float], None]) -> None:
    """Stop sppsvc, wait until it has stopped, start it.

    Raises LicensingError when it does not stop, CimFault when Windows refuses.
    """
    if _state(session) != "stopped":
        session.invoke(_TARGET, "StopService", accept=_NOT_STOPPABLE_NOW)
        for look in range(_LOOKS):
            if _state(session) == "stopped":
                break
            pause(_SECONDS_BETWEEN_LOOKS if look else 0.0)
        else:
            raise LicensingError(
                f"the service {_SERVICE} did not stop within {_LOOKS * _SECONDS_BETWEEN_LOOKS:.0f} seconds",
                remedy=f"Restart {_SERVICE} on the host; the settings are written, they take effect when it starts",
            )
    session.invoke(_TARGET, "StartService", accept=_ALREADY_RUNNING)


def _state(session: CimSession) -> str:
    instances = session.query(WINDOWS_SERVICE_CLASS, ["Name", "State"], f"Name={wql_quote(_SERVICE)}")
    if not instances:
        raise LicensingError(f"the host has no service {_SERVICE}", remedy="Check the Windows installation of the host")
    return str(instances[0].get("State") or "").lower()
