# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one tree of exceptions of this package.

Two branches: :class:`CimTransportError` when no WS-Management answer came (the host is *unreachable*), and
:class:`CimFault` when the host did answer and refused.  Bad arguments are ``ValueError``, raised before anything is
sent.
"""

from __future__ import annotations

__all__ = [
    "CimAccessDenied",
    "CimAuthenticationError",
    "CimConnectionError",
    "CimError",
    "CimFault",
    "CimInvalidClass",
    "CimMethodError",
    "CimNotFound",
    "CimProtocolError",
    "CimQuotaError",
    "CimTimedOut",
    "CimTimeoutError",
    "CimTlsError",
    "CimTransportError",
]


class CimError(Exception):
    """Base of everything that can go wrong after the arguments were accepted.

    ``outcome_unknown`` is true when a writing request was sent and nobody knows whether it was carried out: read the
    state before doing anything else, never send it again blindly.
    """

    outcome_unknown: bool = False


class CimTransportError(CimError):
    """No usable WS-Management answer.  The text never holds message bodies or credentials.

    Attributes:
        endpoint: URL that was asked.
        sent: true when the request may have reached the host.
        http_status: status code, when an HTTP answer came.
    """

    def __init__(self, message: str, *, endpoint: str = "", sent: bool = False, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint = endpoint
        self.sent = sent
        self.http_status = http_status

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.message}" if self.endpoint else self.message


class CimConnectionError(CimTransportError):
    """The connection could not be made, or was dropped (``dropped``) before the answer was complete."""

    def __init__(
        self,
        message: str,
        *,
        endpoint: str = "",
        sent: bool = False,
        http_status: int | None = None,
        dropped: bool = False,
    ) -> None:
        super().__init__(message, endpoint=endpoint, sent=sent, http_status=http_status)
        self.dropped = dropped


class CimTlsError(CimTransportError):
    """TLS could not be set up, most often because the certificate is not trusted."""


class CimAuthenticationError(CimTransportError):
    """The credentials, or the way to present them, were refused."""


class CimProtocolError(CimTransportError):
    """The host answered with something that is not a usable WS-Management message."""


class CimTimeoutError(CimTransportError):
    """The host did not answer in time."""


class CimFault(CimError):
    """The host answered with a fault.

    Attributes:
        code: the most telling number as unsigned 32 bit: the provider's HRESULT when there is one, else the code of the
            WS-Management service; ``None`` when the fault has no number.
        subcode: SOAP subcode without prefix, such as ``AccessDenied``.
        reason: text for people, in the language of the host; never decide by it.
        provider_code: the provider's own code, ``None`` when only the WS-Management service spoke.
        http_status: status code of the HTTP answer, when known.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: int | None = None,
        subcode: str = "",
        provider_code: int | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.subcode = subcode
        self.provider_code = provider_code
        self.http_status = http_status

    def __str__(self) -> str:
        marks = [f"0x{self.code:08X}"] if self.code is not None else []
        marks += [self.subcode] if self.subcode else []
        return f"{self.reason} ({', '.join(marks)})" if marks else self.reason


class CimAccessDenied(CimFault):
    """The user may log in but may not do this (WinRM, WMI namespace or provider rights)."""


class CimNotFound(CimFault):
    """There is no such instance."""


class CimInvalidClass(CimFault):
    """The namespace, the class or a property in the query does not exist on this host."""


class CimTimedOut(CimFault):
    """The service gave up waiting (``w:TimedOut``); the operation itself may still go on."""


class CimQuotaError(CimFault):
    """A WinRM quota is exhausted; the request was refused before it was carried out."""


class CimMethodError(CimFault):
    """A method ran and returned a value other than success; ``code`` is its return value."""
