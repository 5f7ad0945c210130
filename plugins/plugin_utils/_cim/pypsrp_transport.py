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
        super().__init__(lambda: self._guarded(make_wsman()), endpoint, **options)

    def _guarded(self, client: WSMan) -> WSMan:
        """Have the guard on every session from its first answer: ``send`` makes one, and may log in with it at once."""
        transport: Any = client.transport
        build = transport._build_session

        def build_guarded() -> Any:
            session = build()
            guard_session(session, self._guard)
            return session

        transport._build_session = build_guarded
        return client

    def _exchange(self, client: WSMan, envelope: bytes, timeout: tuple[float, float]) -> tuple[int, bytes]:
        from pypsrp.exceptions import AuthenticationError, WinRMTransportError

        transport: Any = client.transport
        # Not by an argument of send(), which pypsrp 0.8 does not have.
        transport.connection_timeout, transport.read_timeout = timeout
        log = logging.getLogger("pypsrp.wsman")
        log.addFilter(_no_bodies)
        try:
            return 200, transport.send(envelope)
        except AuthenticationError:
            return 401, b""
        except WinRMTransportError as exc:
            return self._refused(exc)
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
