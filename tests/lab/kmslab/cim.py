# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The border between the WS-Management endpoint and the simulated machines: classes, instances, methods, errors.

The endpoint (`kmslab.wsman`) knows XML and WQL and nothing of licensing; the providers (`kmslab.providers`) know
licensing and nothing of XML.  Both know this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

#: What a property or parameter may hold.  Arrays are lists, datetimes are aware `datetime` objects, None is NULL.
Value = object
Instance = Mapping[str, Value]

#: The account on whose behalf a method runs; None where nobody is logged on, as in tests of the model.
CALLER: ContextVar[str | None] = ContextVar("caller", default=None)


def on_behalf_of(account: str, work: Callable[[], Instance]) -> Instance:
    """Run a method for an account."""
    token = CALLER.set(account)
    try:
        return work()
    finally:
        CALLER.reset(token)


@dataclass(frozen=True)
class Reference:
    """A reference to one instance: its class and keys; for a value of type `reference`."""

    namespace: str
    class_name: str
    keys: Instance


@dataclass(frozen=True)
class Field:
    """A property or a method parameter.

    `type` is string, boolean, uint8..uint64, sint8..sint64, datetime, or (out parameters alone) reference.
    """

    name: str
    type: str = "string"
    array: bool = False
    key: bool = False


@dataclass(frozen=True)
class Method:
    """A WMI method; `writes` is false for the ones that only read (StdRegProv.GetStringValue)."""

    name: str
    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    static: bool = False
    writes: bool = True


@dataclass(frozen=True, eq=False)
class CimClass:
    """A WMI class as its MOF declares it; `namespace` with slashes, e.g. root/cimv2.

    Compared by identity: hashing a hundred fields costs more than what a cache could spare.
    """

    namespace: str
    name: str
    fields: tuple[Field, ...]
    methods: tuple[Method, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.fields if item.key)


class WmiError(Exception):
    """A failure that the provider reports: an HRESULT such as 0xC004F050 or 0x80041002."""

    def __init__(self, hresult: int, message: str = "") -> None:
        super().__init__(f"0x{hresult:08X} {message}".rstrip())
        self.hresult = hresult
        self.message = message


class Provider(Protocol):
    """One class on one machine.  The endpoint serialises calls per machine, so a provider needs no locks."""

    cim_class: CimClass

    def instances(self) -> Iterable[Instance]:
        """All instances, every property present (None = NULL); the endpoint filters and projects."""

    def invoke(self, keys: Instance | None, method: str, arguments: Instance) -> Instance:
        """Run a method (keys is None for a static one); return its out parameters, ReturnValue included if it has one.

        Raises WmiError.  May block (activation looks names up in DNS): the endpoint calls it in a worker thread.
        """

    def put(self, keys: Instance, properties: Instance) -> Instance:
        """Change properties of one instance; return the whole instance."""

    def create(self, properties: Instance) -> Instance:
        """Make an instance; return it."""

    def delete(self, keys: Instance) -> None:
        """Remove an instance."""


@dataclass
class MachineView:
    """What the endpoint sees of a machine: its name, whether it is switched on, who may log on, its classes.

    `accounts` maps a user name to (password, rights) with rights one of full, read, none.
    `providers` is keyed by (namespace, class name), both in lower case.
    """

    name: str
    accounts: Mapping[str, tuple[str, str]]
    providers: Mapping[tuple[str, str], Provider]
    locale: str = "en-US"
    powered: bool = True
    subclassed: Mapping[str, str] = field(default_factory=dict)
    """Class name -> subclass name under which its instances are returned (Windows ignores PolymorphismMode)."""
