# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file: whatever is in it, and whenever a run was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer, answer_of
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.journal import Journal
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._fleet.fleet_answers import (
    AT,
    a_kms_host,
    denied,
    licensed,
    unlicensed,
    unreachable,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import answer

ANSWERS = [licensed("pc1"), unlicensed("pc2"), a_kms_host("kms1", 50), licensed("ü")]


@contextmanager
def opened(path: Path, fresh_since: float = AT) -> Iterator[Journal]:
    with closing(Journal(path, fresh_since=fresh_since)) as journal:
        yield journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.state"


def fill(path: Path, *answers: Answer) -> None:
    with opened(path) as journal:
        for answer in answers:
            journal.add(answer)


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_what_was_added_is_there_at_once_and_later(path: Path) -> None:
    with opened(path) as journal:
        assert journal.kept == frozenset()
        for answer in ANSWERS:
            journal.add(answer)
            assert path.read_bytes().endswith(answer.as_line())
        assert list(journal.answers(["ü", "pc1"])) == [ANSWERS[3], ANSWERS[0]]
    with opened(path) as again:
        assert again.kept == {answer.host for answer in ANSWERS}
        assert list(again.answers(answer.host for answer in ANSWERS)) == ANSWERS
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_run_that_was_killed_at_any_byte_goes_on_from_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is for a power failure, and takes most of the time.
    monkeypatch.setattr(os, "fsync", lambda file: None)
    answers = [answer_of(host, answer(), at=AT) for host in ("pc1", "pc2", "ü")]
    whole = b"".join(one.as_line() for one in answers)
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        with opened(path) as journal:
            assert len(journal.kept) == whole[:end].count(b"\n")
            for one in answers:
                if one.host not in journal.kept:
                    journal.add(one)
            assert list(journal.answers(one.host for one in answers)) == answers
        assert path.read_bytes() == whole


def test_who_did_not_answer_or_long_ago_is_asked_again(path: Path) -> None:
    old, new = licensed("old", at=AT - 1), licensed("new", at=AT + 1)
    fill(path, old, new, unreachable("off", at=AT + 1), denied("denied"))
    with opened(path) as journal:
        assert journal.kept == {"new"}
        assert path.read_bytes() == new.as_line(), "the others are dropped at once"
    with opened(path, fresh_since=AT - 1) as journal:
        assert journal.kept == {"new"}


def test_the_last_answer_of_a_host_counts(path: Path) -> None:
    fill(path, unlicensed("pc"), licensed("pc"), licensed("gone"), unreachable("gone"))
    with opened(path) as journal:
        assert journal.kept == {"pc"}
        assert list(journal.answers(["pc"])) == [licensed("pc")]
        journal.add(unlicensed("pc"))
        assert list(journal.answers(["pc"])) == [unlicensed("pc")]


def test_hosts_of_other_plays_stay_in_the_file(path: Path) -> None:
    fill(path, licensed("mine"), licensed("of another play"))
    with opened(path) as journal:
        assert list(journal.answers(["mine"])) == [licensed("mine")]
    assert b"of another play" in path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"localhost\n",
        b"---\nall: {}\n",
        b'{"hosts": []}\n',
        b"\x00",
        b"\n",
        b'{"at"X',
        # What json_lines writes.
        licensed("pc").as_line(timed=False),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FleetError, match=r"state_file: .*fleet\.state is a file of something else.*Name another"):
        Journal(path, fresh_since=AT)
    assert path.read_bytes() == content
    assert names(path.parent) == ["fleet.state"]


def test_one_run_at_a_time_has_the_file(path: Path) -> None:
    with opened(path) as journal:
        with pytest.raises(FleetError, match="another run is using"):
            Journal(path, fresh_since=AT)
        journal.add(licensed("pc"))
    with opened(path) as journal:
        assert journal.kept == {"pc"}


def test_a_run_that_waits_at_the_file_that_is_being_replaced_does_not_get_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, unreachable("off"))
    real = fcntl.flock

    def replaced_meanwhile(file: int, operation: int) -> None:
        other = path.with_name("other")
        other.write_bytes(licensed("pc").as_line())
        os.replace(other, path)
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    with pytest.raises(FleetError, match="another run is using"):
        Journal(path, fresh_since=AT)
    assert path.read_bytes() == licensed("pc").as_line()


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_run_that_fails_while_it_compacts_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    fill(path, licensed("pc"), unreachable("off"))
    before = path.read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(FleetError, match="No space left on device"):
        Journal(path, fresh_since=AT)
    assert path.read_bytes() == before
    assert names(path.parent) == ["fleet.state"]


def test_the_file_is_locked_for_as_long_as_it_is_used_also_after_compacting(path: Path) -> None:
    fill(path, licensed("pc"), unreachable("off"))
    attempt = (
        "import sys, fcntl\n"
        "try: fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(9)\n"
    )
    command = [sys.executable, "-c", attempt, str(path)]
    with opened(path):
        assert subprocess.run(command, check=False).returncode == 9
    assert subprocess.run(command, check=False).returncode == 0


def test_a_disk_that_is_nearly_full_takes_lines_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    fill(path, *ANSWERS)
    assert path.read_bytes() == b"".join(answer.as_line() for answer in ANSWERS)


def test_a_full_disk_is_told_and_what_was_written_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with opened(path) as journal:
        journal.add(ANSWERS[0])
        room = [10]

        def write(file: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = real(file, data[: room[0]])
            room[0] -= taken
            return taken

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", write)
            with pytest.raises(FleetError, match=r"can't be written: No space left on device.*is kept: make room"):
                journal.add(ANSWERS[1])
    with opened(path) as journal:
        assert journal.kept == {ANSWERS[0].host}


def test_no_file_is_told_with_the_option(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no" / "file", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FleetError, match=rf"state_file: .*{reason}.*Name a file in a folder that exists"):
            Journal(path, fresh_since=AT)


def test_another_program_that_writes_to_the_file_is_noticed(path: Path) -> None:
    with opened(path) as journal:
        journal.add(licensed("pc"))
        path.write_bytes(b"something else\n")
        with pytest.raises(FleetError, match="something else has written to"):
            list(journal.answers(["pc"]))
