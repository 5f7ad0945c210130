# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the providers share: a base that holds the estate's lock, and class tables written as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from ..cim import CimClass, Field, Instance, Method, Value, WmiError
from ..model.codes import WBEM_INVALID_METHOD, WBEM_NOT_CAPABLE, WBEM_NOT_FOUND

if TYPE_CHECKING:
    from ..model.estate import Estate
    from ..model.machine import Machine

#: Generations of the licensing classes, oldest first, and the build with which each begins.
GENERATIONS = {"7": 0, "8": 9200, "8.1": 9600, "10": 10240, "23H2": 22631}


def generation(build: int) -> str:
    """The newest generation that this build has reached."""
    return [name for name, first in GENERATIONS.items() if build >= first][-1]


def fields(table: str, build: int = 10**6) -> tuple[Field, ...]:
    """Fields from lines `Name type [key] [8+ | -8.1]`; a generation limits the line to it and later (or earlier) ones.

    A type that ends in [] is an array.
    """
    return _fields(table, generation(build))


@lru_cache(maxsize=256)
def _fields(table: str, here: str) -> tuple[Field, ...]:
    result = []
    for line in table.split("\n"):
        words = line.split()
        if not words or not _applies(words[2:], here):
            continue
        kind = words[1]
        result.append(Field(words[0], kind.removesuffix("[]"), array=kind.endswith("[]"), key="key" in words))
    return tuple(result)


def methods(table: str, build: int = 10**6) -> tuple[Method, ...]:
    """Methods from lines `Name(In type, In type) -> (Out type) [8+ | -8.1] [read] [static] [void]`.

    ReturnValue is added, but for a void method.
    """
    return _methods(table, generation(build))


@lru_cache(maxsize=256)
def _methods(table: str, here: str) -> tuple[Method, ...]:
    result = []
    for line in table.split("\n"):
        if "(" not in line:
            continue
        name, _ignored, rest = line.strip().partition("(")
        inputs, _ignored, rest = rest.partition(")")
        outputs = ""
        if "->" in rest:
            outputs, _ignored, rest = rest.partition("(")[2].partition(")")
        words = rest.split()
        if _applies(words, here):
            result.append(
                Method(
                    name,
                    _parameters(inputs),
                    (*_parameters(outputs), *([] if "void" in words else [Field("ReturnValue", "uint32")])),
                    static="static" in words,
                    writes="read" not in words,
                )
            )
    return tuple(result)


def _parameters(text: str) -> tuple[Field, ...]:
    return fields("\n".join(text.split(",")))


def _applies(words: Iterable[str], here: str) -> bool:
    order = list(GENERATIONS)
    at = order.index(here)
    for word in words:
        if word.endswith("+") and at < order.index(word[:-1]):
            return False
        if word.startswith("-") and at > order.index(word[1:]):
            return False
    return True


def wmi_class(namespace: str, name: str, table: str, calls: str = "", *, build: int = 10**6) -> CimClass:
    """A class by its tables (see `fields` and `methods`), the same object for all machines of a generation."""
    return _wmi_class(namespace, name, table, calls, generation(build))


@lru_cache(maxsize=256)
def _wmi_class(namespace: str, name: str, table: str, calls: str, here: str) -> CimClass:
    return CimClass(namespace, name, _fields(table, here), _methods(calls, here))


Handler = Callable[[Instance | None, Instance], Instance | None]


class BaseProvider(ABC):
    """A provider whose methods are looked up in `handlers` (method name -> function of keys and arguments)."""

    cim_class: CimClass

    def __init__(self, estate: Estate, machine: Machine) -> None:
        self.estate = estate
        self.machine = machine

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        """Made when a method is called first: most machines of a large estate are only read."""
        return self.make_handlers()

    def make_handlers(self) -> dict[str, Handler]:
        """The handlers of a class that has methods."""
        return {}

    @abstractmethod
    def rows(self) -> Iterable[dict[str, Value]]:
        """The instances; properties that this machine's class lacks are dropped, missing ones become NULL."""

    def instances(self) -> Iterable[Instance]:
        names = [field.name for field in self.cim_class.fields]
        with self.estate.lock:
            return [{name: row.get(name) for name in names} for row in self.rows()]

    def invoke(self, keys: Instance | None, method: str, arguments: Instance) -> Instance:
        if method not in {one.name for one in self.cim_class.methods}:
            raise WmiError(WBEM_INVALID_METHOD, f"{self.cim_class.name} has no method {method}")
        handler = self.handlers.get(method)
        if handler is None:
            raise WmiError(WBEM_NOT_CAPABLE, f"the lab does not simulate {self.cim_class.name}.{method}")
        with self.estate.lock:
            result = handler(keys, arguments)
        return {"ReturnValue": 0} if result is None else result

    def put(self, keys: Instance, properties: Instance) -> Instance:
        raise WmiError(WBEM_NOT_CAPABLE, f"{self.cim_class.name} cannot be changed by Put")

    def create(self, properties: Instance) -> Instance:
        raise WmiError(WBEM_NOT_CAPABLE, f"{self.cim_class.name} cannot be created")

    def delete(self, keys: Instance) -> None:
        raise WmiError(WBEM_NOT_CAPABLE, f"{self.cim_class.name} cannot be deleted")


def text_key(keys: Instance | None, name: str) -> str:
    """One key of an instance path, without case; not-found when the path lacks it."""
    for key, value in (keys or {}).items():
        if key.lower() == name.lower():
            return str(value).lower()
    raise WmiError(WBEM_NOT_FOUND, f"the path names no {name}")
