# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of facts in data/*.csv, which a directory of the user may correct or extend.

A row of the user takes the place of the row with the same key columns, or is added.  The tables hold what Microsoft
publishes and changes: client setup keys, error codes, what a KMS host may activate.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from .errors import InvalidOption

DATA = Path(__file__).parent / "data"
OPTION = "data_directory"

Row = Mapping[str, str]
Rows = tuple[Row, ...]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Column:
    """What a value must look like; `hint` says it in words.  `secret`: a wrong value is not repeated."""

    pattern: str = r".*"
    hint: str = "any text"
    secret: bool = False


_TEXT = Column(r".*\S.*", "a text that is not empty")
_ANY = Column()


@dataclass(frozen=True)
class Table:
    """A table: the columns that tell its rows apart, and those whose values are checked; the others are free text."""

    key: tuple[str, ...]
    columns: Mapping[str, Column]


TABLES: Mapping[str, Table] = {
    "gvlk": Table(
        key=("product", "edition", "servicing_channel"),
        columns={
            "product": _TEXT,
            "edition": _TEXT,
            "os_family": Column("server|client|office", "server, client or office"),
            "builds": Column(r"(\d+\+|\d+(\|\d+)*)?", "Windows builds such as 17763, 17763|19044 or 10240+"),
            "operating_system_sku": Column(r"(\d+(\|\d+)*)?", "numbers joined by |, such as 7|13"),
            "kms_threshold": Column("5|25", "5 or 25"),
            "key": Column(r"[A-Z0-9]{5}(-[A-Z0-9]{5}){4}", "five groups of five letters or digits", secret=True),
        },
    ),
    "hresult": Table(
        key=("code",),
        columns={
            "code": Column("0x[0-9A-F]{8}", "0x and eight hexadecimal digits in capitals, such as 0xC004F074"),
            "meaning": _TEXT,
            "remedy": _TEXT,
        },
    ),
    # Releases are joined by |.  What a host key group activates, and where it may be installed.
    "kms_host_matrix": Table(
        key=("csvlk_group",),
        columns={
            "csvlk_group": _TEXT,
            "description_token": Column(r"VOLUME_KMS_\S+", "the channel in a licence's description: VOLUME_KMS_..."),
            "hosted_on": _TEXT,
            "activates": _TEXT,
        },
    ),
    # Any one of the updates for a host and what it activates is enough; `revision` is the first with it in its build.
    "kms_host_updates": Table(
        key=("host", "activates", "update"),
        columns={
            "host": _TEXT,
            "activates": _TEXT,
            "update": Column(r"KB\d+", "KB and a number"),
            "revision": Column(r"\d*", "a number, or empty"),
        },
    ),
    "windows_releases": Table(
        key=("release",),
        columns={
            "release": _TEXT,
            "kind": Column("server|client", "server or client"),
            "builds": Column(r"\d+\+|\d+(\|\d+)*", "Windows builds such as 17763, 17763|19044 or 10240+"),
            "edition_ids": Column(r"(\w+(\|\w+)*)?", "EditionIDs joined by |, or empty for all"),
        },
    ),
}

_directory: ContextVar[Path | None] = ContextVar("directory of the user's tables", default=None)


@contextmanager
def extended_by(directory: str | None) -> Iterator[None]:
    """Use the tables of this directory (None: only the collection's own) as long as the context lasts.

    Raises InvalidOption that names file, line and column of what is wrong in it.
    """
    token = _directory.set(Path(directory) if directory else None)
    try:
        if directory:
            _check_directory(Path(directory))
        yield
    finally:
        _directory.reset(token)


def rows(name: str) -> Rows:
    """The rows of data/<name>.csv with those of the user, keyed by the names in its first line."""
    return _merged(name, _directory.get())


def derived(name: str) -> Callable[[Callable[[Rows], _T]], Callable[[], _T]]:
    """Decorator for a function of a table's rows: its result is made once, and anew for other tables of the user."""

    def decorate(make: Callable[[Rows], _T]) -> Callable[[], _T]:
        @cache
        def made(directory: Path | None) -> _T:
            return make(_merged(name, directory))

        return lambda: made(_directory.get())

    return decorate


@cache
def _merged(name: str, directory: Path | None) -> Rows:
    own = _own(name)
    path = directory / f"{name}.csv" if directory else None
    if path is None or not path.exists():
        return own
    key = TABLES[name].key
    blank = dict.fromkeys(own[0], "")
    merged = {tuple(row[column] for column in key): row for row in own}
    for row in _read(path):
        merged[tuple(row.get(column, "") for column in key)] = {**blank, **row}
    return tuple(merged.values())


@cache
def _own(name: str) -> Rows:
    return _read(DATA / f"{name}.csv")


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return tuple(csv.DictReader(lines))


def _check_directory(directory: Path) -> None:
    if not directory.is_dir():
        raise InvalidOption(OPTION, f"{directory} is not a directory on the controller")
    known = ", ".join(f"{name}.csv" for name in TABLES)
    files = sorted(directory.glob("*.csv"))
    if not files:
        raise InvalidOption(OPTION, f"{directory} has no table", remedy=f"The tables are {known}")
    for path in files:
        table = TABLES.get(path.stem)
        if table is None:
            raise InvalidOption(OPTION, f"{path}: there is no such table", remedy=f"The tables are {known}")
        try:
            _check_table(path, table, columns=tuple(_own(path.stem)[0]))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidOption(
                OPTION, f"{path} can't be read: {error}", remedy="It must be a CSV file in UTF-8"
            ) from None


def _check_table(path: Path, table: Table, *, columns: tuple[str, ...]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        given = reader.fieldnames or ()
        unknown = [str(name) for name in given if name not in columns]
        missing = [name for name in table.columns if name not in given]
        if unknown or missing:
            what = [f"it has no column {name}" for name in missing] + [f"column {name} is unknown" for name in unknown]
            raise InvalidOption(
                OPTION, f"{path}, line 1: {', '.join(what)}", remedy=f"The columns are {', '.join(columns)}"
            )
        seen: dict[tuple[str, ...], int] = {}
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InvalidOption(OPTION, f"{where}: it has not {len(given)} values, as line 1 has")
            for name, column in table.columns.items():
                if not re.fullmatch(column.pattern, row[name]):
                    value = "the value" if column.secret else repr(row[name])
                    raise InvalidOption(OPTION, f"{where}, column {name}: {value} is not {column.hint}")
            key = tuple(row.get(name, "") for name in table.key)
            if key in seen:
                raise InvalidOption(OPTION, f"{where}: the same {', '.join(table.key)} as in line {seen[key]}")
            seen[key] = reader.line_num
