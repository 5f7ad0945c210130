# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session needs from the thing that carries its messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .errors import CimConnectionError

__all__ = ["Transport", "send_again_if_dropped"]


class Transport(Protocol):
    """Carries one SOAP envelope to one host and brings the answer back.

    ``endpoint`` is the URL, without credentials.  ``last_status`` is the HTTP status of the latest answer, ``None``
    before.
    """

    endpoint: str
    last_status: int | None

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        """Return the body of a 200, or of any other answer that is a SOAP envelope.

        ``timeout`` (seconds) bounds the wait for the answer.  Only an ``idempotent`` request may be sent a second
        time, once, after its connection was dropped.  Anything else raises a :class:`.errors.CimTransportError`.
        """

    def close(self) -> None:
        """Give up the connection; the next :meth:`send` makes a new one."""


def send_again_if_dropped(send: Callable[[], bytes], *, idempotent: bool) -> bytes:
    """What ``send`` returns; a second time, once, for an ``idempotent`` request whose connection was dropped."""
    try:
        return send()
    except CimConnectionError as error:
        if not (idempotent and error.dropped):
            raise
    return send()
