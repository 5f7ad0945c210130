# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From resource URI and selectors to a class, its provider and the keys of one instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..cim import CimClass, Instance, MachineView, Method, Provider, Value
from . import names
from .faults import Details, Extended, Fault
from .values import NAMESPACE_SELECTOR, Style, ValueProblem, parse_scalar, render_endpoint

#: Where a DMTF resource URI without __cimnamespace looks (MS-WSMV).
DEFAULT_NAMESPACE = "root/hardware"


@dataclass(frozen=True)
class Resource:
    """What a resource URI names: a namespace with slashes, a class or `*`, and in which of the two forms."""

    namespace: str
    class_name: str
    dmtf: bool


def is_shell(uri: str) -> bool:
    """Whether the URI asks for a process or a runspace."""
    return uri.lower().startswith(names.SHELL_URIS)


def parse_resource(uri: str, selectors: Sequence[tuple[str, str]]) -> Resource:
    """Read a resource URI (case-insensitive) and the __cimnamespace selector.  Raises Fault."""
    spaces = [value.strip().replace("\\", "/") for name, value in selectors if name.lower() == NAMESPACE_SELECTOR]
    lowered = uri.lower()
    if lowered.startswith(names.WMI_URI.lower()):
        namespace, slash, class_name = uri[len(names.WMI_URI) :].rpartition("/")
        if not slash or not namespace or not class_name:
            raise Fault("bad_uri")
        if any(space.lower() != namespace.lower() for space in spaces):
            raise Fault("other_namespace")
        return Resource(namespace, class_name, dmtf=False)
    if lowered.startswith(names.DMTF_URI.lower()):
        class_name = uri[len(names.DMTF_URI) :]
        if not class_name or "/" in class_name:
            raise Fault("bad_uri")
        return Resource(spaces[0] if spaces else DEFAULT_NAMESPACE, class_name, dmtf=True)
    raise Fault("bad_uri")


@dataclass(frozen=True)
class Target:
    """A class of one machine, as addressed: its provider and the names that its instances get in XML."""

    provider: Provider
    name: str
    """The wrapper element's name: the class's, or that of the subclass under which the machine returns it."""
    uri: str
    namespace: str
    dmtf: bool

    @property
    def cim_class(self) -> CimClass:
        return self.provider.cim_class

    @property
    def style(self) -> Style:
        return Style(typed=self.dmtf)


def _provider(view: MachineView, namespace: str, class_name: str) -> Provider | None:
    space = namespace.lower()
    found = view.providers.get((space, class_name.lower()))
    if found is not None:
        return found
    for base, subclass in view.subclassed.items():
        if subclass.lower() == class_name.lower():
            return view.providers.get((space, base.lower()))
    return None


def find_target(view: MachineView, resource: Resource) -> Target | None:
    """The class that a resource names, or None."""
    provider = _provider(view, resource.namespace, resource.class_name)
    if provider is None:
        return None
    cim_class = provider.cim_class
    name = view.subclassed.get(cim_class.name, cim_class.name)
    base = names.DMTF_URI if resource.dmtf else f"{names.WMI_URI}{cim_class.namespace}/"
    return Target(provider, name, base + name, cim_class.namespace, resource.dmtf)


def has_namespace(view: MachineView, namespace: str) -> bool:
    """Whether the machine has this WMI namespace."""
    return any(space == namespace.lower() for space, _ignored in view.providers)


def class_target(view: MachineView, resource: Resource, *, operation: str = "GetObject") -> Target:
    """The class that a resource names.  Raises Fault when the machine has none of that name."""
    target = find_target(view, resource)
    if target is None:
        raise Fault(
            "not_found",
            Details(provider=True, extended=Extended(operation, resource.class_name, "WinMgmt")),
        )
    return target


def find_method(target: Target, name: str) -> Method | None:
    """A method by its exact name: Windows minds the case here."""
    return next((method for method in target.cim_class.methods if method.name == name), None)


def read_keys(target: Target, selectors: Sequence[tuple[str, str]]) -> dict[str, Value]:
    """The key values in the selectors, typed.  Raises Fault unless they name exactly the keys of the class."""
    keys = {item.name.lower(): item for item in target.cim_class.fields if item.key}
    values: dict[str, Value] = {}
    for name, value in selectors:
        if name.lower() == NAMESPACE_SELECTOR:
            continue
        item = keys.get(name.lower())
        if item is None:
            raise Fault("bad_selectors")
        if item.name in values:
            raise Fault("twice")
        try:
            values[item.name] = parse_scalar(item.type, value)
        except ValueProblem:
            raise Fault("bad_selector_value") from None
    if keys and not values:
        raise Fault("no_selectors")
    if len(values) < len(keys):
        raise Fault("few_selectors")
    return values


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return left == right


def object_path(target: Target, keys: Instance) -> str:
    """The instance's path as WMI prints it in its extended status."""
    shown = ",".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in keys.items()
    )
    return f"{target.cim_class.name}.{shown}" if shown else f"{target.cim_class.name}=@"


def find_instance(target: Target, keys: Mapping[str, Value]) -> Instance:
    """The instance with these keys (strings compare without case).  Raises Fault when there is none."""
    for instance in target.provider.instances():
        if all(_same(instance.get(name), value) for name, value in keys.items()):
            return instance
    raise missing_instance(target, keys)


def missing_instance(target: Target, keys: Instance) -> Fault:
    """The fault for an instance that does not exist."""
    extended = Extended("GetObject", object_path(target, keys), "WinMgmt")
    return Fault("not_found", Details(provider=True, extended=extended))


def exact_keys(target: Target, instance: Instance) -> dict[str, Value]:
    """The instance's own keys, as it spells them."""
    return {name: instance.get(name) for name in target.cim_class.keys}


def render_reference(target: Target, instance: Instance) -> str:
    """Address and reference parameters of one instance, as in an endpoint reference."""
    return render_endpoint(target.namespace, target.name, exact_keys(target, instance), dmtf=target.dmtf)
