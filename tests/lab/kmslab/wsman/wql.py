# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WQL data queries: SELECT columns FROM class [WHERE condition], parsed once and compiled to a test on instances.

Names and string comparisons ignore case; a comparison with a NULL property is false unless it is about NULL itself.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from ..cim import CimClass, Field, Instance

Literal = str | int | float | bool | None


class WqlError(Exception):
    """The query cannot be parsed, or does not fit its class."""


@dataclass(frozen=True)
class Comparison:
    """`property operator literal`; operators: = <> < > <= >= like."""

    name: str
    operator: str
    literal: Literal


@dataclass(frozen=True)
class Junction:
    """AND or OR of two or more conditions."""

    word: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Negation:
    """NOT of a condition."""

    part: Condition


Condition = Comparison | Junction | Negation


@dataclass(frozen=True)
class Query:
    """A parsed query; `columns` is empty for `*`."""

    columns: tuple[str, ...]
    class_name: str
    where: Condition | None


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?))
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<symbol><>|!=|<=|>=|[=<>(),*])
    )""",
    re.VERBOSE | re.DOTALL,
)

_SYMBOLS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_RESERVED = {"select", "from", "where", "and", "or", "not", "like", "is", "null", "true", "false"}


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise WqlError(f"unexpected character at position {position}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _word(self, *words: str) -> bool:
        kind, value = self._peek()
        if kind == "name" and value.lower() in words:
            self._at += 1
            return True
        return False

    def _symbol(self, *symbols: str) -> str:
        kind, value = self._peek()
        if kind == "symbol" and value in symbols:
            self._at += 1
            return value
        return ""

    def _name(self) -> str:
        kind, value = self._take()
        if kind != "name" or value.lower() in _RESERVED:
            raise WqlError(f"a name was expected, not {value!r}")
        return value

    def query(self) -> Query:
        if not self._word("select"):
            raise WqlError("only SELECT is a data query")
        columns: list[str] = []
        if not self._symbol("*"):
            columns.append(self._name())
            while self._symbol(","):
                columns.append(self._name())
        if not self._word("from"):
            raise WqlError("FROM is missing")
        class_name = self._name()
        where = self._or() if self._word("where") else None
        if self._peek()[0] != "end":
            raise WqlError(f"unexpected {self._peek()[1]!r}")
        return Query(tuple(columns), class_name, where)

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._word("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Junction("or", tuple(parts))

    def _and(self) -> Condition:
        parts = [self._not()]
        while self._word("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))

    def _not(self) -> Condition:
        if self._word("not"):
            return Negation(self._not())
        if self._symbol("("):
            inner = self._or()
            if not self._symbol(")"):
                raise WqlError("a parenthesis is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        kind, value = self._peek()
        if kind in ("string", "number") or (kind == "name" and value.lower() in ("true", "false", "null")):
            literal = self._literal()
            symbol = self._symbol(*_SYMBOLS)
            if not symbol:
                raise WqlError("an operator was expected")
            return Comparison(self._name(), _MIRRORED[_SYMBOLS[symbol]], literal)
        name = self._name()
        if self._word("is"):
            operation = "<>" if self._word("not") else "="
            if not self._word("null"):
                raise WqlError("IS goes with NULL or NOT NULL")
            return Comparison(name, operation, None)
        if self._word("like"):
            pattern = self._literal()
            if not isinstance(pattern, str):
                raise WqlError("LIKE needs a string")
            return Comparison(name, "like", pattern)
        symbol = self._symbol(*_SYMBOLS)
        if not symbol:
            raise WqlError("an operator was expected")
        return Comparison(name, _SYMBOLS[symbol], self._literal())

    def _literal(self) -> Literal:
        kind, value = self._take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        if kind == "number":
            if "x" in value.lower():
                return int(value, 16)
            return int(value) if value.lstrip("+-").isdigit() else float(value)
        words: dict[str, Literal] = {"true": True, "false": False, "null": None}
        if kind == "name" and value.lower() in words:
            return words[value.lower()]
        raise WqlError(f"a value was expected, not {value!r}")


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """Parse a data query.  Raises WqlError."""
    return _Parser(text).query()


# -- compiling ------------------------------------------------------------------------------------------------------

Test = Callable[[Instance], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


_CACHE_LIMIT = 1024
_fields_cache: dict[int, tuple[CimClass, dict[str, Field]]] = {}


def find_field(cim_class: CimClass, name: str) -> Field:
    """A class's property by a name of any case.  Raises WqlError."""
    # Keyed by identity: hashing a class of a hundred fields costs more than the search.
    cached = _fields_cache.get(id(cim_class))
    if cached is None or cached[0] is not cim_class:
        cached = (cim_class, {item.name.lower(): item for item in cim_class.fields})
        if len(_fields_cache) >= _CACHE_LIMIT:
            _fields_cache.clear()
        _fields_cache[id(cim_class)] = cached
    found = cached[1].get(name.lower())
    if found is None:
        raise WqlError(f"{cim_class.name} has no property {name}")
    return found


def like_pattern(pattern: str) -> re.Pattern[str]:
    """WQL's LIKE: % any text, _ one character, [abc] [a-z] [^abc] sets."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        close = pattern.find("]", position + 2) if char == "[" else -1
        if close > 0:
            inside = pattern[position + 1 : close]
            negated = inside.startswith("^")
            body = re.sub(r"([\\\]\[^])", r"\\\1", inside[1:] if negated else inside)
            out.append(f"[{'^' if negated else ''}{body}]")
            position = close + 1
            continue
        out.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
        position += 1
    try:
        return re.compile("".join(out), re.IGNORECASE | re.DOTALL)
    except re.error:
        raise WqlError("bad LIKE pattern") from None


_DMTF_TIME = re.compile(r"(\d{14})\.(\d{6})([+-]\d{3})\Z")


def parse_dmtf_time(text: str) -> datetime:
    """A CIM date and time, yyyymmddHHMMSS.mmmmmm±UUU (UUU in minutes).  Raises WqlError."""
    match = _DMTF_TIME.match(text)
    if match is None:
        raise WqlError("bad date and time")
    try:
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S")
    except ValueError:
        raise WqlError("bad date and time") from None
    zone = timezone(timedelta(minutes=int(match[3])))
    return moment.replace(microsecond=int(match[2]), tzinfo=zone)


def _coerce(item: Field, literal: Literal) -> object:
    """The literal as the property's type, or WqlError: WMI calls the query invalid too."""
    if item.type == "boolean":
        words = {"true": True, "false": False, "1": True, "0": False}
        if str(literal).lower() in words:
            return words[str(literal).lower()]
    elif item.type == "string":
        if not isinstance(literal, bool):
            return str(literal).lower()
    elif item.type == "datetime":
        if isinstance(literal, str):
            return parse_dmtf_time(literal)
    elif isinstance(literal, (int, float)):
        return int(literal) if isinstance(literal, bool) else literal
    elif isinstance(literal, str):
        try:
            return int(literal, 0)
        except ValueError:
            pass
    raise WqlError(f"{item.name} is a {item.type}")


def _compile_comparison(comparison: Comparison, cim_class: CimClass) -> Test:
    item = find_field(cim_class, comparison.name)
    name, operation, literal = item.name, comparison.operator, comparison.literal
    if literal is None:
        if operation == "=":
            return lambda instance: instance.get(name) is None
        if operation == "<>":
            return lambda instance: instance.get(name) is not None
        raise WqlError("NULL can only be compared for equality")
    if item.array:
        raise WqlError(f"{name} is an array")
    if operation == "like":
        matches = like_pattern(str(literal)).fullmatch
        return lambda instance: instance.get(name) is not None and matches(str(instance[name])) is not None
    wanted, compare = _coerce(item, literal), _ORDER[operation]
    if item.type == "string":
        return lambda instance: instance.get(name) is not None and compare(str(instance[name]).lower(), wanted)
    return lambda instance: instance.get(name) is not None and compare(instance[name], wanted)


def compile_condition(condition: Condition, cim_class: CimClass) -> Test:
    """A test on instances of this class.  Raises WqlError for unknown names and literals of a wrong type."""
    if isinstance(condition, Comparison):
        return _compile_comparison(condition, cim_class)
    if isinstance(condition, Negation):
        inner = compile_condition(condition.part, cim_class)
        return lambda instance: not inner(instance)
    tests = [compile_condition(part, cim_class) for part in condition.parts]
    combine = all if condition.word == "and" else any
    return lambda instance: combine(test(instance) for test in tests)
