# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint: /<machine>/wsman for every machine, from an HTTP request to an HTTP response.

Reads are answered at once on the event loop; methods that write run in worker threads, one at a time per machine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

from ..cim import MachineView, WmiError
from ..faults import Injector, Rule
from ..record import Exchange, Recorder
from ..switches import Switches
from . import names
from .auth import BasicScheme, LostContext, Scheme, Session, Unencrypted
from .enumeration import Enumerations
from .envelope import Request, check_request, is_identify, open_envelope, read_request, write_envelope
from .faults import Details, Fault, Scene, Shape, provider_fault, render_fault
from .http import DROPPED, Answer, Handler, HttpRequest, HttpResponse
from .operations import (
    Operations,
    Outcome,
    Purpose,
    Reply,
    Traits,
    check_rights,
    identify_body,
    purpose,
    read_traits,
)
from .resources import is_shell
from .shells import Shells

BANNER = "Microsoft-HTTPAPI/2.0"
_PATH = re.compile(r"/([^/]+)/wsman/?\Z", re.IGNORECASE)
#: The path where a port is that of one machine, as on Windows.
_OWN_PATH = re.compile(r"/wsman/?\Z", re.IGNORECASE)


class Gate:
    """Lets many in, or one alone: changes to the whole estate wait for running methods and hold back new ones."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._inside = 0
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether nobody is alone inside, or waits to be."""
        return self._open.is_set()

    async def wait(self) -> None:
        """Until the gate is open."""
        await self._open.wait()

    def enter(self) -> None:
        """One of many goes in; only while the gate is open."""
        self._inside += 1
        self._idle.clear()

    def leave(self) -> None:
        """One of many goes out."""
        self._inside -= 1
        if self._inside == 0:
            self._idle.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one inside."""
        async with self._turn:
            self._open.clear()
            try:
                await self._idle.wait()
                yield
            finally:
                self._open.set()


@dataclass
class _Machine:
    """What the endpoint keeps per machine."""

    traits: Traits
    enumerations: Enumerations
    shells: Shells = field(default_factory=Shells)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class _Login:
    """Who sent a request, by which session, and the token that its answer has to carry (mutual authentication)."""

    account: str
    session: Session
    challenge: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("WWW-Authenticate", self.challenge),) if self.challenge else ()


@dataclass
class _Visit:
    """One request on its way: where it goes, who sent it, what it says."""

    view: MachineView
    machine: _Machine
    login: _Login
    http: HttpRequest
    request: Request
    purpose: Purpose
    identify: bool = False
    refusal: HttpResponse = DROPPED
    """What this listener answers to somebody who may not log on."""
    problem: Fault | None = None
    """A fault found while the envelope was read."""

    @property
    def scene(self) -> Scene:
        dmtf = self.request.resource_uri.lower().startswith(names.DMTF_URI.lower())
        host = self.request.host or self.view.name
        return Scene(self.view.locale, self.view.name, host, self.machine.traits.modern, dmtf)


class Endpoint:
    """All machines' WS-Management services behind one handler for `HttpServer`."""

    def __init__(
        self,
        view: Callable[[str], MachineView | None],
        *,
        recorder: Recorder,
        injector: Injector,
        switches: Switches | None = None,
        workers: int = 8,
    ) -> None:
        self._view = view
        self._switches = Switches() if switches is None else switches
        self._recorder = recorder
        self._injector = injector
        self._machines: dict[str, _Machine] = {}
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="wmi")
        self.gate = Gate()

    def reset(self) -> None:
        """Forget open enumerations and shells, and what was learnt about the machines."""
        self._machines.clear()

    def close(self) -> None:
        """Let the worker threads end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def open_enumerations(self, name: str) -> int:
        """How many unfinished enumerations a machine holds for its clients."""
        machine = self._machines.get(name.lower())
        return len(machine.enumerations) if machine is not None else 0

    def open_shells(self, name: str) -> int:
        """How many remote shells a machine's clients have open."""
        machine = self._machines.get(name.lower())
        return len(machine.shells) if machine is not None else 0

    # -- HTTP -------------------------------------------------------------------------------------------------------

    def listener(self, schemes: Sequence[Scheme] = (BasicScheme(),), *, machine: str | None = None) -> Handler:
        """A handler for a listener that offers these authentication schemes.

        With a machine's name it serves that one alone, at the path /wsman; without, all, at /<machine>/wsman.
        """
        offered = {scheme.name.lower(): scheme for scheme in schemes}
        return lambda http: self._handle(http, offered, machine)

    def _addressed(self, http: HttpRequest, machine: str | None) -> MachineView | None:
        pattern = _PATH if machine is None else _OWN_PATH
        path = pattern.match(unquote(http.path.partition("?")[0]))
        return self._view(machine or path[1]) if path is not None else None

    def _handle(self, http: HttpRequest, schemes: Mapping[str, Scheme], machine: str | None) -> Answer:
        view = self._addressed(http, machine)
        if view is None:
            return HttpResponse(status=404)
        if not view.powered:
            return DROPPED
        if http.method != "POST":
            return HttpResponse(status=405, headers=(("Allow", "POST"),))
        if http.headers.get("wsmanidentify", "").lower() == "unauthenticated":
            return self._identify_anonymous(view, http, schemes)
        login = self._authenticate(view, http, schemes)
        if isinstance(login, HttpResponse):
            return login
        content_type = http.headers.get("content-type", "")
        try:
            envelope = login.session.unwrap(http.body, content_type)
        except LostContext:
            return HttpResponse(status=400, close=True)
        except Unencrypted:
            return _unauthorized(schemes)
        if not envelope:
            return HttpResponse(headers=login.headers)  # what a client sends only to log on
        visit = self._read(view, login, envelope, content_type, http=http)
        visit.refusal = _unauthorized(schemes)
        rule = self._injector.take(machine=view.name, action=visit.request.action, method=visit.purpose.method)
        if rule is None and not visit.machine.lock.locked() and self.gate.is_open:
            return self._at_once(visit)
        return self._later(visit, rule)

    def _authenticate(
        self, view: MachineView, http: HttpRequest, schemes: Mapping[str, Scheme]
    ) -> HttpResponse | _Login:
        """The login, or the 401 with which the exchange goes on."""
        key = ("login", view.name.lower())
        known = http.connection.get(key)
        header = http.headers.get("authorization", "")
        scheme_name, _ignored, token = header.partition(" ")
        scheme = schemes.get(scheme_name.lower())
        if scheme is None:
            return cast(_Login, known) if not header and known is not None else _unauthorized(schemes)
        place = (scheme.name, view.name.lower())
        session = cast("Session | None", http.connection.get(place))
        if session is None or not scheme.sticky:
            session = scheme.session(view.name, view.accounts, http.peer)
            http.connection[place] = session
        step = session.step(token.strip())
        if step.account is None:
            if step.challenge:
                return HttpResponse(status=401, headers=(("WWW-Authenticate", step.challenge),))
            http.connection.pop(place, None)
            return _unauthorized(schemes)
        if scheme.sticky:
            http.connection[key] = _Login(step.account, session)
        return _Login(step.account, session, step.challenge)

    def _machine(self, view: MachineView) -> _Machine:
        key = view.name.lower()
        machine = self._machines.get(key)
        if machine is None:
            traits = read_traits(view)
            machine = self._machines[key] = _Machine(traits, Enumerations(limit=traits.quota))
        return machine

    def _identify_anonymous(self, view: MachineView, http: HttpRequest, schemes: Mapping[str, Scheme]) -> HttpResponse:
        try:
            _ignored, children = open_envelope(http.body, http.headers.get("content-type", ""))
        except Fault:
            children = ()
        if not is_identify(children):
            return _unauthorized(schemes)
        return HttpResponse(
            body=_identify_envelope(view, self._machine(view).traits, anonymous=True), content_type=names.CONTENT_TYPE
        )

    # -- messages ---------------------------------------------------------------------------------------------------

    def _read(
        self, view: MachineView, login: _Login, envelope: bytes, content_type: str, *, http: HttpRequest
    ) -> _Visit:
        visit = _Visit(view, self._machine(view), login, http, Request(), Purpose("read"))
        try:
            header, children = open_envelope(envelope, content_type)
            if is_identify(children):
                visit.identify = True
                visit.request = Request(action=names.IDENTITY)
                return visit
            visit.request = read_request(header, children)
            visit.purpose = purpose(visit.request, view)
            visit.request = check_request(visit.request)
        except Fault as fault:
            visit.problem = fault
        return visit

    def _run(self, visit: _Visit) -> Outcome:
        if visit.problem is not None:
            raise visit.problem
        check_rights(visit.request, visit.view.accounts[visit.login.account][1])
        if is_shell(visit.request.resource_uri):
            swallow = self._switches.swallow_modules
            return visit.machine.shells.run(visit.request, visit.view, visit.login.account, swallow=swallow)
        operations = Operations(
            visit.view,
            account=visit.login.account,
            traits=visit.machine.traits,
            enumerations=visit.machine.enumerations,
        )
        return operations.run(visit.request)

    def _at_once(self, visit: _Visit) -> Answer:
        if visit.identify:
            return self._send(visit, 200, _identify_envelope(visit.view, visit.machine.traits, anonymous=False))
        try:
            outcome = self._run(visit)
        except Fault as fault:
            return self._send(visit, 500, _fault_envelope(visit, fault))
        if not isinstance(outcome, Reply):
            return self._later(visit, None)
        return self._send(visit, *_reply_envelope(visit, outcome))

    async def _later(self, visit: _Visit, rule: Rule | None) -> HttpResponse:
        if rule is None:
            return self._send(visit, *await self._carry_out(visit))
        if rule.kind == "delay":
            await asyncio.sleep(rule.seconds)
        if rule.kind == "hang":
            await visit.http.when_closed()
        status, envelope = await self._carry_out(visit) if rule.runs else (0, b"")
        return self._spoil(visit, rule, status, envelope)

    async def _carry_out(self, visit: _Visit) -> tuple[int, bytes]:
        if visit.identify:
            return 200, _identify_envelope(visit.view, visit.machine.traits, anonymous=False)
        try:
            return _reply_envelope(visit, await self._locked(visit))
        except Fault as fault:
            return 500, _fault_envelope(visit, fault)

    async def _locked(self, visit: _Visit) -> Reply:
        """The reply, worked out with the machine's lock held; a method keeps it even after its client timed out."""
        lock, gate = visit.machine.lock, self.gate
        while True:
            await gate.wait()
            await lock.acquire()
            if gate.is_open:
                break
            lock.release()
        gate.enter()
        handed_over = False

        def leave(_ignored: object = None) -> None:
            gate.leave()
            lock.release()

        try:
            outcome = self._run(visit)
            if isinstance(outcome, Reply):
                return outcome
            future = asyncio.get_running_loop().run_in_executor(self._pool, outcome.run)
            handed_over = True
            future.add_done_callback(leave)
            done, _ignored = await asyncio.wait({future}, timeout=visit.request.timeout.total_seconds())
            if not done:
                future.add_done_callback(lambda late: late.cancelled() or late.exception())
                raise Fault("timed_out")
            try:
                return outcome.finish(future.result())
            except WmiError as error:
                raise provider_fault(error) from None
        finally:
            if not handed_over:
                leave()

    # -- answers ----------------------------------------------------------------------------------------------------

    def _send(self, visit: _Visit, status: int, envelope: bytes) -> HttpResponse:
        body, content_type = visit.login.session.wrap(envelope)
        response = HttpResponse(status=status, body=body, content_type=content_type, headers=visit.login.headers)
        return self._note(visit, response)

    def _note(self, visit: _Visit, response: HttpResponse) -> HttpResponse:
        request = visit.request
        self._recorder.add(
            Exchange(
                machine=visit.view.name,
                action=request.action,
                resource=request.resource_uri,
                method=visit.purpose.method,
                kind=visit.purpose.kind,
                status=0 if response.drop else response.status,
                bytes_in=len(visit.http.body),
                bytes_out=len(response.body),
                message_id=request.message_id,
            )
        )
        return response

    def _spoil(self, visit: _Visit, rule: Rule, status: int, envelope: bytes) -> HttpResponse:
        """The response that a rule makes of the real one (status and envelope are 0 and empty if nothing was done)."""
        faults: dict[str, Callable[[], Fault]] = {
            "timed_out": lambda: Fault("timed_out"),
            "access_denied": lambda: Fault("access_denied"),
            "quota": lambda: Fault(
                "quota",
                Details(
                    parameters={"limit": visit.machine.traits.quota},
                    inner="quota_detail",
                    shape=cast(Shape | None, rule.shape or None),
                    by_generation=True,
                ),
            ),
            "fault": lambda: provider_fault(WmiError(rule.hresult), shape=cast(Shape | None, rule.shape or None)),
        }
        if rule.kind in faults:
            return self._send(visit, 500, _fault_envelope(visit, faults[rule.kind]()))
        spoilt: dict[str, Callable[[], HttpResponse]] = {
            "hang": lambda: DROPPED,
            "unauthorized": lambda: visit.refusal,
            "drop_before": lambda: DROPPED,
            "drop_after": lambda: DROPPED,
            "html": lambda: _page(200, "Sign in", "This network asks you to sign in."),
            "http_503": lambda: _page(503, "Service Unavailable", "HTTP Error 503. The service is unavailable."),
            "empty_400": lambda: HttpResponse(status=400, close=True),
        }
        if rule.kind in spoilt:
            return self._note(visit, spoilt[rule.kind]())
        changes: dict[str, Callable[[bytes], bytes]] = {
            "truncated": lambda whole: whole[: len(whole) // 2],
            "malformed": lambda whole: whole.replace(b"</s:Body>", b"</s:Bodi>", 1),
            "wrong_types": _with_wrong_types,
            "wrong_id": lambda whole: _RELATES_TO.sub(rb"\g<1>uuid:00000000-0000-0000-0000-000000000000", whole),
            "doctype": lambda whole: b'<!DOCTYPE e [<!ENTITY lab "lab">]>' + whole,
            "oversized": lambda whole: whole.replace(b"</s:Body>", b"</s:Body><!--" + b" " * rule.size + b"-->", 1),
        }
        if not envelope:
            status, envelope = 500, _fault_envelope(visit, Fault("internal"))
        return self._send(visit, status, changes[rule.kind](envelope) if rule.kind in changes else envelope)


_RELATES_TO = re.compile(rb"(<a:RelatesTo>)[^<]*")
_VALUE = re.compile(rb">(?:\d+|true|false)</")


def _with_wrong_types(envelope: bytes) -> bytes:
    """Numbers and truth values of the body become words."""
    head, mark, body = envelope.partition(b"<s:Body>")
    return head + mark + _VALUE.sub(b">plenty</", body)


def _unauthorized(schemes: Mapping[str, Scheme]) -> HttpResponse:
    return HttpResponse(
        status=401, headers=tuple(("WWW-Authenticate", scheme.challenge) for scheme in schemes.values())
    )


def _page(status: int, title: str, words: str) -> HttpResponse:
    # HTML as servers write it: not well-formed XML.
    meta = '<meta http-equiv="Content-Type" content="text/html; charset=us-ascii">'
    html = f"<!DOCTYPE html><html><head><title>{title}</title>{meta}</head><body><h2>{title}</h2><hr><p>{words}</body>"
    return HttpResponse(status=status, body=html.encode(), content_type="text/html; charset=us-ascii")


def _identify_envelope(view: MachineView, traits: Traits, *, anonymous: bool) -> bytes:
    return (
        f'<s:Envelope xml:lang="{view.locale}" xmlns:s="{names.SOAP}"><s:Header></s:Header><s:Body>'
        f"{identify_body(traits, anonymous=anonymous)}</s:Body></s:Envelope>"
    ).encode()


def _reply_envelope(visit: _Visit, reply: Reply) -> tuple[int, bytes]:
    envelope = write_envelope(
        reply.family,
        action=reply.action,
        body=reply.body,
        relates_to=visit.request.message_id,
        locale=visit.view.locale,
        header=reply.header,
        operation_id=visit.request.operation_id,
    )
    if len(envelope) > visit.request.max_envelope:
        return 500, _fault_envelope(visit, Fault("big_answer"))
    return 200, envelope


def _fault_envelope(visit: _Visit, fault: Fault) -> bytes:
    action, header, body = render_fault(fault, visit.scene)
    return write_envelope(
        "fault",
        action=action,
        body=body,
        relates_to=visit.request.message_id,
        locale=visit.view.locale,
        header=header,
        operation_id=visit.request.operation_id,
    )
