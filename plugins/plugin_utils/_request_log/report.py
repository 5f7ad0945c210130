# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of host_requests_info: read, understand, judge."""

from __future__ import annotations

from typing import Any

from .._cim.session import CimSession
from .._licensing.reading import Reader, Scope, State
from .._licensing.report import kms_host_result
from . import findings, summary
from .events import (
    ANSWER_PROCESSED,
    PUBLISHED,
    PUBLISHING_FAILED,
    REQUEST_PROCESSED,
    REQUEST_SENT,
    SERVICE_FAILED,
    TIMER_FAILED,
    Event,
)
from .products import known_names
from .reading import (
    APPLICATION_LOG,
    KMS_LOG,
    SERVICE_EVENTS_LIMIT,
    Extract,
    Window,
    Wish,
    read_log,
    window_of,
)

_SERVICE_EVENTS = (SERVICE_FAILED, TIMER_FAILED, PUBLISHING_FAILED, PUBLISHED)


def read_requests(session: CimSession, wish: Wish) -> dict[str, Any]:
    """The result of the module; nothing is written."""
    window = window_of(session, wish)
    state = Reader(session, Scope("all")).read()
    return (_of_client if wish.side == "client" else _of_host)(session, wish, window, state)


def _of_host(session: CimSession, wish: Wish, window: Window, state: State) -> dict[str, Any]:
    extract = read_log(session, KMS_LOG, (REQUEST_PROCESSED,), window, limit=wish.limit)
    of_service = read_log(
        session, APPLICATION_LOG, _SERVICE_EVENTS, window, limit=SERVICE_EVENTS_LIMIT, of_service=True
    )
    service_events = _readable(of_service)
    events = _readable(extract)
    products = _products(state)
    clients = summary.clients_of(events)
    duplicates = summary.duplicates_of(clients)
    host = next((item for item in state.products if item.key_channel == "csvlk"), None)
    kms_host = kms_host_result(state.service, host)
    found = findings.of_host(clients, duplicates, extract, service_events, kms_host, since=window.since.isoformat())
    return {
        **_common(wish, window, extract, found),
        "requests": summary.host_requests(events, products),
        "results": summary.results_of(events),
        "clients": [client.as_result(products) for client in clients],
        "duplicates": duplicates,
        "unique_client_machine_ids": len(clients),
        "kms_host": kms_host,
        "service_events": [summary.service_result(event) for event in service_events],
    }


def _of_client(session: CimSession, wish: Wish, window: Window, state: State) -> dict[str, Any]:
    numbers = (REQUEST_SENT, ANSWER_PROCESSED)
    extract = read_log(session, APPLICATION_LOG, numbers, window, limit=wish.limit, of_service=True)
    events = _readable(extract)
    return {
        **_common(wish, window, extract, findings.of_client(extract, since=window.since.isoformat())),
        "requests": summary.client_requests(events, _products(state)),
        "results": summary.results_of(events),
    }


def _common(wish: Wish, window: Window, extract: Extract, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "side": wish.side,
        "since": window.since.isoformat(),
        "until": (window.until or window.now).isoformat(),
        "truncated": extract.truncated,
        "unreadable": sum(event.fields is None for event in extract.events),
        "findings": found,
        "worst": findings.worst(found),
        "pending": False,
        "msg": findings.sentence(found),
    }


def _readable(extract: Extract) -> list[Event]:
    return [event for event in extract.events if event.fields is not None]


def _products(state: State) -> summary.Products:
    """The machine's own products with a key, and what the collection knows besides."""
    own = {item.activation_id.lower(): item.name for item in state.products if item.name}
    return summary.known_products({**known_names(), **own})
