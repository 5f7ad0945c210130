# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault of WMI -> the error for the user, by numbers and kinds, never by its localised text."""

from __future__ import annotations

from typing import NamedTuple

from ...module_utils._dns.errors import DnsError
from .._cim.errors import CimAccessDenied, CimFault, CimInvalidClass, CimQuotaError, CimTimedOut


class FaultError(DnsError):
    """The host answered and refused. `code` is the HRESULT when there is one."""

    def __init__(self, name: str, message: str, remedy: str, *, hresult: int | None) -> None:
        super().__init__(name, message, remedy)
        self.code = name if hresult is None else f"0x{hresult:08X}"


class _Explanation(NamedTuple):
    name: str
    text: str
    remedy: str


_LOG = "Look at the event log 'DNS Server' of the host."

_KINDS: tuple[tuple[type[CimFault], _Explanation], ...] = (
    (
        CimAccessDenied,
        _Explanation(
            "ACCESS_DENIED",
            "the account may log on, but WinRM, WMI or the DNS server denies it access",
            "Use an administrator of the DNS server, or a member of DnsAdmins who may use WinRM and the WMI namespace "
            "root/MicrosoftDNS remotely. For a local account other than the built-in Administrator, UAC filters remote "
            "rights unless LocalAccountTokenFilterPolicy is 1.",
        ),
    ),
    (
        CimInvalidClass,
        _Explanation(
            "NO_DNS_SERVER",
            "WMI on this host has no DNS server (the namespace root/MicrosoftDNS or a class in it is missing)",
            "Run the task on a Windows DNS server, by hosts or delegate_to. If it is one, check that its service DNS "
            "is installed and that its WMI repository is not damaged.",
        ),
    ),
    (
        CimQuotaError,
        _Explanation(
            "QUOTA",
            "a quota of WinRM on the host is used up",
            "Wait for the other operations of this account to end, or raise the quota (winrm get winrm/config).",
        ),
    ),
    (
        CimTimedOut,
        _Explanation(
            "TIMED_OUT",
            "WinRM gave up waiting, and the operation may still be going on",
            "Run the task again: it looks first at what is there.",
        ),
    ),
)

# Windows system errors (winerror.h) as HRESULTs.
_CODES: dict[int, _Explanation] = {
    0x800706BA: _Explanation(
        "RPC_S_SERVER_UNAVAILABLE", "the DNS Server service does not answer", "Start the service DNS on the host."
    ),
    0x80072581: _Explanation(
        "DNS_ERROR_ZONE_DOES_NOT_EXIST", "the zone does not exist there (any more)", "Check the option zone."
    ),
    0x80072583: _Explanation(
        "DNS_ERROR_INVALID_ZONE_OPERATION",
        "the zone does not allow the change",
        "Run the task on the zone's primary server.",
    ),
    0x80072587: _Explanation("DNS_ERROR_ZONE_LOCKED", "the zone is locked", "Run the task again in some minutes."),
    0x8007258B: _Explanation(
        "DNS_ERROR_INVALID_ZONE_TYPE", "the zone is of a type that cannot be changed", "Run the task on its primary."
    ),
    0x80072595: _Explanation("DNS_ERROR_ZONE_IS_SHUTDOWN", "the zone is not loaded", _LOG),
    0x800725EC: _Explanation(
        "DNS_ERROR_NODE_IS_CNAME",
        "the name is an alias (CNAME), so that no SRV record can be there",
        "Delete the alias, or publish the record in the domain that it leads to.",
    ),
    0x800725ED: _Explanation(
        "DNS_ERROR_CNAME_COLLISION",
        "the name is an alias (CNAME), so that no SRV record can be there",
        "Delete the alias, or publish the record in the domain that it leads to.",
    ),
    0x800725F0: _Explanation(
        "DNS_ERROR_SECONDARY_DATA", "the zone there is a secondary one", "Run the task on the zone's primary server."
    ),
    0x800725F5: _Explanation("DNS_ERROR_DS_UNAVAILABLE", "the DNS server cannot reach Active Directory", _LOG),
}

_OTHER = _Explanation("WMI_FAULT", "the DNS server refused", _LOG)


def error_from_fault(fault: CimFault, doing: str) -> FaultError:
    """What to tell the user. doing: such as "reading the records of ..."."""
    by_kind = next((explanation for kind, explanation in _KINDS if isinstance(fault, kind)), None)
    by_code = _CODES.get(fault.code) if fault.code is not None else None
    name, text, remedy = by_kind or by_code or _OTHER
    reason = fault.reason.strip()
    message = f"While {doing}: {text}" + (f" ({reason})." if reason else ".")
    return FaultError(name, message, remedy, hresult=fault.code)
