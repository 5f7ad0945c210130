# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault of the host -> the error for the user, by numbers and kinds, never by its localised text."""

from __future__ import annotations

from .._cim.errors import CimAccessDenied, CimFault, CimInvalidClass, CimQuotaError, CimTimedOut
from .errors import LicensingError
from .hresult import describe, hex_code, is_known

_ACCESS_REMEDY = (
    "Use an account that is a member of Administrators on the host; for a local account other than the built-in "
    "Administrator, UAC filters remote rights unless LocalAccountTokenFilterPolicy is 1"
)
_KINDS: tuple[tuple[type[CimFault], str, str], ...] = (
    (CimAccessDenied, "The account may log on, but WinRM or WMI denies it access", _ACCESS_REMEDY),
    (
        CimInvalidClass,
        "WMI on the host does not know a class or property that is needed",
        "Check that this is Windows 7, Server 2008 R2 or later, and that its WMI repository is not damaged",
    ),
    (
        CimQuotaError,
        "A quota of WinRM on the host is used up",
        "Wait for the other operations of this account to end, or raise the quota (winrm get winrm/config)",
    ),
    (
        CimTimedOut,
        "WinRM gave up waiting, the operation may still be going on",
        "Look at the host with license_info, and run the task again if it did not happen",
    ),
)


def error_from_fault(fault: CimFault) -> LicensingError:
    """What to tell the user: from the table of HRESULTs, else by the kind of fault, else the host's own words."""
    if fault.code is not None and is_known(fault.code) and not isinstance(fault, CimAccessDenied):
        return LicensingError.from_info(describe(fault.code))
    code = hex_code(fault.code) if fault.code is not None else None
    for kind, message, remedy in _KINDS:
        if isinstance(fault, kind):
            return LicensingError(f"{message} ({fault.reason.strip()})", remedy=remedy, code=code)
    if fault.code is not None:
        return LicensingError.from_info(describe(fault.code, fallback=fault.reason.strip()))
    return LicensingError(f"Windows refused: {fault.reason.strip()}", remedy="Look at the event logs of the host")
