# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the requests.  Every judgement is a row of `RULES`, which the documentation is tested against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._licensing.hresult import NOT_ENOUGH_COUNT, describe, hex_code
from .events import ANSWER_PROCESSED, PUBLISHING_FAILED, REQUEST_SENT, SERVICE_FAILED, TIMER_FAILED, Event
from .reading import Extract
from .summary import REMEDIES, SEVERAL_IDS, SHARED_ID, Client, clock_difference

ERROR, WARNING, INFO, NONE = "error", "warning", "info", "none"
# Worst first.
SEVERITIES = (ERROR, WARNING, INFO)

CLOCK = 0xC004F06C
MISMATCH = 0xC004F042
#: Minutes; from 240 on a KMS host refuses the request.
CLOCK_NOTICED = 60
_NAMES_SHOWN = 5
_CLIENTS_LISTED = 50


class Rule(NamedTuple):
    """severity: error when machines are not activated because of it, warning when they may not be soon, info
    otherwise.  meaning: for the documentation.  message and remedy take {detail}, {code} and {number}; an empty remedy
    is that of the HRESULT."""

    severity: str
    meaning: str
    message: str
    remedy: str


RULES: dict[str, Rule] = {
    "duplicates_hold_count": Rule(
        ERROR,
        "The host has counted fewer machines than clients need, and several machines share a client machine ID, by "
        "which they are counted as one.",
        "The host has counted {detail} machines that are needed, and machines share an ID: {names}.",
        REMEDIES[SHARED_ID] + ".",
    ),
    "clock_wrong": Rule(
        ERROR,
        "The host refused the last request of a client because their clocks differ by more than four hours "
        "(0xC004F06C).",
        "The host refuses clients because their clocks differ from its own by more than 4 hours: {names}.",
        "Set the clocks right: let clients and host take the time from the domain or one time server, and look at "
        "w32tm /query /status on them. The time zone does not matter.",
    ),
    "product_not_covered": Rule(
        ERROR,
        "The host refused the last request of a client because its host key does not cover the client's product "
        "(0xC004F042).",
        "The host's key does not cover the products of these clients: {names}.",
        "Install a host key of the clients' generation or a newer one (winops.kms.host with key) and the updates of "
        "the host that newer clients need; for Office, install its volume licence pack and host key; or point these "
        "clients at another host.",
    ),
    "requests_refused": Rule(
        ERROR,
        "The last request of a client failed with any other code.",
        "The last requests of these clients failed with {code} ({detail}): {names}.",
        "",
    ),
    "service_failed": Rule(
        ERROR,
        "The Key Management Service could not start, or not set up its renewal timer (events 12291 and 12292).",
        "The Key Management Service of the host failed with {code} ({detail}).",
        "",
    ),
    "not_activated": Rule(
        ERROR,
        "No host has activated the client in its last attempt (only with side=client).",
        "The last request to {names} failed with {code} ({detail}).",
        "",
    ),
    "no_answer": Rule(
        ERROR,
        "The last request of the client was sent without an error, and no answer was processed after it (only with "
        "side=client).",
        "The last request was sent to {names}, and no answer followed.",
        "Look for the request in the log of that host (winops.kms.host_requests_info there), and check the network "
        "between them.",
    ),
    "not_a_kms_host": Rule(
        WARNING,
        "The machine is no KMS host now.",
        "This machine is no activated KMS host.",
        "Run the module on the KMS host, or make this one a KMS host with winops.kms.host.",
    ),
    "shared_client_machine_id": Rule(
        WARNING,
        "Several machines share a client machine ID, and the host has counted enough machines nevertheless.",
        "Machines share a client machine ID: {names}.",
        REMEDIES[SHARED_ID] + ".",
    ),
    "publishing_failed": Rule(
        WARNING,
        "The last time the host published itself in a DNS domain failed (event 12293).",
        "The host could not publish itself in {names}: {code} ({detail}).",
        "",
    ),
    "oldest_first": Rule(
        WARNING,
        "There are more events than the limit, and the host has sent its oldest ones first, so that the newest are "
        "missing.",
        "The host has sent the oldest of its events, and the limit of {number} cut off the newest.",
        "Ask for a shorter time (hours or since), so that it has fewer events than the limit.",
    ),
    "several_client_machine_ids": Rule(
        INFO,
        "A name has used several client machine IDs. Each of them is counted for 30 days.",
        "Names have used several client machine IDs: {names}.",
        REMEDIES[SEVERAL_IDS] + ".",
    ),
    "count_too_low": Rule(
        INFO,
        "Fewer machines have asked than clients need.",
        "{detail} machines that are needed have been counted.",
        "Wait until more machines have asked this KMS host; each is counted for 30 days. Do not spread a small fleet "
        "over several hosts.",
    ),
    "clock_differs": Rule(
        INFO,
        "The clocks of client and host differ by an hour or more, and by less than the four hours at which the host "
        "refuses. The time in a request is taken for UTC.",
        "The clocks of these clients differ from that of the host by an hour or more: {names}.",
        "Let clients and host take the time from the domain or one time server.",
    ),
    "no_requests": Rule(
        INFO,
        "There was no request in this time.",
        "Nobody has asked since {detail}.",
        "Nothing, if that was short: activated clients ask once in seven days. Otherwise see what clients find with "
        "winops.kms.discovery_info, and why they fail with winops.kms.host_requests_info and side=client on them.",
    ),
    "no_attempts": Rule(
        INFO,
        "The client has sent no request in this time (only with side=client).",
        "This machine has asked no KMS host since {detail}.",
        "Nothing, if that was short: an activated client asks once in seven days. Otherwise check with "
        "winops.kms.license_info that it has a client setup key, and activate it with winops.kms.activation.",
    ),
    "truncated": Rule(
        INFO,
        "There are more events in this time than the limit, so that only the newest were read.",
        "Only the newest {number} events were read; there are more in this time.",
        "Raise limit, or ask for a shorter time (hours, since and until), to see all of them.",
    ),
    "unreadable": Rule(
        INFO,
        "Events have another form than any that is known, and are left out.",
        "Events of an unknown form are left out: {number}.",
        "Report one of them, as the event viewer shows it in XML, to the collection.",
    ),
}


class _Raised(NamedTuple):
    code: str
    detail: str = ""
    names: Sequence[str] = ()
    number: int | None = None
    hresult: int | None = None


def of_host(
    clients: Sequence[Client],
    duplicates: Sequence[Mapping[str, Any]],
    extract: Extract,
    service_events: Sequence[Event],
    kms_host: Mapping[str, Any],
    *,
    since: str,
) -> list[dict[str, Any]]:
    """The findings on a KMS host, the worst first."""
    found = [
        *_of_count(duplicates, kms_host),
        *_of_failures(clients),
        *_of_clocks(clients),
        *_of_service(service_events),
        *_of_extract(extract, since, nothing="no_requests"),
    ]
    if not kms_host["is_kms_host"]:
        found.append(_Raised("not_a_kms_host"))
    return _sorted(found)


def of_client(extract: Extract, *, since: str) -> list[dict[str, Any]]:
    """The findings on a client, the worst first."""
    return _sorted([*_of_last_attempt(extract.events), *_of_extract(extract, since, nothing="no_attempts")])


def worst(found: Sequence[Mapping[str, Any]]) -> str:
    """The worst severity, or none."""
    return str(found[0]["severity"]) if found else NONE


def sentence(found: Sequence[Mapping[str, Any]]) -> str:
    """How many findings there are, and what the worst ones say."""
    counts = {severity: sum(one["severity"] == severity for one in found) for severity in SEVERITIES}
    told = ", ".join(f"{number} {severity}{'' if number == 1 else 's'}" for severity, number in counts.items())
    serious = [one["message"] for one in found if one["severity"] == worst(found) != INFO]
    return " ".join([f"{told}.", *serious])


def _of_count(duplicates: Sequence[Mapping[str, Any]], kms_host: Mapping[str, Any]) -> Iterator[_Raised]:
    count, required = kms_host["current_count"], kms_host["required_count"]
    short = bool(kms_host["is_kms_host"]) and count is not None and required is not None and count < required
    shared = [one for one in duplicates if one["kind"] == SHARED_ID]
    several = [one for one in duplicates if one["kind"] == SEVERAL_IDS]
    names = [name for one in shared for name in one["names"]]
    if shared and short:
        yield _Raised("duplicates_hold_count", f"{count} of {required}", names, len(shared))
    elif shared:
        yield _Raised("shared_client_machine_id", "", names, len(shared))
    elif short:
        yield _Raised("count_too_low", f"{count} of {required}")
    if several:
        yield _Raised("several_client_machine_ids", "", [one["names"][0] for one in several], len(several))


def _of_failures(clients: Sequence[Client]) -> Iterator[_Raised]:
    """Only the last request of a client counts: what failed before it is over."""
    rules = {CLOCK: "clock_wrong", MISMATCH: "product_not_covered"}
    failed: dict[int, list[Client]] = {}
    for client in clients:
        if client.last["code"]:
            failed.setdefault(client.last["code"], []).append(client)
    for code, those in failed.items():
        yield _Raised(rules.get(code, "requests_refused"), "", _names(those), len(those), code)


def _of_clocks(clients: Sequence[Client]) -> Iterator[_Raised]:
    wrong = [
        client
        for client in clients
        if client.last["code"] != CLOCK and abs(clock_difference(client.last) or 0) >= CLOCK_NOTICED
    ]
    if wrong:
        yield _Raised("clock_differs", "", _names(wrong), len(wrong))


def _names(clients: Sequence[Client]) -> list[str]:
    return [name for client in clients for name in client.names or [client.client_machine_id]]


def _of_service(events: Sequence[Event]) -> Iterator[_Raised]:
    """The newest event of each kind and domain tells how things are now."""
    failures = [event for event in events if event.event in (SERVICE_FAILED, TIMER_FAILED) and event["code"]]
    if failures:
        yield _Raised("service_failed", "", (), len(failures), failures[0]["code"])
    newest: dict[str, Event] = {}
    for event in events:
        if event["domain"]:
            newest.setdefault(event["domain"].lower(), event)
    for domain, event in newest.items():
        if event.event == PUBLISHING_FAILED:
            yield _Raised("publishing_failed", "", [domain], 1, event["code"])


def _of_extract(extract: Extract, since: str, *, nothing: str) -> Iterator[_Raised]:
    unreadable = sum(event.fields is None for event in extract.events)
    if unreadable:
        yield _Raised("unreadable", "", (), unreadable)
    if extract.oldest_first:
        yield _Raised("oldest_first", "", (), len(extract.events))
    elif extract.truncated:
        yield _Raised("truncated", "", (), len(extract.events))
    if not extract.events:
        yield _Raised(nothing, since)


def _of_last_attempt(events: Sequence[Event]) -> Iterator[_Raised]:
    """An attempt may ask several hosts, one after the other; an answer that was processed is the end of it."""
    order = sorted((event for event in events if event.fields), key=lambda event: event.record, reverse=True)
    if not order:
        return
    last = order[0]
    asked = next((event["server"] for event in order if event.event == REQUEST_SENT), None)
    names = [asked or "a KMS host"]
    if last["code"]:
        rule = "count_too_low" if last["code"] == NOT_ENOUGH_COUNT else "not_activated"
        detail = f"{last['current_count'] or 0} of the" if rule == "count_too_low" else ""
        yield _Raised(rule, detail, names, 1, last["code"])
    elif last.event != ANSWER_PROCESSED:
        yield _Raised("no_answer", "", names, 1)


def _sorted(found: Sequence[_Raised]) -> list[dict[str, Any]]:
    results = [_finding(raised) for raised in found]
    return sorted(results, key=lambda finding: SEVERITIES.index(finding["severity"]))


def _finding(raised: _Raised) -> dict[str, Any]:
    rule = RULES[raised.code]
    known = describe(raised.hresult) if raised.hresult is not None else None
    shown = ", ".join(raised.names[:_NAMES_SHOWN])
    more = len(raised.names) - _NAMES_SHOWN
    values = {
        "detail": raised.detail or (known.message.rstrip(".") if known else ""),
        "code": hex_code(raised.hresult) if raised.hresult is not None else "",
        "names": shown + (f" and {more} more" if more > 0 else ""),
        "number": raised.number,
    }
    return {
        "severity": rule.severity,
        "code": raised.code,
        "result_code": values["code"] or None,
        "clients": list(raised.names[:_CLIENTS_LISTED]),
        "message": rule.message.format(**values),
        "remedy": rule.remedy or (f"{known.remedy.rstrip('.')}." if known else ""),
    }
