# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a CIM class looks like, and the Python values its properties become."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, Union

__all__ = ["TEXT", "UNSET_UINT32", "CimClass", "Instance", "Reference", "Value", "none_if_unset"]

WMI_URI_BASE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"

# WMI providers write the unsigned form of -1 for "there is no such number".
UNSET_UINT32 = 0xFFFFFFFF

#: Type of a method parameter: a CIM string that is a whole text, so that it may have tabs and line breaks.
TEXT = "text"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAMESPACE = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\Z")

NO_TYPES: Mapping[str, str] = MappingProxyType({})
_NO_METHODS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def check_identifier(name: str, what: str) -> str:
    """Return ``name`` when it can be a CIM name; raise ``ValueError`` that names ``what`` otherwise."""
    if not _IDENTIFIER.match(name):
        raise ValueError(f"{what}: {name!r} is not a CIM name")
    return name


@dataclass(frozen=True)
class CimClass:
    """One WMI class: where it lives, and the types that the XML itself does not tell.

    Attributes:
        namespace: for example ``root/cimv2``.
        fields: property name in the class's own spelling -> CIM type (``string``, ``boolean``, ``uint8`` to ``uint64``,
            ``sint8`` to ``sint64``, ``real32``, ``real64``, ``char16``, ``datetime``, ``interval``, ``reference``); an
            array has ``[]`` behind the type.  Properties that are not listed are read as text.
        keys: names of the key properties; empty for a class without instances or whose keys are not documented.
        methods: method name -> types of its parameters, in and out.  Only what is not a plain string need be there;
            a string that may have several lines is of type :data:`TEXT`.
    """

    namespace: str
    name: str
    fields: Mapping[str, str] = field(compare=False)
    keys: tuple[str, ...] = ()
    methods: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _NO_METHODS, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAMESPACE.match(self.namespace):
            raise ValueError(f"namespace: {self.namespace!r} is not a CIM namespace such as root/cimv2")
        check_identifier(self.name, "class")

    @property
    def uri(self) -> str:
        """Resource URI of the class."""
        return f"{WMI_URI_BASE}{self.namespace}/{self.name}"

    @property
    def query_uri(self) -> str:
        """Resource URI for WQL in this namespace (a class URI with a WQL filter is refused by Windows)."""
        return f"{WMI_URI_BASE}{self.namespace}/*"

    @cached_property
    def spelling(self) -> Mapping[str, str]:
        """Property name in lower case -> the class's own spelling."""
        return {name.lower(): name for name in self.fields}


@dataclass(frozen=True)
class Reference:
    """Where one CIM instance is: an endpoint reference.

    ``selectors`` keeps the order of the host.  A selector of an association class can be a reference itself.
    ``cim_class`` is only there to type the answers of methods invoked through the reference.
    """

    resource_uri: str
    selectors: Mapping[str, str | Reference] = field(default_factory=dict)
    cim_class: CimClass | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.resource_uri, tuple(self.selectors.items())))

    @property
    def class_name(self) -> str:
        """Name of the class: the last part of the resource URI."""
        return self.resource_uri.rpartition("/")[2]


Value = Union[None, bool, int, float, str, datetime, timedelta, Reference, "list[Value]"]
"""What a property or parameter can hold."""


class Instance(Mapping[str, Any]):
    """Properties of one CIM instance, or the out parameters of a method.

    Names are found whatever their case, as in CIM; iteration gives the spelling of the field table.  A property that
    the host did not send is missing: ``KeyError`` from ``[]``, ``None`` from :meth:`get`.
    """

    __slots__ = ("_names", "_values", "class_name")

    def __init__(self, values: Mapping[str, Any], class_name: str = "") -> None:
        self._values = dict(values)
        self._names = {name.lower(): name for name in self._values}
        self.class_name = class_name

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[self._names[name.lower()]]
        except KeyError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._names

    def __repr__(self) -> str:
        # Names only: a value may be a secret, and a repr ends up in logs and assertion messages.
        return f"<Instance {self.class_name or '?'}: {', '.join(self._values)}>"


def none_if_unset(value: int | None) -> int | None:
    """Return ``None`` for 0xFFFFFFFF (or -1), by which WMI says that a counter or level does not exist."""
    return None if value in (None, UNSET_UINT32, -1) else value
