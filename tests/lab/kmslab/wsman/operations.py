# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of WS-Management on the classes of one machine.

Everything here is synchronous and works on one machine under its lock.  A method that writes is not run here: it
may take its time, so it is handed back as a `Pending` call for a worker thread.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Literal

from ..cim import CimClass, Field, Instance, MachineView, Method, Value, WmiError, on_behalf_of
from . import names, wql
from .enumeration import Enumeration, Enumerations
from .envelope import Request
from .faults import (
    WBEM_INVALID_METHOD_PARAMETERS,
    WBEM_NOT_FOUND,
    Details,
    Extended,
    Fault,
    provider_fault,
)
from .resources import (
    Resource,
    Target,
    class_target,
    exact_keys,
    find_instance,
    find_method,
    find_target,
    has_namespace,
    is_shell,
    missing_instance,
    parse_resource,
    read_keys,
    render_reference,
)
from .values import (
    Style,
    ValueProblem,
    local_name,
    parse_fields,
    render,
    render_fragment,
    render_instance,
    render_output,
    sorted_fields,
)

WBEM_PROVIDER_NOT_CAPABLE = 0x80041024

Kind = Literal["read", "write", "shell"]
_READS = frozenset((names.GET, names.ENUMERATE, names.PULL, names.RELEASE))
_TRANSFERS = frozenset((names.PUT, names.CREATE, names.DELETE))


@dataclass(frozen=True)
class Reply:
    """A response: which prefixes its envelope declares, its action and body, and extra header XML."""

    family: str
    action: str
    body: str
    header: str = ""


@dataclass(frozen=True)
class Pending:
    """A method that may take its time: `run` goes to a worker thread, `finish` makes the reply of its result."""

    run: Callable[[], Instance]
    finish: Callable[[Instance], Reply]


Outcome = Reply | Pending


@dataclass(frozen=True)
class Traits:
    """What differs between generations of Windows."""

    version: tuple[int, int] = (10, 0)

    @property
    def modern(self) -> bool:
        """Windows 8 / Server 2012 and later: MSFT_WmiError faults, Create and Delete, larger quotas."""
        return self.version >= (6, 2)

    @property
    def bare_end(self) -> bool:
        """Whether the last page of a Pull has no EnumerationContext at all, or (older) an empty one."""
        return self.version >= (10, 0)

    @property
    def quota(self) -> int:
        """MaxConcurrentOperationsPerUser of the service."""
        return 1500 if self.modern else 15


def read_traits(view: MachineView) -> Traits:
    """The generation of a machine, from its Win32_OperatingSystem; the newest when it has none."""
    provider = view.providers.get(("root/cimv2", "win32_operatingsystem"))
    for instance in provider.instances() if provider is not None else ():
        parts = str(instance.get("Version") or "").split(".")
        if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit():
            return Traits((int(parts[0]), int(parts[1])))
    return Traits()


@dataclass(frozen=True)
class Purpose:
    """What a request is for, as it is recorded: kind, and the method's name if it invokes one."""

    kind: Kind
    method: str = ""


def _method_name(request: Request) -> str:
    uri = request.resource_uri
    if uri and request.action.lower().startswith(uri.lower() + "/"):
        return request.action[len(uri) + 1 :]
    return ""


def purpose(request: Request, view: MachineView) -> Purpose:
    """Whether a request reads, writes or asks for a shell; an unknown method counts as a write."""
    if is_shell(request.resource_uri):
        return Purpose("shell")
    if request.action in _READS:
        return Purpose("read")
    if request.action in _TRANSFERS:
        return Purpose("write")
    method_name = _method_name(request)
    if not method_name:
        return Purpose("read" if request.action == names.IDENTITY else "write", request.action.rpartition("/")[2])
    try:
        target = find_target(view, parse_resource(request.resource_uri, request.selectors))
    except Fault:
        target = None
    method = find_method(target, method_name) if target is not None else None
    return Purpose("read" if method is not None and not method.writes else "write", method_name)


_ALLOWED: Mapping[str, frozenset[str]] = {"full": frozenset(("read", "write")), "read": frozenset(("read",))}


def check_rights(request: Request, rights: str) -> None:
    """The service's own access check: reading needs GR, Put, Create and Delete GW, every Invoke and every request to
    a shell GX.  Raises Fault.
    """
    needed = "read" if request.action in _READS and not is_shell(request.resource_uri) else "write"
    if needed not in _ALLOWED.get(rights, frozenset()):
        raise Fault("access_denied")


def _child(element: ET.Element, local: str) -> ET.Element | None:
    return next((child for child in element if local_name(child) == local), None)


def _elements_wanted(element: ET.Element) -> int:
    child = _child(element, "MaxElements")
    if child is None:
        return 1
    wish = (child.text or "").strip()
    if not wish.isdigit() or int(wish) == 0:
        raise Fault("schema")
    return int(wish)


@dataclass(frozen=True)
class _Result:
    instances: list[Instance]
    target: Target
    render: Callable[[Instance], str]


class Operations:
    """One machine's answers to one account."""

    def __init__(self, view: MachineView, *, account: str, traits: Traits, enumerations: Enumerations) -> None:
        self._view = view
        self._account = account
        self._traits = traits
        self._enumerations = enumerations

    def run(self, request: Request) -> Outcome:
        """Carry out a request.  Raises Fault."""
        handlers: dict[str, Callable[[Request], Outcome]] = {
            names.GET: self._get,
            names.PUT: self._put,
            names.CREATE: self._create,
            names.DELETE: self._delete,
            names.ENUMERATE: self._enumerate,
            names.PULL: self._pull,
            names.RELEASE: self._release,
        }
        try:
            return handlers.get(request.action, self._invoke)(request)
        except WmiError as error:
            raise provider_fault(error) from None

    # -- transfer ---------------------------------------------------------------------------------------------------

    def _addressed(self, request: Request) -> tuple[Target, dict[str, Value]]:
        """The class and the existing instance's own keys.  Raises Fault."""
        target = class_target(self._view, self._resource(request))
        instance = find_instance(target, read_keys(target, request.selectors))
        return target, exact_keys(target, instance)

    @staticmethod
    def _resource(request: Request) -> Resource:
        if not request.resource_uri:
            raise Fault("bad_uri")
        resource = parse_resource(request.resource_uri, request.selectors)
        if resource.class_name == "*" and request.action != names.ENUMERATE:
            raise Fault("bad_uri")
        return resource

    def _style(self, request: Request, target: Target) -> Style:
        wishes = request.options_named("msftwinrm:UsePreciseArrays")
        precise = any(wish.strip().lower() in ("true", "1") for wish in wishes)
        return replace(target.style, precise=True) if precise else target.style

    def _instance_xml(self, request: Request, target: Target, instance: Instance) -> str:
        style = self._style(request, target)
        return render_instance(target.cim_class, instance, name=target.name, uri=target.uri, style=style)

    def _get(self, request: Request) -> Reply:
        target = class_target(self._view, self._resource(request))
        instance = find_instance(target, read_keys(target, request.selectors))
        if request.fragment is None:
            return Reply("transfer", names.GET + "Response", self._instance_xml(request, target, instance))
        # Element names in fragment paths are case-sensitive; what does not exist is an empty fragment (DSP0226).
        item = next((field for field in target.cim_class.fields if field.name == request.fragment), None)
        inside = f'<w:XmlFragment xmlns:xsi="{names.XSI}" xsi:nil="true"/>'
        if item is not None:
            value = render(f"p:{item.name}", item, instance.get(item.name), target.style)
            inside = (
                f'<w:XmlFragment xmlns:xsi="{names.XSI}" xmlns:p="{target.uri}" xmlns:cim="{names.CIM}">'
                f"{value}</w:XmlFragment>"
            )
        name = item.name if item is not None else ""
        header = f'<w:FragmentTransfer s:mustUnderstand="true">{name}</w:FragmentTransfer>'
        return Reply("transfer", names.GET + "Response", inside, header)

    def _properties(self, request: Request, target: Target) -> dict[str, Value]:
        body = request.body
        if body is None or local_name(body) not in (target.cim_class.name, target.name):
            raise Fault("bad_body")
        try:
            return parse_fields(target.cim_class.fields, body)
        except ValueProblem:
            raise Fault("schema") from None

    def _put(self, request: Request) -> Reply:
        target, keys = self._addressed(request)
        properties = {name: value for name, value in self._properties(request, target).items() if name not in keys}
        changed = {
            name.strip().lower() for name in request.options_named("wmiarray:__MIInstanceModifiedPropertiesList")
        }
        if changed:
            properties = {name: value for name, value in properties.items() if name.lower() in changed}
        instance = self._changing(target, keys, lambda: target.provider.put(keys, properties))
        return Reply("transfer", names.PUT + "Response", self._instance_xml(request, target, instance))

    def _create(self, request: Request) -> Reply:
        if not self._traits.modern:
            raise Fault("bad_action")
        target = class_target(self._view, self._resource(request))
        properties = self._properties(request, target)
        instance = self._changing(target, {}, lambda: target.provider.create(properties))
        body = f"<x:ResourceCreated>{render_reference(target, instance)}</x:ResourceCreated>"
        return Reply("transfer", names.CREATE + "Response", body)

    def _delete(self, request: Request) -> Reply:
        if not self._traits.modern:
            raise Fault("bad_action")
        target, keys = self._addressed(request)

        def delete() -> Instance:
            target.provider.delete(keys)
            return keys

        self._changing(target, keys, delete)
        return Reply("transfer", names.DELETE + "Response", "")

    @staticmethod
    def _changing(target: Target, keys: Instance, change: Callable[[], Instance]) -> Instance:
        try:
            return change()
        except WmiError as error:
            if error.hresult == WBEM_NOT_FOUND and keys:
                raise missing_instance(target, keys) from None
            if error.hresult == WBEM_PROVIDER_NOT_CAPABLE:
                raise Fault("not_capable", Details(provider=True)) from None
            raise

    # -- methods ----------------------------------------------------------------------------------------------------

    def _invoke(self, request: Request) -> Outcome:
        resource = self._resource(request)
        method_name = _method_name(request)
        if not method_name:
            raise Fault("bad_action")
        target = class_target(self._view, resource, operation="ExecMethod")
        method = find_method(target, method_name)
        if method is None:
            raise Fault("bad_action", Details(provider=True))
        body = request.body
        if body is None or local_name(body) != f"{method.name}_INPUT":
            raise Fault("bad_body")
        try:
            arguments = parse_fields(method.inputs, body)
        except ValueProblem:
            raise Fault("schema") from None
        keys = None if method.static else self._method_keys(request, target)
        work = partial(target.provider.invoke, keys, method.name, arguments)
        call = partial(on_behalf_of, self._account, work)
        finish = partial(self._finish_method, request, target, method)
        return Pending(call, finish) if method.writes else finish(call())

    @staticmethod
    def _method_keys(request: Request, target: Target) -> Instance:
        if target.cim_class.keys and not any(name.lower() != "__cimnamespace" for name, _ignored in request.selectors):
            raise WmiError(WBEM_INVALID_METHOD_PARAMETERS)
        return exact_keys(target, find_instance(target, read_keys(target, request.selectors)))

    def _finish_method(self, request: Request, target: Target, method: Method, values: Instance) -> Reply:
        uri = target.uri if target.name == target.cim_class.name else self._class_uri(target)
        body = render_output(method.name, method.outputs, values, uri=uri, style=self._style(request, target))
        return Reply("transfer", request.action + "Response", body)

    @staticmethod
    def _class_uri(target: Target) -> str:
        return target.uri[: -len(target.name)] + target.cim_class.name

    # -- enumeration ------------------------------------------------------------------------------------------------

    def _enumerate(self, request: Request) -> Reply:
        resource = self._resource(request)
        body = request.body
        if body is None or body.tag != f"{{{names.ENUMERATION}}}Enumerate":
            raise Fault("bad_body")
        optimize = _child(body, "OptimizeEnumeration") is not None
        _elements_wanted(body)
        mode_element = _child(body, "EnumerationMode")
        mode = (mode_element.text or "").strip() if mode_element is not None else "EnumerateObject"
        self._enumerations.check_quota(self._account)
        result = self._result(request, resource, _child(body, "Filter"))
        rest = Enumeration(self._account, result.instances, self._item_renderer(mode, result))
        # Windows sends a first item at once and the others on Pull, however many the client would take.
        items = rest.page(elements=1, max_envelope=request.max_envelope) if optimize else ""
        if optimize and rest.finished:
            context, end = "", "<w:EndOfSequence/>"
        else:
            context, end = self._enumerations.keep(rest), ""
        shown = f"<w:Items>{items}</w:Items>" if optimize else ""
        return Reply(
            "enumeration",
            names.ENUMERATE + "Response",
            f"<n:EnumerateResponse><n:EnumerationContext>{context}</n:EnumerationContext>{shown}{end}"
            "</n:EnumerateResponse>",
        )

    @staticmethod
    def _item_renderer(mode: str, result: _Result) -> Callable[[Instance], str]:
        def reference(instance: Instance) -> str:
            return f"<a:EndpointReference>{render_reference(result.target, instance)}</a:EndpointReference>"

        renderers: dict[str, Callable[[Instance], str]] = {
            "EnumerateObject": result.render,
            "EnumerateEPR": reference,
            "EnumerateObjectAndEPR": lambda instance: (
                f"<w:Item>{result.render(instance)}{reference(instance)}</w:Item>"
            ),
        }
        if mode not in renderers:
            raise Fault("enumeration_mode", feature="EnumerationMode")
        return renderers[mode]

    def _result(self, request: Request, resource: Resource, condition: ET.Element | None) -> _Result:
        dialect = condition.get("Dialect", "") if condition is not None else ""
        if condition is None or dialect.lower() == names.SELECTOR_FILTER.lower():
            if resource.class_name == "*":
                raise Fault("bad_filter")
            target = class_target(self._view, resource, operation="CreateInstanceEnum")
            test = _selector_test(target, condition) if condition is not None else None
            return self._whole(request, target, test)
        if dialect.lower() != names.WQL.lower():
            raise Fault("bad_dialect")
        if resource.class_name != "*":
            raise Fault("query_with_class")
        if any(name.lower() != "__cimnamespace" for name, _ignored in request.selectors):
            raise Fault("bad_selectors")
        return self._query(request, resource, (condition.text or "").strip())

    def _whole(self, request: Request, target: Target, test: wql.Test | None) -> _Result:
        found = [dict(instance) for instance in target.provider.instances() if test is None or test(instance)]
        return _Result([*found], target, partial(self._instance_xml, request, target))

    def _query(self, request: Request, resource: Resource, text: str) -> _Result:
        if not has_namespace(self._view, resource.namespace):
            raise _query_fault("no_namespace", text)
        try:
            query = wql.parse(text)
        except wql.WqlError:
            raise _query_fault("bad_query", text) from None
        target = find_target(self._view, replace(resource, class_name=query.class_name))
        if target is None:
            raise _query_fault("no_class", text)
        try:
            fields, test = _compiled(query, target.cim_class)
        except wql.WqlError:
            raise _query_fault("bad_query", text) from None
        result = self._whole(request, target, test)
        return replace(result, render=partial(render_fragment, fields)) if fields else result

    def _pull(self, request: Request) -> Reply:
        self._resource_of_pull(request)
        body = request.body
        if body is None or body.tag != f"{{{names.ENUMERATION}}}Pull":
            raise Fault("bad_body")
        elements = _elements_wanted(body)
        rest = self._enumerations.take(self._context(body), self._account)
        items = rest.page(elements=elements, max_envelope=request.max_envelope)
        if not rest.finished:
            head = f"<n:EnumerationContext>{self._enumerations.keep(rest)}</n:EnumerationContext>"
            end = ""
        else:
            head = "" if self._traits.bare_end else "<n:EnumerationContext></n:EnumerationContext>"
            end = "<n:EndOfSequence/>"
        return Reply(
            "enumeration",
            names.PULL + "Response",
            f"<n:PullResponse>{head}<n:Items>{items}</n:Items>{end}</n:PullResponse>",
        )

    @staticmethod
    def _resource_of_pull(request: Request) -> None:
        if not request.resource_uri:
            raise Fault("bad_uri")
        parse_resource(request.resource_uri, request.selectors)

    @staticmethod
    def _context(body: ET.Element) -> str:
        context = _child(body, "EnumerationContext")
        if context is None:
            raise Fault("bad_body")
        return (context.text or "").strip()

    def _release(self, request: Request) -> Reply:
        self._resource_of_pull(request)
        if request.body is None or request.body.tag != f"{{{names.ENUMERATION}}}Release":
            raise Fault("bad_body")
        self._enumerations.take(self._context(request.body), self._account)
        return Reply("enumeration", names.RELEASE + "Response", "")


@lru_cache(maxsize=512)
def _compiled(query: wql.Query, cim_class: CimClass) -> tuple[tuple[Field, ...], wql.Test | None]:
    """The selected columns in the order of an answer (none: all of them) and the condition.  Raises WqlError."""
    columns = {wql.find_field(cim_class, column).name for column in query.columns}
    test = wql.compile_condition(query.where, cim_class) if query.where is not None else None
    return tuple(item for item in sorted_fields(cim_class) if item.name in columns), test


def _query_fault(inner: str, text: str) -> Fault:
    extended = Extended("ExecQuery", text, "WinMgmt")
    return Fault("bad_filter", Details(inner=inner, provider=True, extended=extended))


def _selector_test(target: Target, condition: ET.Element) -> wql.Test:
    """The SelectorFilter dialect: equality of properties that are neither arrays nor datetimes."""
    chosen = next((child for child in condition if local_name(child) == "SelectorSet"), condition)
    tests: list[wql.Test] = []
    try:
        for selector in chosen:
            item: Field = wql.find_field(target.cim_class, selector.get("Name", ""))
            if item.array or item.type == "datetime":
                raise Fault("bad_filter")
            comparison = wql.Comparison(item.name, "=", selector.text or "")
            tests.append(wql.compile_condition(comparison, target.cim_class))
    except wql.WqlError:
        raise Fault("bad_filter") from None
    return lambda instance: all(test(instance) for test in tests)


def identify_body(traits: Traits, *, anonymous: bool) -> str:
    """The answer to Identify; a client that has not logged on is not told the version."""
    version = "0.0.0" if anonymous else f"{traits.version[0]}.{traits.version[1]}"
    stack = "3.0" if traits.modern else "2.0"
    return (
        f'<wsmid:IdentifyResponse xmlns:wsmid="{names.IDENTITY}"><wsmid:ProtocolVersion>{names.WSMAN}'
        "</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>OS: {version} SP: 0.0 Stack: {stack}</wsmid:ProductVersion></wsmid:IdentifyResponse>"
    )
