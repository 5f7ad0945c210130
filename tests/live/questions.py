# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Microsoft's documents leave open and the lab had to choose, asked of a host.

`look` reads, and writes nothing to the host; `answers` says what was seen.  Both keep every message, so that what was
read becomes recordings.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimError, CimFault, CimTransportError
from ansible_collections.winops.kms.plugins.plugin_utils._cim.namespaces import ADDRESSING, SOAP, XSI
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass
from ansible_collections.winops.kms.plugins.plugin_utils._cim.transport import Transport
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.info import read_license_info
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import FIREWALL_RULE, Scope
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import FIREWALL_RULE_CLASS, SERVICE_CLASS
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.reading import (
    APPLICATION_LOG,
    EVENT_CLASS,
    KMS_LOG,
)
from ansible_collections.winops.kms.tests.live.recording import Recording, RecordingSession
from ansible_collections.winops.kms.tests.protocol import test_exchanges as runner

_LOCAL_MACHINE = 0x80000002
_PUBLISH_LIST = (r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform", "DnsDomainPublishList")
_EVENT_COLUMNS = ("EventCode", "InsertionStrings", "RecordNumber", "SourceName", "TimeGenerated")
_NO_SUCH_CLASS = CimClass("root/cimv2", "Winops_NoSuchClass", {})
_NO_SUCH_NAMESPACE = CimClass("root/winops_no_such", "Win32_Service", {})
_CLOCK = CimClass("root/cimv2", "Win32_OperatingSystem", {})
_SRV_TYPE = CimClass("root/MicrosoftDNS", "MicrosoftDNS_SRVType", {})
_LIMIT = 20
#: What Windows writes for "there is no such number".
_UNSET = "4294967295"

Row = Mapping[str, list[str | None]]


@dataclass
class Seen:
    """What was read: conversations by name.  Those in `published` become files, the others only answer questions."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)

    def rows(self, name: str, call: int = 0) -> list[Row]:
        """Property -> raw texts (None for nil) of every row of a query, by the messages themselves."""
        recording = self.recordings[name]
        return [
            _raw(item) for element in _answers(recording) for item in _items(element) if _is_of(recording, call, item)
        ]

    def error(self, name: str) -> CimError | None:
        """How the last call of a conversation failed."""
        calls = self.recordings[name].calls
        return calls[-1].error if calls else None


def look(transport: Transport) -> Seen:
    """Read all that the questions need; a refusal is an answer, a broken connection is raised."""
    seen = Seen()

    def hold(name: str, comment: str, talk: Callable[[RecordingSession], Any], *, publish: bool = True) -> None:
        recording = seen.recordings[name] = Recording(name, comment)
        try:
            talk(RecordingSession(transport, recording))
        except CimTransportError:
            raise
        except (CimFault, LicensingError):
            pass
        if publish:
            seen.published.append(name)

    def events(log: str, numbers: str) -> Callable[[RecordingSession], Any]:
        where = f"Logfile='{log}' AND ({numbers})"
        return lambda session: session.query(EVENT_CLASS, _EVENT_COLUMNS, where, limit=_LIMIT)

    hold("license_info", "The two queries of license_info.", lambda s: read_license_info(s, Scope("windows")))
    hold("licensing_service", "One service by a query.", lambda s: _query(s, "Win32_Service", "Name='sppsvc'"))
    hold("host_events", "Requests in the log of a KMS host.", events(KMS_LOG, "EventCode=12290"))
    hold(
        "client_events",
        "What a KMS client asked and was answered.",
        events(
            APPLICATION_LOG,
            "(EventCode=12288 OR EventCode=12289) AND SourceName='Microsoft-Windows-Security-SPP'",
        ),
    )
    hold(
        "first_events",
        "The first events that a log gives, and the rest given back.",
        lambda s: s.query(EVENT_CLASS, ["RecordNumber", "TimeGenerated"], f"Logfile='{APPLICATION_LOG}'", limit=_LIMIT),
    )
    hold(
        "firewall_rule",
        "A firewall rule with its reference.",
        lambda s: s.query_with_references(FIREWALL_RULE_CLASS, f"InstanceID='{FIREWALL_RULE}'"),
    )
    hold(
        "registry_value",
        "The publish list, by a static method.",
        lambda s: s.invoke(
            runner.CLASSES["StdRegProv"],
            "GetMultiStringValue",
            accept=(0, 1, 2),
            writes=False,
            hDefKey=_LOCAL_MACHINE,
            sSubKeyName=_PUBLISH_LIST[0],
            sValueName=_PUBLISH_LIST[1],
        ),
    )
    hold("no_such_property", "A query with a column that no Windows has.", lambda s: s.query(SERVICE_CLASS, ["NoSuch"]))
    hold(
        "no_such_instance",
        "Get of an instance that is not there.",
        lambda s: s.get(runner.CLASSES["Win32_Service"], {"Name": "winops-no-such"}),
    )
    hold("no_such_class", "", lambda s: s.query(_NO_SUCH_CLASS, ["Name"]), publish=False)
    hold("no_such_namespace", "", lambda s: s.query(_NO_SUCH_NAMESPACE, ["Name"]), publish=False)
    hold("clock", "", lambda s: s.query(_CLOCK, ["LocalDateTime"]), publish=False)
    hold(
        "srv_records",
        "",
        lambda s: s.query_with_references(_SRV_TYPE, "OwnerName LIKE '_vlmcs._tcp%'"),
        publish=False,
    )
    return seen


def _query(session: RecordingSession, name: str, where: str) -> Any:
    cim_class = runner.CLASSES[name]
    return session.query(cim_class, list(cim_class.fields), where)


# --- messages -------------------------------------------------------------------------------------------------------


def _answers(recording: Recording) -> Iterator[ET.Element]:
    for sent in recording.sent:
        if sent.answer is not None:
            yield ET.fromstring(sent.answer)


def _local(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _items(answer: ET.Element) -> list[ET.Element]:
    return [item for part in answer.iter() if _local(part) == "Items" for item in part]


def _raw(item: ET.Element) -> Row:
    row: dict[str, list[str | None]] = {}
    for child in item:
        nil = child.get(f"{{{XSI}}}nil") == "true"
        row.setdefault(_local(child), []).append(None if nil else "".join(child.itertext()))
    return row


def _is_of(recording: Recording, call: int, item: ET.Element) -> bool:
    """Whether a row belongs to the call with this number: the columns that it asked for tell."""
    asked = recording.calls[call].entry.get("properties") if call < len(recording.calls) else None
    return asked is None or any(_local(child) in asked[:1] for child in item)


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """text: what is asked; lab: what the lab does (a test holds it true); answer: what was seen.

    It raises LookupError where there is nothing to see.
    """

    name: str
    text: str
    lab: str
    answer: Callable[[Seen], str]


def answers(seen: Seen) -> list[dict[str, str]]:
    """One entry per question: name, question, lab, host."""
    found = []
    for question in QUESTIONS:
        text = "nothing to be seen"
        with suppress(LookupError):
            text = question.answer(seen)
        found.append({"name": question.name, "question": question.text, "lab": question.lab, "host": text})
    return found


def _one(row: Row, name: str) -> str | None:
    return row[name][0]


def _show(row: Row, name: str) -> str:
    if name not in row:
        return "left out"
    text = row[name][0]
    return "nil" if text is None else text or "empty"


def _service(seen: Seen) -> Row:
    return seen.rows("license_info")[0]


def _products(seen: Seen) -> list[Row]:
    return seen.rows("license_info", 1)


def _fixed_name(seen: Seen) -> str:
    machine = _one(_service(seen), "KeyManagementServiceMachine")
    if not machine:
        return "no name is set for the machine (the tests with WINOPS_LIVE_WRITE=1 set one)"
    shown = [_one(row, "KeyManagementServiceMachine") for row in _products(seen)]
    return "yes" if machine in shown else "no" if not any(shown) else "no, it has one of its own"


def _order(seen: Seen) -> str:
    numbers = [int(_one(row, "RecordNumber") or 0) for row in seen.rows("first_events")]
    if len(numbers) < 2:
        raise LookupError
    if numbers == sorted(numbers):
        return "the oldest first"
    return "the newest first" if numbers == sorted(numbers, reverse=True) else "neither up nor down"


def _is_host(row: Row) -> bool:
    return _one(row, "IsKeyManagementServiceMachine") == "1"


def _required(seen: Seen) -> str:
    service = _service(seen)
    rows = [service, *_products(seen)]
    if not any(map(_is_host, rows)):
        raise LookupError
    return f"service {_show(service, 'RequiredClientCount')}, " + ", ".join(
        f"licence {_show(row, 'RequiredClientCount')}" for row in rows[1:] if _is_host(row)
    )


def _no_count(seen: Seen) -> str:
    service = _service(seen)
    if _is_host(service):
        raise LookupError
    return _show(service, "KeyManagementServiceCurrentCount").replace(_UNSET, "0xFFFFFFFF")


def _strings(name: str, number: str) -> Callable[[Seen], str]:
    def answer(seen: Seen) -> str:
        rows = [row for row in seen.rows(name) if _one(row, "EventCode") == number]
        if not rows:
            raise LookupError
        counts = sorted({len(row["InsertionStrings"]) for row in rows})
        first = rows[0]["InsertionStrings"][0]
        return f"{' or '.join(map(str, counts))} strings, the first one {'is empty' if not first else 'is not empty'}"

    return answer


def _sources(seen: Seen) -> str:
    rows = seen.rows("host_events") + seen.rows("client_events")
    return ", ".join(sorted({_one(row, "SourceName") or "" for row in rows})) or _nothing()


def _nothing() -> str:
    raise LookupError


def _fault(name: str) -> Callable[[Seen], str]:
    def answer(seen: Seen) -> str:
        error = seen.error(name)
        if error is None:
            return "no fault at all"
        if not isinstance(error, CimFault):
            return type(error).__name__
        sent = seen.recordings[name].sent[-1]
        envelope = ET.fromstring(sent.answer or b"<none/>")
        detail = envelope.find(f".//{{{SOAP}}}Detail")
        parts = [_local(child) for child in ([] if detail is None else detail)]
        related = envelope.find(f".//{{{ADDRESSING}}}RelatesTo") is not None
        code = "no code" if error.code is None else f"0x{error.code:08X}"
        return (
            f"HTTP {sent.status}, {error.subcode or 'no subcode'}, {code}, detail {'+'.join(parts) or 'none'}, "
            f"RelatesTo {'there' if related else 'missing'}"
        )

    return answer


def _row_form(seen: Seen) -> str:
    items = [item for answer in _answers(seen.recordings["licensing_service"]) for item in _items(answer)]
    return _local(items[0])


def _first_page(seen: Seen) -> str:
    pages = [len(_items(answer)) for answer in _answers(seen.recordings["first_events"])]
    if sum(pages) < 2:
        raise LookupError
    return str(pages[0]) if pages[0] < sum(pages) else "all"


def _contexts(seen: Seen) -> str:
    contexts = [
        element.text
        for answer in _answers(seen.recordings["first_events"])
        for element in answer.iter()
        if _local(element) == "EnumerationContext" and element.text
    ]
    if len(contexts) < 2:
        raise LookupError
    return "yes" if len(set(contexts)) == len(contexts) else "no"


def _licensed_reason(seen: Seen) -> str:
    rows = [row for row in _products(seen) if _one(row, "LicenseStatus") == "1"]
    return f"0x{int(_one(rows[0], 'LicenseStatusReason') or 0):08X}"


def _unset_text(seen: Seen) -> str:
    service = _service(seen)
    if _one(service, "KeyManagementServiceMachine"):
        raise LookupError
    return _show(service, "KeyManagementServiceMachine")


def _unset_port(seen: Seen) -> str:
    row = _products(seen)[0]
    if _one(row, "KeyManagementServiceMachine"):
        raise LookupError
    return (
        f"service {_show(_service(seen), 'KeyManagementServicePort')}, licence {_show(row, 'KeyManagementServicePort')}"
    )


def _sums(seen: Seen) -> str:
    name = "KeyManagementServiceTotalRequests"
    hosts = [row for row in _products(seen) if _is_host(row)]
    found = _show(_service(seen), name), _show(hosts[0], name)
    return "the same" if found[0] == found[1] else f"service {found[0]}, licence {found[1]}"


def _firewall(seen: Seen) -> str:
    call = seen.recordings["firewall_rule"].calls[-1]
    if call.result is None:
        return f"refused: {call.error}" if isinstance(call.error, CimFault) and call.error.code is None else _nothing()
    references = [reference for _ignored, reference in call.result]
    return f"instances: {len(references)}, selectors {', '.join(references[0].selectors)}"


def _local_time(seen: Seen) -> str:
    text = _one(seen.rows("clock")[0], "LocalDateTime") or ""
    # A fraction is there or not, as the moment has it.
    return re.sub(r"\d", "0", re.sub(r"(:\d\d)\.\d+", r"\1", text))


def _srv_keys(seen: Seen) -> str:
    call = seen.recordings["srv_records"].calls[-1]
    if not call.result:
        raise LookupError
    return ", ".join(call.result[0][1].selectors)


def _srv_data(seen: Seen) -> str:
    call = seen.recordings["srv_records"].calls[-1]
    if not call.result:
        raise LookupError
    row = call.result[0][0]
    ends = "with a dot" if str(row.get("SRVDomainName", "")).endswith(".") else "without a dot"
    return f"{len(str(row.get('RecordData', '')).split())} parts, SRVDomainName {ends}"


_NO_FILTER = "HTTP 500, CannotProcessFilter, 0x8033801A, detail WSManFault, RelatesTo there"
QUESTIONS = (
    Question(
        "product_machine_name",
        "Does a licence's KeyManagementServiceMachine show the name that is set for the machine?",
        "no",
        _fixed_name,
    ),
    Question("event_order", "In which order does Win32_NTLogEvent answer?", "the newest first", _order),
    Question(
        "required_count",
        "What is RequiredClientCount of a KMS host that clients (25) and servers (5) have asked?",
        "service 25, licence 25",
        _required,
    ),
    Question("count_of_no_host", "What is the count of a machine that is no KMS host?", "0xFFFFFFFF", _no_count),
    Question(
        "strings_12290",
        "How many insertion strings has event 12290?",
        "10 strings, the first one is empty",
        _strings("host_events", "12290"),
    ),
    Question(
        "strings_12288",
        "And event 12288?",
        "1 strings, the first one is not empty",
        _strings("client_events", "12288"),
    ),
    Question(
        "strings_12289",
        "And event 12289?",
        "1 strings, the first one is not empty",
        _strings("client_events", "12289"),
    ),
    Question("event_source", "What is the SourceName of these events?", "Microsoft-Windows-Security-SPP", _sources),
    Question("fault_property", "The fault for a property that is not there?", _NO_FILTER, _fault("no_such_property")),
    Question("fault_class", "For a class that is not there?", _NO_FILTER, _fault("no_such_class")),
    Question("fault_namespace", "For a namespace that is not there?", _NO_FILTER, _fault("no_such_namespace")),
    Question(
        "fault_instance",
        "For an instance that is not there?",
        "HTTP 500, DestinationUnreachable, 0x80338000, detail FaultDetail+WSManFault, RelatesTo there",
        _fault("no_such_instance"),
    ),
    Question("row_form", "What wraps a row of chosen columns?", "XmlFragment", _row_form),
    Question("first_page", "How many rows are in the first answer, when there are more?", "1", _first_page),
    Question("contexts", "Does the enumeration context change with every Pull?", "yes", _contexts),
    Question(
        "licensed_reason", "What is LicenseStatusReason of a licence that is activated?", "0x4004F040", _licensed_reason
    ),
    Question("unset_text", "How is a KMS name that is not set written?", "nil", _unset_text),
    Question("unset_port", "And a KMS port that is not set?", "service 0, licence 0", _unset_port),
    Question("sums", "Requests counted by the service, and by the licence of Windows?", "the same", _sums),
    Question(
        "firewall_rule",
        "How many instances has the KMS firewall rule, and which keys?",
        "instances: 1, selectors CreationClassName, InstanceID, PolicyRuleName, SystemCreationClassName, SystemName",
        _firewall,
    ),
    Question("local_time", "How is a local time written (digits as 0)?", "0000-00-00T00:00:00Z", _local_time),
    Question(
        "srv_keys",
        "Which keys has a MicrosoftDNS_SRVType?",
        "ContainerName, DnsServerName, DomainName, OwnerName, RecordClass, RecordData",
        _srv_keys,
    ),
    Question("srv_data", "What is the form of its data?", "4 parts, SRVDomainName with a dot", _srv_data),
)


def as_table(found: list[dict[str, str]], about: str) -> str:
    """The answers as a Markdown table."""
    lines = ["# What this host says about open questions", "", about, "", "| Question | The lab | This host |"]
    lines += ["|---|---|---|", *(f"| {one['question']} | {one['lab']} | {one['host']} |" for one in found)]
    return "\n".join(lines) + "\n"
