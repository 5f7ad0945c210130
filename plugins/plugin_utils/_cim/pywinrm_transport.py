# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries envelopes by pywinrm, the library of the ``winrm`` connection plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .http_transport import HttpTransport, guard_session

if TYPE_CHECKING:
    from winrm.protocol import Protocol

__all__ = ["PywinrmTransport"]


class PywinrmTransport(HttpTransport):
    """Sends through ``Protocol.transport``: one layer below ``Protocol.send_message``, which drops part of the faults.

    ``make_protocol`` returns a new ``winrm.protocol.Protocol``; it is called for the first message and whenever the
    connection has to start over.  No shell is ever opened.
    """

    library = "pywinrm"

    def __init__(self, make_protocol: Callable[[], Protocol], endpoint: str, **options: Any) -> None:
        super().__init__(make_protocol, endpoint, **options)

    def _exchange(self, client: Protocol, envelope: bytes, timeout: tuple[float, float]) -> tuple[int, bytes]:
        from winrm.exceptions import InvalidCredentialsError, WinRMTransportError

        transport: Any = client.transport
        # Handed to requests as it is, which takes a pair.
        transport.read_timeout_sec = timeout
        try:
            # With message encryption this logs in, by an empty message of its own.
            guard_session(transport.build_session(), self._guard)
            return 200, transport.send_message(envelope)
        except InvalidCredentialsError:
            return 401, b""
        except WinRMTransportError as exc:
            body = self._guard.body
            return exc.code, body if body is not None else exc.response_text.encode()

    def _close_client(self, client: Protocol) -> None:
        client.transport.close_session()
