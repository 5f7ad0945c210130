# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries envelopes by pywinrm, the library of the ``winrm`` connection plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import CimTransportError
from .http_transport import HttpTransport, guard_session
from .login import PYWINRM, Login

if TYPE_CHECKING:
    from winrm.protocol import Protocol

__all__ = ["PywinrmTransport"]

# Authentication method -> what winrm.transport knows of its library.
_LIBRARY_FOUND = {"kerberos": "HAVE_KERBEROS", "ntlm": "HAVE_NTLM", "credssp": "HAVE_CREDSSP"}


class PywinrmTransport(HttpTransport):
    """Sends through ``Protocol.transport``: one layer below ``Protocol.send_message``, which drops part of the faults.

    ``make_protocol`` returns a new ``winrm.protocol.Protocol``; it is called for the first message and whenever the
    connection has to start over.  No shell is ever opened.
    """

    library = "pywinrm"
    variables = PYWINRM

    def __init__(self, make_protocol: Callable[[], Protocol], endpoint: str, **options: Any) -> None:
        super().__init__(make_protocol, endpoint, **options)

    def _exchange(self, client: Protocol, envelope: bytes, timeout: tuple[float, float]) -> tuple[int, bytes]:
        from winrm import transport as library
        from winrm.exceptions import InvalidCredentialsError, WinRMTransportError

        transport: Any = client.transport
        if not getattr(library, _LIBRARY_FOUND.get(transport.auth_method, ""), True):
            raise CimTransportError(self._login(client).missing_library(), endpoint=self.endpoint)
        # Handed to requests as it is, which takes a pair.
        transport.read_timeout_sec = timeout
        try:
            # With message encryption this logs in, by an empty message of its own.
            if transport.session is None:
                # Its value is not used: pywinrm 0.4 returns none.
                transport.build_session()
                guard_session(transport.session, self._guard)
            return 200, transport.send_message(envelope)
        except InvalidCredentialsError:
            return 401, b""
        except WinRMTransportError as exc:
            return self._refused(exc)

    def _login(self, client: Protocol) -> Login:
        transport: Any = client.transport
        secure = self.endpoint.startswith("https:")
        method = {"plaintext": "basic", "ssl": "basic"}.get(transport.auth_method, transport.auth_method)
        if transport.auth_method == "ssl" and transport.cert_pem:
            method = "certificate"
        mode = transport.message_encryption
        sealed = method in _LIBRARY_FOUND and (mode == "always" or (mode == "auto" and not secure))
        host = transport.kerberos_hostname_override or urlsplit(self.endpoint).hostname
        service = f"{transport.service or 'HTTP'}/{host}"
        return Login(self.variables, method, transport.username or "", secure, sealed, service)

    def _close_client(self, client: Protocol) -> None:
        client.transport.close_session()
