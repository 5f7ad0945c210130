# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ports of machines that are not there: one refuses every connection, the other never answers to one."""

from __future__ import annotations

import socket

_LOOPBACK = "127.0.0.1"
#: More than a queue of length 0 takes, so that it stays full: the kernel then drops what asks for a connection.
_FILLERS = 4


class DeadPorts:
    """Holds both ports, so that nobody else gets them, until `close`."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        self.closed = self._bind().getsockname()[1]
        """Connections are refused at once, as by a machine on which nothing listens."""
        silent = self._bind()
        silent.listen(0)
        self.silent = silent.getsockname()[1]
        """Connections are not answered at all, as by a machine that is off or behind a firewall."""
        for _ignored in range(_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((_LOOPBACK, self.silent))
            self._held.append(filler)

    def _bind(self) -> socket.socket:
        made = socket.socket()
        made.bind((_LOOPBACK, 0))
        self._held.append(made)
        return made

    def close(self) -> None:
        """Give both ports up."""
        for each in self._held:
            each.close()
        self._held.clear()
