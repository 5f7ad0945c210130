# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: JSON over HTTP on a port of its own, for tests and the demo; see `kmslab.control` for a client.

GET /machines; GET /machines/NAME; PATCH /machines/NAME
GET /requests[?machine=NAME]; DELETE /requests
GET /totals; GET /totals/machines: what was asked in all, and of each machine
GET /faults; POST /faults; DELETE /faults
GET /settings; PATCH /settings: see `kmslab.switches`
POST /clock {"advance_minutes": N}
GET /dns/ZONE; PUT /dns/ZONE
POST /reset
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from .faults import BadRule, Injector, parse_rule
from .record import Recorder
from .switches import Switches
from .wsman.endpoint import Endpoint
from .wsman.http import Answer, HttpRequest, HttpResponse, Wire

if TYPE_CHECKING:
    from .server import EstateLike


class ApiError(Exception):
    """A request that cannot be carried out: HTTP status and what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class _Call:
    """A request to the API: the path behind the collection's name, the query, the JSON body."""

    name: str
    query: Mapping[str, Sequence[str]]
    data: Any


_Handler = Callable[[_Call], Awaitable[Any]]


class ControlApi:
    """The handler for an `HttpServer`."""

    def __init__(
        self,
        estate: EstateLike,
        *,
        endpoint: Endpoint,
        recorder: Recorder,
        injector: Injector,
        switches: Switches,
        wire: Wire,
    ) -> None:
        self._estate = estate
        self._switches = switches
        self._at_start = switches.as_json()
        self._wire = wire
        self._endpoint = endpoint
        self._recorder = recorder
        self._injector = injector
        # (method, collection, whether a name follows) -> handler
        self._routes: dict[tuple[str, str, bool], _Handler] = {
            ("GET", "machines", False): self._machines,
            ("GET", "machines", True): self._machine,
            ("PATCH", "machines", True): self._patch,
            ("GET", "requests", False): self._requests,
            ("DELETE", "requests", False): self._clear_requests,
            ("GET", "totals", False): self._totals,
            ("GET", "totals", True): self._totals_by_machine,
            ("GET", "settings", False): self._settings,
            ("PATCH", "settings", False): self._change_settings,
            ("GET", "faults", False): self._faults,
            ("POST", "faults", False): self._add_fault,
            ("DELETE", "faults", False): self._clear_faults,
            ("POST", "clock", False): self._clock,
            ("GET", "dns", True): self._zone,
            ("PUT", "dns", True): self._put_zone,
            ("POST", "reset", False): self._reset,
        }

    def handle(self, http: HttpRequest) -> Answer:
        """Answer one HTTP request."""
        return self._answer(http)

    async def _answer(self, http: HttpRequest) -> HttpResponse:
        try:
            return _json(200, await self._route(http))
        except ApiError as error:
            return _json(error.status, {"error": error.message})

    async def _route(self, http: HttpRequest) -> Any:
        parts = urlsplit(http.path)
        collection, slash, name = parts.path.lstrip("/").partition("/")
        key = (http.method, collection, bool(slash and name))
        handler = self._routes.get(key)
        if handler is None:
            known = any(route[1:] == key[1:] for route in self._routes)
            raise ApiError(405 if known else 404, f"there is no {http.method} {parts.path}")
        try:
            data = json.loads(http.body) if http.body else None
        except ValueError:
            raise ApiError(400, "the body is not JSON") from None
        return await handler(_Call(unquote(name), parse_qs(parts.query), data))

    async def _alone(self, change: Callable[[], object]) -> None:
        """Run a change of the estate in a thread (it may ask the lab's DNS), with no request going on meanwhile."""
        async with self._endpoint.gate.alone():
            try:
                await asyncio.get_running_loop().run_in_executor(None, change)
            except KeyError as error:
                raise ApiError(404, f"there is no {error.args[0] if error.args else error}") from None
            except (ValueError, TypeError) as error:
                raise ApiError(400, str(error)) from None

    def _known(self, name: str) -> str:
        for known in self._estate.names():
            if known.lower() == name.lower():
                return known
        raise ApiError(404, f"there is no machine {name}")

    # -- machines ---------------------------------------------------------------------------------------------------

    async def _machines(self, call: _Call) -> Any:
        return list(self._estate.names())

    async def _machine(self, call: _Call) -> Any:
        name = self._known(call.name)
        return {
            **self._estate.describe(name),
            "open_enumerations": self._endpoint.open_enumerations(name),
            "open_shells": self._endpoint.open_shells(name),
        }

    async def _patch(self, call: _Call) -> Any:
        name = self._known(call.name)
        if not isinstance(call.data, dict):
            raise ApiError(400, "a change is a JSON object")
        await self._alone(lambda: self._estate.patch(name, call.data))
        return self._estate.describe(name)

    # -- requests and faults ----------------------------------------------------------------------------------------

    async def _requests(self, call: _Call) -> Any:
        machine = call.query.get("machine", [""])[0]
        return self._recorder.entries(self._known(machine) if machine else None)

    async def _clear_requests(self, call: _Call) -> Any:
        self._recorder.clear()
        self._clear_wire()
        return {}

    def _clear_wire(self) -> None:
        self._wire.connections = self._wire.bytes_in = self._wire.bytes_out = 0

    async def _faults(self, call: _Call) -> Any:
        return self._injector.entries()

    async def _totals(self, call: _Call) -> Any:
        """Since the last DELETE /requests but for the lab's own CPU time and memory, which are those of its process."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **self._recorder.totals(),
            "wire": dataclasses.asdict(self._wire),
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_rss_bytes": used.ru_maxrss * 1024,
        }

    async def _totals_by_machine(self, call: _Call) -> Any:
        if call.name != "machines":
            raise ApiError(404, f"there is no /totals/{call.name}")
        return self._recorder.totals_by_machine()

    async def _settings(self, call: _Call) -> Any:
        return self._switches.as_json()

    async def _change_settings(self, call: _Call) -> Any:
        try:
            self._switches.change(call.data)
        except ValueError as error:
            raise ApiError(400, str(error)) from None
        return self._switches.as_json()

    async def _add_fault(self, call: _Call) -> Any:
        """One rule; or, with `machines` instead of `machine`, the same one for each of many machines."""
        data = dict(call.data) if isinstance(call.data, dict) else call.data
        names = data.pop("machines", None) if isinstance(data, dict) else None
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ApiError(400, "machines is a list of names")
        try:
            rules = [parse_rule(data if names is None else {**data, "machine": name}) for name in names or ("",)]
        except BadRule as error:
            raise ApiError(400, str(error)) from None
        known = {name.lower() for name in self._estate.names()} | {"*"}
        for rule in rules:
            if rule.machine not in known:
                raise ApiError(404, f"there is no machine {rule.machine}")
        for rule in rules:
            self._injector.add(rule)
        return {}

    async def _clear_faults(self, call: _Call) -> Any:
        self._injector.clear()
        return {}

    # -- the estate -------------------------------------------------------------------------------------------------

    async def _clock(self, call: _Call) -> Any:
        minutes = call.data.get("advance_minutes") if isinstance(call.data, dict) else None
        if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 0:
            raise ApiError(400, "advance_minutes is a whole number, 0 or more")
        await self._alone(lambda: self._estate.advance(minutes))
        return {}

    def _zone_of(self, zone: str) -> Any:
        try:
            return self._estate.zone_records(zone)
        except KeyError:
            raise ApiError(404, f"there is no zone {zone}") from None

    async def _zone(self, call: _Call) -> Any:
        return self._zone_of(call.name)

    async def _put_zone(self, call: _Call) -> Any:
        await self._alone(lambda: self._estate.put_zone_records(call.name, call.data))
        return self._zone_of(call.name)

    async def _reset(self, call: _Call) -> Any:
        await self._alone(self._estate.reset)
        self._endpoint.reset()
        self._recorder.clear()
        self._clear_wire()
        self._injector.clear()
        self._switches.change(self._at_start)
        return {}


def _json(status: int, data: Any) -> HttpResponse:
    return HttpResponse(status=status, body=json.dumps(data).encode(), content_type="application/json")
