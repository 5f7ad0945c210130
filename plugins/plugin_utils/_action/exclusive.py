# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time where an activation is spent: a lock file for each machine, for the forks and plays of one user.

Windows has nothing to lock for a remote caller.  Plays on different controllers are not kept apart, only made to look
again right before the call (see `Applier.run`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from .._licensing.errors import LicensingError
from .._licensing.reading import State

#: Seconds to wait for another run.  It may take that long: a call has a minute, then the state is looked at.
_PATIENCE = 600
_BETWEEN_TRIES = 0.25
#: Not TMPDIR, which jobs that run side by side have each for themselves.
_BASE = Path("/tmp")


def alone_with(state: State, *, pause: Callable[[float], None] = time.sleep) -> AbstractContextManager[None]:
    """Hold the lock of the machine with this state; it goes with the process, however that ends.

    The client machine ID tells machines apart, by whatever name or address they are reached.  Two that share one, which
    is a fault in itself, wait for each other.  Raises LicensingError when another run does not come to its end.
    """
    return alone_under((state.service.client_machine_id or "").lower(), pause=pause)


@contextmanager
def alone_under(text: str, *, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """The same for what this text stands for, such as a forest that a key activates."""
    name = hashlib.sha256(text.encode()).hexdigest()
    lock = os.open(_directory() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait_for(lock, pause)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, pause: Callable[[float], None]) -> None:
    for _ignored in range(int(_PATIENCE / _BETWEEN_TRIES)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pause(_BETWEEN_TRIES)
    raise LicensingError(
        f"another run on this controller has been busy with a key of this machine for {_PATIENCE} seconds",
        remedy="Let it finish or stop it, and run the task again",
    )


def _directory() -> Path:
    """A folder that only this user can write to; its files stay, because removing a lock file would be a race."""
    path = _BASE / f"winops-kms-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    owner = path.lstat()
    if owner.st_uid != os.getuid() or not path.is_dir() or path.is_symlink():
        raise LicensingError(
            f"{path} on the controller belongs to somebody else, so that runs can't be kept apart by it",
            remedy="Remove it, or have it removed",
        )
    return path
