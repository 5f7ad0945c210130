# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CIM operations on one host."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from . import envelope
from .errors import (
    CimConnectionError,
    CimError,
    CimFault,
    CimMethodError,
    CimProtocolError,
    CimQuotaError,
    CimTimedOut,
    CimTransportError,
)
from .faults import CODE_INVALID_CONTEXT, fault_from, normalise_code
from .parse import (
    Answer,
    Item,
    Page,
    first_instance,
    parse_answer,
    parse_created,
    parse_instance,
    parse_output,
    parse_page,
)
from .schema import NO_TYPES, CimClass, Instance, Reference, Value
from .transport import Transport

__all__ = ["CimSession", "InstanceTarget", "Keys", "MethodTarget"]

Keys = Mapping[str, str]
InstanceTarget: TypeAlias = Reference | tuple[CimClass, Keys]
"""One instance: a reference that the host gave, or a class and the values of its keys."""
MethodTarget: TypeAlias = CimClass | Reference | tuple[CimClass, Keys]
"""An instance, or a class for a static method."""

# The service waits for the operation timeout before it says so; the HTTP client must be more patient than that.
_HTTP_MARGIN = 10.0
_MAX_PAGES = 10_000
_MAX_EMPTY_PAGES = 20
# The method ran, but what it answered is too large to be sent: as good as no answer.
_ANSWER_LOST = "EncodingLimit"
# Option by which the native client names the properties that a Put changes, one option each.
_MODIFIED = "wmiarray:__MIInstanceModifiedPropertiesList"

_T = TypeVar("_T")


class CimSession:
    """CIM operations on one host, one HTTP request each (a query: one per page).

    Reads are repeated: after a quota fault with the waits of ``backoff``, and once after a dropped connection (a query
    starts again; the transport repeats the other reads).  Writes never are: see ``outcome_unknown`` of
    :class:`.errors.CimError`.

    An answer must carry the ID of its request in ``RelatesTo``; a different one is a :class:`.errors.CimProtocolError`.
    An answer without any is accepted, because Windows itself leaves it out of some faults.

    Args:
        transport: carries the messages.
        operation_timeout: seconds that the service may take; Windows caps it at 60 unless it is configured otherwise.
        backoff: waits in seconds before a read is tried again after a quota fault.
        sleep: waits; for tests.
        new_message_id: makes message IDs; for tests.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        operation_timeout: float = 60,
        backoff: Sequence[float] = (1.0, 2.0, 4.0),
        sleep: Callable[[float], None] = time.sleep,
        new_message_id: Callable[[], str] = envelope.message_id,
    ) -> None:
        self._transport = transport
        self._timeout = operation_timeout
        self._backoff = tuple(backoff)
        self._sleep = sleep
        self._new_message_id = new_message_id
        self.requests_sent = 0
        self.bytes_sent = 0

    @property
    def endpoint(self) -> str:
        """URL of the host's WS-Management service."""
        return self._transport.endpoint

    def __enter__(self) -> CimSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    # --- reading ----------------------------------------------------------------------------------------------------

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        """Return the instances that match ``where``, a WQL condition (:func:`.envelope.wql_quote` for literals).

        With ``limit`` (1 or more), these are the first ones that the host finds, and the rest of the query is given
        back to it unread.

        Ask for ``properties`` by name wherever possible: it keeps pages small.  A property that this version of
        Windows does not have makes the whole query fail with :class:`.errors.CimInvalidClass`.
        """
        query = envelope.wql(cim_class.name, properties, where)
        if limit is not None and limit < 1:
            raise ValueError(f"limit: {limit} is less than 1")
        items = self._enumerate(cim_class.query_uri, envelope.enumerate_body(query, limit=limit), limit=limit)
        return self._reading(
            lambda: [parse_instance(item.element, cim_class, properties) for item in items if item.element is not None]
        )

    def query_with_references(self, cim_class: CimClass, where: str = "") -> list[tuple[Instance, Reference]]:
        """Return whole instances together with the references by which the host itself would name them.

        For classes whose keys are not documented.
        """
        # A class URI with a WQL filter is refused, and without a filter no query is needed.
        query = envelope.wql(cim_class.name, None, where) if where else ""
        uri = cim_class.query_uri if where else cim_class.uri
        items = self._enumerate(uri, envelope.enumerate_body(query, with_references=True))
        return [self._with_reference(item, cim_class) for item in items]

    def get(self, cim_class: CimClass, keys: Keys) -> Instance:
        """Return one instance by its keys (none for a class with a single instance without key)."""
        answer = self._exchange(envelope.ACTION_GET, cim_class.uri, "", selectors=keys)
        element = first_instance(answer.body)
        if element is None:
            raise self._unusable("The answer to Get holds no instance.")
        return self._reading(lambda: parse_instance(element, cim_class))

    # --- methods and writing ----------------------------------------------------------------------------------------

    def invoke(
        self,
        target: MethodTarget,
        method: str,
        *,
        accept: Collection[int] = (0,),
        writes: bool = True,
        **parameters: Value,
    ) -> Instance:
        """Call a method and return its out parameters.

        ``None`` parameters are left out.  A return value that is not in ``accept`` raises
        :class:`.errors.CimMethodError`.  ``writes=False`` is for methods that only read; they are repeated like any
        other read.
        """
        cim_class, uri, selectors = _method_target(target)
        types = _method_types(cim_class, method)
        body = envelope.input_body(method, uri, parameters, types)
        answer = self._exchange(f"{uri}/{method}", uri, body, selectors=selectors, writes=writes)
        output = self._reading(lambda: parse_output(answer.body, types), writes=writes)
        code = normalise_code(output.get("ReturnValue"))
        if code is not None and code not in {value & 0xFFFFFFFF for value in accept}:
            name = cim_class.name if cim_class else uri.rpartition("/")[2]
            reason = f"{name}.{method} did not succeed"
            raise CimMethodError(reason, code=code, provider_code=code, http_status=self._transport.last_status)
        return output

    def put(self, target: InstanceTarget, properties: Mapping[str, Value]) -> Instance | None:
        """Change ``properties`` of one instance; return it as the host sends it back, ``None`` when it sends nothing.

        The changed properties are named in the request, as the native client does, so that no other one is touched.
        """
        cim_class, uri, selectors = _instance_target(target)
        name = cim_class.name if cim_class else uri.rpartition("/")[2]
        changed = {key.lower() for key in properties}
        # Selectors are text already, whatever the type of their property.
        keys = {key: value for key, value in selectors.items() if key[:2] != "__" and key.lower() not in changed}
        types = cim_class.fields if cim_class else NO_TYPES
        body = envelope.instance_body(name, uri, properties, types, keys=keys, write_nil=True)
        options = [(_MODIFIED, key) for key in properties]
        answer = self._exchange(envelope.ACTION_PUT, uri, body, selectors=selectors, options=options, writes=True)
        element = first_instance(answer.body)
        return None if element is None else self._reading(lambda: parse_instance(element, cim_class), writes=True)

    def create(self, cim_class: CimClass, properties: Mapping[str, Value]) -> Reference:
        """Make a new instance and return its reference (Windows 8 and Server 2012 or newer)."""
        body = envelope.instance_body(cim_class.name, cim_class.uri, properties, cim_class.fields)
        answer = self._exchange(envelope.ACTION_CREATE, cim_class.uri, body, writes=True)
        reference = self._reading(lambda: parse_created(answer.body), writes=True)
        if reference is None:
            raise self._unusable("The answer to Create does not say what was created.", writes=True)
        return Reference(reference.resource_uri or cim_class.uri, reference.selectors, cim_class)

    def delete(self, target: InstanceTarget) -> None:
        """Delete one instance (Windows 8 and Server 2012 or newer)."""
        _ignored, uri, selectors = _instance_target(target)
        self._exchange(envelope.ACTION_DELETE, uri, "", selectors=selectors, writes=True)

    # --- enumerations -----------------------------------------------------------------------------------------------

    def _enumerate(self, uri: str, body: str, *, limit: int | None = None) -> list[Item]:
        """Return all items, or the first ``limit`` ones.

        The query is started a second time when the host lost its place in it.
        A Pull moves the enumeration on, so it cannot be repeated without losing a page; the whole query can.
        """
        for restarted in (False, True):
            answer = self._exchange(envelope.ACTION_ENUMERATE, uri, body)
            page = self._page(answer)
            try:
                return self._all_items(uri, page, limit)
            except (CimConnectionError, CimFault) as error:
                if restarted or not _place_lost(error):
                    raise
        raise AssertionError("unreachable")

    def _all_items(self, uri: str, page: Page, limit: int | None) -> list[Item]:
        items = list(page.items)
        empty = 0
        for _ignored in range(_MAX_PAGES):
            if limit is not None and len(items) >= limit:
                self._release(uri, page.context)
                return items[:limit]
            if not page.context:
                return items
            page = self._next_page(uri, page.context, None if limit is None else limit - len(items))
            items += page.items
            empty = 0 if page.items else empty + 1
            if empty > _MAX_EMPTY_PAGES:
                break
        self._release(uri, page.context)
        raise self._unusable("The enumeration does not come to an end.")

    def _next_page(self, uri: str, context: str, limit: int | None) -> Page:
        try:
            body = envelope.pull_body(context, limit=limit)
            answer = self._exchange(envelope.ACTION_PULL, uri, body, repeatable=False)
            return self._page(answer)
        except (CimProtocolError, CimFault) as error:
            # After a broken connection there is nothing to be said to the host any more.
            if not _place_lost(error):
                self._release(uri, context)
            raise

    def _page(self, answer: Answer) -> Page:
        return self._reading(lambda: parse_page(answer.body))

    def _release(self, uri: str, context: str) -> None:
        """Give the enumeration back: the host counts open ones against a quota.  It is no loss when that fails."""
        if context:
            with suppress(CimError):
                self._once(envelope.ACTION_RELEASE, uri, envelope.release_body(context))

    def _with_reference(self, item: Item, cim_class: CimClass) -> tuple[Instance, Reference]:
        if item.element is None:
            raise self._unusable("The host sent references without instances.")
        element, reference = item.element, item.reference
        instance = self._reading(lambda: parse_instance(element, cim_class))
        if reference is None and cim_class.keys and all(instance.get(key) is not None for key in cim_class.keys):
            reference = Reference(cim_class.uri, {key: str(instance[key]) for key in cim_class.keys})
        if reference is None:
            raise self._unusable("The host sent instances without references.")
        uri = reference.resource_uri
        if not uri or uri.endswith("/*"):
            uri = cim_class.uri
        return instance, Reference(uri, reference.selectors, cim_class)

    # --- one exchange -----------------------------------------------------------------------------------------------

    def _exchange(
        self,
        action: str,
        uri: str,
        body: str,
        *,
        selectors: Mapping[str, Any] | None = None,
        options: Sequence[tuple[str, str]] = (),
        writes: bool = False,
        repeatable: bool = True,
    ) -> Answer:
        """Send one request and return its answer; reads are repeated after a quota fault."""
        for delay in (*self._backoff, None):
            try:
                return self._once(
                    action, uri, body, selectors=selectors, options=options, writes=writes, repeatable=repeatable
                )
            except CimQuotaError:
                if writes or delay is None:
                    raise
                self._sleep(delay)
        raise AssertionError("unreachable")

    def _once(
        self,
        action: str,
        uri: str,
        body: str,
        *,
        selectors: Mapping[str, Any] | None = None,
        options: Sequence[tuple[str, str]] = (),
        writes: bool = False,
        repeatable: bool = False,
    ) -> Answer:
        message = self._new_message_id()
        request = envelope.build(
            action,
            uri,
            body,
            to=self._transport.endpoint,
            message=message,
            timeout=self._timeout,
            selectors=selectors,
            options=options,
        )
        self.requests_sent += 1
        self.bytes_sent += len(request)
        try:
            data = self._transport.send(
                request, timeout=self._timeout + _HTTP_MARGIN, idempotent=repeatable and not writes
            )
        except CimTransportError as error:
            error.outcome_unknown = writes and error.sent
            raise
        answer = self._reading(lambda: parse_answer(data), writes=writes)
        if answer.relates_to is not None and _bare_id(answer.relates_to) != _bare_id(message):
            raise self._unusable("The host answered a different request than the one sent.", writes=writes)
        if answer.fault is not None:
            fault = fault_from(answer.fault, http_status=self._transport.last_status)
            fault.outcome_unknown = writes and (isinstance(fault, CimTimedOut) or fault.subcode == _ANSWER_LOST)
            raise fault
        return answer

    def _reading(self, read: Callable[[], _T], *, writes: bool = False) -> _T:
        """Run a parser; what it complains about gets the endpoint, and the warning when a write may have happened."""
        try:
            return read()
        except CimProtocolError as error:
            raise self._unusable(error.message, writes=writes) from None

    def _unusable(self, message: str, *, writes: bool = False) -> CimProtocolError:
        error = CimProtocolError(
            message, endpoint=self._transport.endpoint, sent=True, http_status=self._transport.last_status
        )
        error.outcome_unknown = writes
        return error


def _bare_id(message_id: str) -> str:
    return message_id.strip().rpartition(":")[2].lower()


def _place_lost(error: CimError) -> bool:
    if isinstance(error, CimConnectionError):
        return error.dropped
    return isinstance(error, CimFault) and error.code == CODE_INVALID_CONTEXT


def _instance_target(target: InstanceTarget) -> tuple[CimClass | None, str, Mapping[str, Any]]:
    if isinstance(target, Reference):
        return target.cim_class, target.resource_uri, target.selectors
    cim_class, keys = target
    return cim_class, cim_class.uri, keys


def _method_target(target: MethodTarget) -> tuple[CimClass | None, str, Mapping[str, Any]]:
    if isinstance(target, CimClass):
        return target, target.uri, {}
    return _instance_target(target)


def _method_types(cim_class: CimClass | None, method: str) -> Mapping[str, str]:
    return cim_class.methods.get(method, NO_TYPES) if cim_class else NO_TYPES
