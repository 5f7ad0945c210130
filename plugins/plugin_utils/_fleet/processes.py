# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a fleet by several processes, since one Python process has no more than one core to read answers with."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from .answers import Answer, not_asked, parse_line
from .asking import Limits, Target, ask_all, out_of_time

#: Seconds that a process has to end by itself when the time of the whole run is over.  A look-up of a name can't be
#: broken off in any other way than with its process.
_GRACE = 2.0
_TICK = 1.0


@dataclass
class _Share:
    """The hosts of one process; `waiting` are those without an answer."""

    process: BaseProcess
    pipe: Connection
    waiting: dict[str, None] = field(default_factory=dict)


def survey(
    hosts: Sequence[str],
    make_target: Callable[[str], Target],
    limits: Limits,
    *,
    processes: int,
    tick: Callable[[], None] = lambda: None,
) -> Generator[Answer, None, None]:
    """Every host's answer, as it comes in; exactly one for each.

    :param make_target: called in the process that asks the host, in one thread; it may raise whatever it likes.
    :param processes: how many processes share the hosts and the concurrency.
    :param tick: called at least every second.
    """
    deadline = None if limits.total is None else time.monotonic() + limits.total
    count = max(1, min(processes, limits.concurrency, len(hosts)))
    shares: list[_Share] = []
    try:
        for number in range(count):
            # As many hosts for each thread, dealt one by one: those of one site, which may all be slow, are spread.
            own = [host for place, host in enumerate(hosts) if place % limits.concurrency % count == number]
            threads = limits.concurrency // count + (number < limits.concurrency % count)
            shares.append(_start(own, make_target, replace(limits, concurrency=threads), deadline, shares))
        yield from _collect(shares, limits, deadline, tick)
    finally:
        for share in shares:
            share.process.kill()
            share.process.join()
            share.pipe.close()


def _start(
    hosts: list[str],
    make_target: Callable[[str], Target],
    limits: Limits,
    deadline: float | None,
    others: Sequence[_Share],
) -> _Share:
    # A fork: what makes targets is made of things of Ansible's that can't be sent to another process.
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    inherited = [mine, *(share.pipe for share in others)]
    process = context.Process(target=_work, args=(hosts, make_target, limits, deadline, theirs, inherited), daemon=True)
    process.start()
    theirs.close()
    return _Share(process, mine, dict.fromkeys(hosts))


def _work(
    hosts: list[str],
    make_target: Callable[[str], Target],
    limits: Limits,
    deadline: float | None,
    pipe: Connection,
    inherited: Sequence[Connection],
) -> None:
    """A process: asks its hosts and sends a line for each."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # The handlers of the process before the fork are for that process.
        signal.signal(number, signal.SIG_DFL)
    for other in inherited:
        other.close()
    threading.Thread(target=_end_with_parent, name="fleet parent", daemon=True).start()
    _allow_many_files()
    lock = threading.Lock()

    def deliver(answer: Answer) -> None:
        line = answer.as_line()
        try:
            with lock:
                pipe.send_bytes(line)
        except OSError:
            # Nobody listens any more: the run was killed.
            os._exit(1)

    def targets() -> Iterator[Target]:
        for host in hosts:
            try:
                yield make_target(host)
            except Exception as error:
                yield Target(host, None, f"It can't be asked: {error}")

    ask_all(targets(), deliver, limits, deadline=deadline)
    pipe.close()


def _end_with_parent() -> None:
    """Nobody listens any more when the run was killed; a state file would stay locked by what is left of it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _allow_many_files() -> None:
    """As many connections as the system lets this process have; often it is 1024 unless one asks for more."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _collect(
    shares: Sequence[_Share], limits: Limits, deadline: float | None, tick: Callable[[], None]
) -> Iterator[Answer]:
    open_shares = {share.pipe: share for share in shares}
    while open_shares:
        left = _TICK if deadline is None else min(_TICK, deadline + _GRACE - time.monotonic())
        if left <= 0:
            break
        for pipe in wait(list(open_shares), left):
            share = open_shares[pipe]  # type: ignore[index]
            try:
                answer = parse_line(share.pipe.recv_bytes())
            except (EOFError, OSError):
                del open_shares[share.pipe]
                continue
            if answer is not None and answer.host in share.waiting:
                del share.waiting[answer.host]
                yield answer
        tick()
    for share in shares:
        if not share.waiting:
            continue
        if deadline is not None and time.monotonic() >= deadline:
            yield from (out_of_time(host, limits) for host in share.waiting)
            continue
        share.process.join(_GRACE)
        reason = f"The process that was to ask it has ended (exit code {share.process.exitcode})"
        remedy = "Lower concurrency if memory is short, then call again with the same state_file"
        yield from (not_asked(host, reason, remedy=remedy) for host in share.waiting)
