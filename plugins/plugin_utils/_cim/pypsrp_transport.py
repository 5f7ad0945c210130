# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries envelopes by pypsrp, the library of the ``psrp`` connection plugin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .http_transport import HttpTransport, guard_session
from .login import PYPSRP, Login

if TYPE_CHECKING:
    from pypsrp.wsman import WSMan

__all__ = ["PypsrpTransport"]


class PypsrpTransport(HttpTransport):
    """Sends through ``WSMan.transport``, below ``WSMan.invoke``, which makes envelopes of its own.

    ``make_wsman`` returns a new ``pypsrp.wsman.WSMan``; it is called for the first message and whenever the connection
    has to start over.  No runspace is ever opened.  ``reconnection_retries`` of the connection plugin only repeat what
    was never sent: the library's retries leave POST alone once a connection stands.
    """

    library = "pypsrp"
    variables = PYPSRP

    def __init__(self, make_wsman: Callable[[], WSMan], endpoint: str, **options: Any) -> None:
        super().__init__(make_wsman, endpoint, **options)

    def _exchange(self, client: WSMan, envelope: bytes, timeout: tuple[float, float]) -> tuple[int, bytes]:
        from pypsrp.exceptions import AuthenticationError, WinRMTransportError

        transport: Any = client.transport
        if transport.session is None:
            # What send() would do first; done here so that the guard is on the session before the first answer.
            transport.session = transport._build_session()
        guard_session(transport.session, self._guard)
        log = logging.getLogger("pypsrp.wsman")
        log.addFilter(_no_bodies)
        try:
            return 200, transport.send(envelope, timeout=timeout)
        except AuthenticationError:
            return 401, b""
        except WinRMTransportError as exc:
            body = self._guard.body
            return exc.code, body if body is not None else exc.response_text.encode()
        finally:
            log.removeFilter(_no_bodies)

    def _login(self, client: WSMan) -> Login:
        transport: Any = client.transport
        host = transport.negotiate_hostname_override or transport.server
        service = f"{transport.negotiate_service or 'host'}/{host}"
        return Login(
            self.variables, transport.auth, transport.username or "", transport.ssl, transport.wrap_required, service
        )

    def _close_client(self, client: WSMan) -> None:
        client.close()


def _no_bodies(record: logging.LogRecord) -> bool:
    """Keep the library from logging whole messages: they hold product keys."""
    return record.levelno > logging.DEBUG
