# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records what a session says to a host, and writes it as a script that `tests/protocol` plays.

    recording = Recording("service", "Reads the service.")
    with RecordingSession(transport, recording) as session:
        session.query(SERVICE_CLASS, ["Version"])
    write([recording], folder, scrubber)

Messages are kept in memory; what is written has been scrubbed, played back and looked through.
"""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ansible_collections.winops.kms.plugins.plugin_utils._cim import namespaces as ns
from ansible_collections.winops.kms.plugins.plugin_utils._cim.envelope import escape
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimError,
    CimFault,
    CimTransportError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Reference
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._cim.transport import Transport
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import gvlk_table
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import APPLICATIONS
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.products import known_names
from ansible_collections.winops.kms.tests.live.scrub import Scrubber
from ansible_collections.winops.kms.tests.protocol import test_exchanges as runner

_T = TypeVar("_T")
Change = Callable[[Any], Any]

_HEAD = """\
---
# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# {comment}
# Recorded by tests/live; names, IDs, keys and addresses are invented.
# yamllint disable rule:line-length
"""
# What the head has in a place of its own; everything else of it is the same in every request.
_BODY_PREFIXES = {
    "e": ns.SOAP,
    "a": ns.ADDRESSING,
    "w": ns.WSMAN,
    "m": ns.WSMAN_MICROSOFT,
    "n": ns.ENUMERATION,
    "xsi": ns.XSI,
}
_FROM = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)


def public_scrubber(forbidden: Iterable[str] = ()) -> Scrubber:
    """A scrubber that knows what Microsoft publishes: IDs of applications and licences, client setup keys."""
    return Scrubber(
        public_guids=(*APPLICATIONS.values(), *known_names()),
        public_partials=(row.key.partial for row in gvlk_table()),
        forbidden=forbidden,
    )


class RecordingRefused(Exception):
    """A recording was not written: it has something that must not be published, or it can't be played back."""


@dataclass
class Call:
    """One call of the session in the words of a script, how it is made, and how it ended.

    `make` takes the session and what goes over the values of its arguments.
    """

    entry: dict[str, Any]
    make: Callable[[CimSession, Change], Any] = field(repr=False)
    result: Any = field(default=None, repr=False)
    error: CimError | None = field(default=None, repr=False)


@dataclass
class Sent:
    """One request, and its answer or the error of the transport."""

    request: bytes = field(repr=False)
    idempotent: bool
    answer: bytes | None = field(default=None, repr=False)
    status: int | None = None
    error: CimTransportError | None = field(default=None, repr=False)


@dataclass
class Recording:
    """One conversation.  `comment` says in one line what it shows."""

    name: str
    comment: str
    calls: list[Call] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


class RecordingTransport:
    """A transport that keeps what goes through another one."""

    def __init__(self, inner: Transport, recording: Recording) -> None:
        self._inner = inner
        self._recording = recording
        self.endpoint = inner.endpoint
        self.last_status: int | None = None

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        """See :class:`Transport`."""
        kept = Sent(envelope, idempotent)
        self._recording.sent.append(kept)
        try:
            kept.answer = self._inner.send(envelope, timeout=timeout, idempotent=idempotent)
        except CimTransportError as error:
            kept.error = error
            raise
        finally:
            kept.status = self.last_status = self._inner.last_status
        return kept.answer

    def close(self) -> None:
        """See :class:`Transport`."""
        self._inner.close()


class RecordingSession(CimSession):
    """A session whose calls are kept with their messages."""

    def __init__(self, transport: Transport, recording: Recording) -> None:
        super().__init__(RecordingTransport(transport, recording), sleep=self._wait)
        self._recording = recording

    def _wait(self, seconds: float) -> None:
        self._recording.waits.append(seconds)
        time.sleep(seconds)

    def _kept(self, entry: Mapping[str, Any], make: Callable[[CimSession, Change], _T]) -> _T:
        call = Call({name: value for name, value in entry.items() if value not in (None, "", {})}, make)
        self._recording.calls.append(call)
        try:
            result = make(self, lambda value: value)
        except CimError as error:
            call.error = error
            raise
        call.result = result
        return result

    # The calls go to the base class by name: made again on another session, they are not to be kept again.

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        entry = {
            "operation": "query",
            "class": cim_class.name,
            "properties": list(properties) if properties else None,
            "where": where,
            "limit": limit,
        }
        return self._kept(
            entry, lambda session, change: CimSession.query(session, cim_class, properties, change(where), limit=limit)
        )

    def query_with_references(self, cim_class: CimClass, where: str = "") -> list[tuple[Instance, Reference]]:
        entry = {"operation": "query_with_references", "class": cim_class.name, "where": where}
        return self._kept(
            entry, lambda session, change: CimSession.query_with_references(session, cim_class, change(where))
        )

    def get(self, cim_class: CimClass, keys: Mapping[str, str]) -> Instance:
        entry = {"operation": "get", "target": {"class": cim_class.name, "keys": dict(keys)}}
        return self._kept(entry, lambda session, change: CimSession.get(session, cim_class, change(keys)))

    def invoke(self, target: Any, method: str, **given: Any) -> Instance:
        options = {name: given[name] for name in ("accept", "writes") if name in given}
        parameters = {
            name: value for name, value in given.items() if name not in ("accept", "writes") and value is not None
        }
        entry: dict[str, Any] = {
            "operation": "invoke",
            "target": _script_target(target),
            "method": method,
            "parameters": {name: _script_value(value) for name, value in parameters.items()},
            **{name: list(value) if name == "accept" else value for name, value in options.items()},
        }
        return self._kept(
            entry,
            lambda session, change: CimSession.invoke(
                session, _changed(target, change), method, **options, **_changed(parameters, change)
            ),
        )


def _changed(value: Any, change: Change) -> Any:
    """Arguments with their values changed, wherever they are in a target or in parameters."""
    if isinstance(value, Reference):
        return Reference(value.resource_uri, _changed(value.selectors, change), value.cim_class)
    if isinstance(value, tuple):
        return (value[0], change(value[1]))
    if isinstance(value, Mapping):
        return {name: _changed(item, change) for name, item in value.items()}
    return value if isinstance(value, CimClass) else change(value)


def _script_target(target: Any) -> dict[str, Any]:
    if isinstance(target, CimClass):
        return {"class": target.name}
    if isinstance(target, Reference):
        return {"reference": target.resource_uri, "selectors": dict(target.selectors)}
    cim_class, keys = target
    return {"class": cim_class.name, "keys": dict(keys)}


def _script_value(value: Any) -> Any:
    if isinstance(value, Reference):
        return _script_target(value)
    return list(value) if isinstance(value, (list, tuple)) else value


# --- writing --------------------------------------------------------------------------------------------------------


def write(recordings: Iterable[Recording], folder: Path, scrubber: Scrubber) -> list[Path]:
    """Write each recording to `folder`/NAME.yml, all with the same invented values; raises RecordingRefused.

    Nothing is written when one of them is refused.
    """
    found = list(recordings)
    for recording in found:
        learn(recording, scrubber)
    texts = {recording.name: script_text(recording, scrubber) for recording in found}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.yml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def learn(recording: Recording, scrubber: Scrubber) -> None:
    """Let the scrubber see all messages of a recording."""
    for sent in recording.sent:
        request = sent.request.decode()
        about = _about(request)
        scrubber.learn_from_xml(_body(request), about)
        if sent.answer is not None:
            scrubber.learn_from_xml(_decoded(sent.answer, recording.name), about)


def script_text(recording: Recording, scrubber: Scrubber) -> str:
    """The recording as YAML, scrubbed, played back, looked through; raises RecordingRefused."""
    script = {
        "calls": [scrubber.data(call.entry) for call in recording.calls],
        "exchanges": [_exchange(sent, recording.name, scrubber) for sent in recording.sent],
    }
    _names_stay(recording, script["calls"])
    if recording.waits:
        script["waits"] = list(recording.waits)
    _compare_with_life(recording, script["exchanges"], scrubber)
    _add_endings(recording, script)
    text = yaml.dump(
        script, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=False
    )
    left = scrubber.leftovers(text)
    if left:
        raise RecordingRefused(f"{recording.name} is not written, it still has: {'; '.join(left[:10])}")
    return _HEAD.format(comment=recording.comment) + text


def _names_stay(recording: Recording, calls: list[dict[str, Any]]) -> None:
    """Classes, properties and methods are public, whatever a host or user is called."""
    for call, entry in zip(recording.calls, calls, strict=True):
        for name in ("operation", "class", "properties", "method"):
            if name in call.entry:
                entry[name] = call.entry[name]
        for name in ("class", "reference"):
            if name in call.entry.get("target", {}):
                entry["target"][name] = call.entry["target"][name]


def _exchange(sent: Sent, name: str, scrubber: Scrubber) -> dict[str, Any]:
    request = ET.fromstring(sent.request)
    header = request.find(f"{{{ns.SOAP}}}Header")
    if header is None:
        raise RecordingRefused(f"{name}: a request has no header")
    entry: dict[str, Any] = {
        "action": _short(header.findtext(f"{{{ns.ADDRESSING}}}Action", "")),
        "resource": _short(header.findtext(f"{{{ns.WSMAN}}}ResourceURI", "")),
    }
    selectors = {
        selector.get("Name", ""): escape(scrubber.text(selector.text or ""), "selector")
        for selector in header.iterfind(f"{{{ns.WSMAN}}}SelectorSet/{{{ns.WSMAN}}}Selector")
    }
    options = [
        [option.get("Name", ""), escape(scrubber.text(option.text or ""), "option")]
        for option in header.iterfind(f"{{{ns.WSMAN}}}OptionSet/{{{ns.WSMAN}}}Option")
    ]
    body = _body(sent.request.decode())
    entry |= {"selectors": selectors} if selectors else {}
    entry |= {"options": options} if options else {}
    entry |= {"body": _lines(scrubber.xml(body))} if body else {}
    exchange: dict[str, Any] = {"request": entry, "idempotent": sent.idempotent}
    if sent.error is not None:
        error = sent.error
        details = {"sent": error.sent, "http_status": error.http_status, "dropped": getattr(error, "dropped", None)}
        exchange["error"] = {"class": type(error).__name__, **{k: v for k, v in details.items() if v is not None}}
        return exchange
    if sent.status not in (None, 200):
        exchange["status"] = sent.status
    answer = _decoded(sent.answer or b"", name)
    message = header.findtext(f"{{{ns.ADDRESSING}}}MessageID", "")
    related = re.compile(rf"(<(?:\w+:)?RelatesTo\b[^>]*>)\s*{re.escape(message)}\s*<", re.IGNORECASE)
    exchange["response"] = _lines(scrubber.xml(related.sub(r"\1RELATES-TO<", answer)))
    return exchange


def _about(request: str) -> str:
    """The class that a request is about."""
    query = _FROM.search(request)
    resource = re.search(r"/(\w+)</w:ResourceURI>", request)
    return query.group(1) if query else resource.group(1) if resource else ""


def _decoded(answer: bytes, name: str) -> str:
    try:
        text = answer.decode("utf-16" if answer[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise RecordingRefused(f"{name}: an answer is not in UTF-8 or UTF-16") from None
    if "<![CDATA[" in text or "<!--" in text:
        raise RecordingRefused(f"{name}: an answer has a comment or a CDATA section, which is not looked into")
    return re.sub(r"\A\s*<\?xml[^>]*\?>\s*", "", text)


def _body(request: str) -> str:
    """The content of the body with the prefixes that a script may use without declaring them."""
    body = ET.fromstring(request).find(f"{{{ns.SOAP}}}Body")
    for prefix, uri in _BODY_PREFIXES.items():
        ET.register_namespace(prefix, uri)
    ET.register_namespace("c", ns.CIM_COMMON)
    # A class URI is a namespace, too; "p" is what the requests themselves call it.
    parts = []
    for child in () if body is None else body:
        uri = child.tag[1:].partition("}")[0]
        if uri not in _BODY_PREFIXES.values():
            ET.register_namespace("p", uri)
        parts.append(ET.tostring(child, encoding="unicode"))
    text = "".join(parts)
    for prefix, uri in _BODY_PREFIXES.items():
        text = text.replace(f' xmlns:{prefix}="{uri}"', "")
    return text


def _lines(document: str) -> str:
    """One element per line, indented; only white space between tags is added."""
    tokens = [token for token in re.split(r"(<[^>]*>)", document.strip()) if token]
    # White space that stands between two tags only laid the message out.
    tokens = [token for place, token in enumerate(tokens) if token.strip() or not _between_elements(tokens, place)]
    lines: list[str] = []
    depth = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        closing = token.startswith("</")
        depth -= closing
        pair = closing and _opens(before)
        if not token.startswith("<") or (before and not before.startswith("<")) or pair:
            lines[-1] += token
        else:
            lines.append("  " * depth + token)
        depth += _opens(token)
    return "\n".join(lines) + "\n"


def _opens(token: str) -> bool:
    return token.startswith("<") and token[1:2] not in "/?!" and not token.endswith("/>")


def _between_elements(tokens: Sequence[str], place: int) -> bool:
    """Whether this white space is no value: a value stands between an opening tag and its closing one."""
    return not (_opens(tokens[place - 1]) and tokens[place + 1].startswith("</"))


def _short(uri: str) -> str:
    return next((short + uri[len(whole) :] for short, whole in runner.SHORT.items() if uri.startswith(whole)), uri)


# --- playing back ---------------------------------------------------------------------------------------------------


def _compare_with_life(recording: Recording, exchanges: list[dict[str, Any]], scrubber: Scrubber) -> None:
    """The scrubbed messages must mean, to the classes that were used, what the host's own messages meant."""
    conversation = runner.Conversation(exchanges)
    session = CimSession(conversation, sleep=lambda _seconds: None)
    for call in recording.calls:
        try:
            found, error = _ending(lambda call=call: call.make(session, scrubber.data))  # type: ignore[misc]
        except AssertionError:
            raise RecordingRefused(f"{recording.name}: scrubbing has changed the words of a request") from None
        if type(error) is not type(call.error) or getattr(error, "code", None) != getattr(call.error, "code", None):
            raise RecordingRefused(f"{recording.name}: a call ends differently once it is scrubbed")
        if scrubber.data(runner.plain(call.result)) != runner.plain(found):
            raise RecordingRefused(f"{recording.name}: a call returns something else once it is scrubbed")


def _ending(make: Callable[[], _T]) -> tuple[_T | None, CimError | None]:
    try:
        return make(), None
    except CimError as error:
        return None, error


def _add_endings(recording: Recording, script: dict[str, Any]) -> None:
    """What each call returns or raises with the classes of tests/protocol, by playing the script."""
    unknown = {_class_of(call) for call in script["calls"]} - {*runner.CLASSES, None}
    if unknown:
        raise RecordingRefused(
            f"{recording.name}: tests/protocol/classes.yml does not have {', '.join(map(str, unknown))}"
        )
    conversation = runner.Conversation(script["exchanges"])
    waits: list[float] = []
    session = CimSession(conversation, sleep=waits.append)
    results: list[Any] = []
    for call in script["calls"]:
        try:
            found, error = _ending(lambda call=call: runner.perform(session, call, results))  # type: ignore[misc]
        except AssertionError:
            # Its text is the whole request.
            raise RecordingRefused(f"{recording.name}: a request is not the one that was recorded") from None
        results.append(found)
        if error is None:
            call["returns"] = runner.plain(found)
        else:
            call["raises"] = _raised(error)
    if conversation.waiting or waits != script.get("waits", []):
        raise RecordingRefused(f"{recording.name}: the script has more requests than its calls make, or other pauses")


def _class_of(call: Mapping[str, Any]) -> str | None:
    found = call.get("class") or call.get("target", {}).get("class")
    return None if found is None else str(found)


def _raised(error: CimError) -> dict[str, Any]:
    raised: dict[str, Any] = {"class": type(error).__name__, "outcome_unknown": error.outcome_unknown}
    if isinstance(error, CimFault):
        names = ("code", "provider_code", "subcode", "reason", "http_status")
        raised |= {name: getattr(error, name) for name in names}
    return raised


class _Dumper(yaml.SafeDumper):
    """Messages as they are, line by line; lists of calls below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text_node)
