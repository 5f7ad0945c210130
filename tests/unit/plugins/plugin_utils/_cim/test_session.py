# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimConnectionError,
    CimError,
    CimFault,
    CimInvalidClass,
    CimMethodError,
    CimProtocolError,
    CimQuotaError,
    CimTimedOut,
    CimTimeoutError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import Reference
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import (
    NAMESPACES as NS,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import (
    SERVICE,
    WMI,
    ScriptedTransport,
    Step,
    envelope,
    fault,
    fragment,
    output,
    page,
)

QUOTA = fault(2150859174)
STALE = fault(2150858779, subcode="n:InvalidEnumerationContext")
KEYS = (SERVICE, {"Name": "n"})


def dropped() -> CimConnectionError:
    return CimConnectionError("dropped", sent=True, dropped=True)


def make(*steps: Step, **options: Any) -> tuple[CimSession, ScriptedTransport, list[float]]:
    waits: list[float] = []
    transport = ScriptedTransport(*steps)
    return CimSession(transport, sleep=waits.append, **options), transport, waits


# --- queries --------------------------------------------------------------------------------------------------------


def test_query_in_one_page() -> None:
    session, transport, _ignored = make(page(fragment(Name="a", Count="1"), context="", end=True))
    rows = session.query(SERVICE, ["Name", "Count", "Roles"], "Count > 0")
    assert [dict(row) for row in rows] == [{"Name": "a", "Count": 1, "Roles": []}]
    assert transport.query() == "SELECT Name,Count,Roles FROM Demo_Service WHERE Count > 0"
    assert transport.header("w:ResourceURI") == f"{WMI}root/cimv2/*"
    assert transport.idempotent == [True]


def test_query_follows_the_newest_context_to_the_end() -> None:
    session, transport, _ignored = make(
        page(fragment(Name="a"), context="uuid:1"),
        page(fragment(Name="b") + fragment(Name="c"), context="uuid:2", pull=True),
        page("", context="uuid:3", pull=True),
        page(fragment(Name="d"), end=True, pull=True),
    )
    assert [row["Name"] for row in session.query(SERVICE, ["Name"])] == ["a", "b", "c", "d"]
    assert transport.actions == ["Enumerate", "Pull", "Pull", "Pull"]
    contexts = [transport.body(index).findtext("n:EnumerationContext", None, NS) for index in (1, 2, 3)]
    assert contexts == ["uuid:1", "uuid:2", "uuid:3"]
    assert {transport.header("w:ResourceURI", index) for index in range(4)} == {f"{WMI}root/cimv2/*"}
    # A Pull moves on at the host: sending it again would lose a page.
    assert transport.idempotent == [True, False, False, False]
    assert session.requests_sent == 4


def test_query_without_rows() -> None:
    session, transport, _ignored = make(page("", end=True))
    assert session.query(SERVICE) == []
    assert transport.query() == "SELECT * FROM Demo_Service"


@pytest.mark.parametrize(
    ("trouble", "kind", "released"),
    [
        (fault(2150858793, subcode="w:TimedOut"), CimTimedOut, True),
        (fault(2150858755), CimFault, True),
        (b"<html/>", CimProtocolError, True),
        (envelope("<x/>"), CimProtocolError, True),
        (CimTimeoutError("late", sent=True), CimTimeoutError, False),
        (CimConnectionError("refused"), CimConnectionError, False),
    ],
)
def test_unfinished_enumeration_is_released(trouble: Step, kind: type[CimError], released: bool) -> None:
    session, transport, _ignored = make(page(fragment(Name="a"), context="uuid:1"), trouble, envelope(""))
    with pytest.raises(kind):
        session.query(SERVICE, ["Name"])
    assert transport.actions == ["Enumerate", "Pull"] + ["Release"] * released
    if released:
        assert transport.body().findtext("n:EnumerationContext", None, NS) == "uuid:1"


def test_trouble_with_the_release_does_not_hide_the_reason() -> None:
    session, _transport, _sleeps = make(
        page("", context="uuid:1"), fault(2150858755), CimTimeoutError("late", sent=True)
    )
    with pytest.raises(CimFault):
        session.query(SERVICE)


@pytest.mark.parametrize("trouble", [dropped(), STALE])
def test_query_starts_again_once_when_the_host_lost_its_place(trouble: Step) -> None:
    session, transport, _ignored = make(
        page(fragment(Name="a"), context="uuid:1"),
        trouble,
        page(fragment(Name="a"), context="uuid:2"),
        page(fragment(Name="b"), end=True, pull=True),
    )
    assert [row["Name"] for row in session.query(SERVICE, ["Name"])] == ["a", "b"]
    assert transport.actions == ["Enumerate", "Pull", "Enumerate", "Pull"]


def test_query_does_not_start_again_for_ever() -> None:
    first = page(fragment(Name="a"), context="uuid:1")
    session, transport, _ignored = make(first, dropped(), first, dropped())
    with pytest.raises(CimConnectionError):
        session.query(SERVICE, ["Name"])
    assert transport.actions == ["Enumerate", "Pull"] * 2


def test_endless_enumeration_is_given_up() -> None:
    session, transport, _ignored = make(page("", context="c"), *[page("", context="c", pull=True)] * 21, envelope(""))
    with pytest.raises(CimProtocolError, match="come to an end"):
        session.query(SERVICE)
    assert transport.actions[-1] == "Release"


def names_within(limit: int, *steps: Step) -> tuple[list[str], ScriptedTransport]:
    session, transport, _ignored = make(*steps)
    return [row["Name"] for row in session.query(SERVICE, ["Name"], limit=limit)], transport


def wanted(transport: ScriptedTransport) -> list[str | None]:
    """MaxElements of each request that asks for items."""
    paths = {"Enumerate": "w:MaxElements", "Pull": "n:MaxElements"}
    return [
        transport.body(number).findtext(paths[action], None, NS)
        for number, action in enumerate(transport.actions)
        if action in paths
    ]


def test_query_with_a_limit_asks_for_what_it_still_wants_and_gives_the_rest_back() -> None:
    names, transport = names_within(
        4,
        page(fragment(Name="a"), context="uuid:1"),
        page(fragment(Name="b") + fragment(Name="c"), context="uuid:2", pull=True),
        page(fragment(Name="d") + fragment(Name="more than asked for"), context="uuid:3", pull=True),
        envelope(""),
    )
    assert names == ["a", "b", "c", "d"]
    assert transport.actions == ["Enumerate", "Pull", "Pull", "Release"]
    assert wanted(transport) == ["4", "3", "1"]
    assert transport.body().findtext("n:EnumerationContext", None, NS) == "uuid:3"


@pytest.mark.parametrize("limit", [2, 3])
def test_query_that_ends_within_its_limit_has_nothing_to_give_back(limit: int) -> None:
    names, transport = names_within(
        limit, page(fragment(Name="a"), context="uuid:1"), page(fragment(Name="b"), end=True, pull=True)
    )
    assert names == ["a", "b"]
    assert transport.actions == ["Enumerate", "Pull"]


def test_query_that_reaches_its_limit_at_once() -> None:
    names, transport = names_within(1, page(fragment(Name="a"), context="uuid:1"), envelope(""))
    assert names == ["a"]
    assert transport.actions == ["Enumerate", "Release"]


def test_a_limit_is_never_more_than_the_service_takes() -> None:
    _names, transport = names_within(100_000, page(fragment(Name="a"), end=True))
    assert wanted(transport) == ["32000"]


def test_trouble_when_the_rest_is_given_back_is_no_loss() -> None:
    names, _transport = names_within(1, page(fragment(Name="a"), context="uuid:1"), dropped())
    assert names == ["a"]


def test_a_query_that_starts_again_has_its_whole_limit_again() -> None:
    names, transport = names_within(
        2,
        page(fragment(Name="a"), context="uuid:1"),
        dropped(),
        page(fragment(Name="a"), context="uuid:2"),
        page(fragment(Name="b"), end=True, pull=True),
    )
    assert names == ["a", "b"]
    assert wanted(transport) == ["2", "1", "2", "1"]


def test_a_limit_of_nothing_is_a_mistake() -> None:
    session, transport, _ignored = make()
    with pytest.raises(ValueError, match="limit"):
        session.query(SERVICE, limit=0)
    assert transport.actions == []


def test_unknown_class_or_property() -> None:
    session, _transport, _sleeps = make(fault(2150858778, subcode="n:CannotProcessFilter"))
    with pytest.raises(CimInvalidClass):
        session.query(SERVICE, ["Nothing"])


def test_bad_value_names_the_endpoint() -> None:
    session, _transport, _sleeps = make(page(fragment(Count="many"), end=True))
    with pytest.raises(CimProtocolError, match="http://host:5985/wsman: The value of Count") as caught:
        session.query(SERVICE, ["Count"])
    assert not caught.value.outcome_unknown


# --- references -----------------------------------------------------------------------------------------------------


def epr(uri: str, **selectors: str) -> str:
    inner = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in selectors.items())
    return (
        f"<a:EndpointReference><a:ReferenceParameters><w:ResourceURI>{uri}</w:ResourceURI>"
        f"<w:SelectorSet>{inner}</w:SelectorSet></a:ReferenceParameters></a:EndpointReference>"
    )


INSTANCE = "<p:Demo_Service xmlns:p='u'><p:Name>n</p:Name></p:Demo_Service>"


def test_references_of_the_host_are_used_as_they_are() -> None:
    session, transport, _ignored = make(
        page(
            f"<w:Item>{INSTANCE}{epr('http://dmtf/Demo_Service', __cimnamespace='root/cimv2', K='v')}</w:Item>",
            end=True,
        ),
        output("Start", ReturnValue="0"),
    )
    ((instance, reference),) = session.query_with_references(SERVICE, "Name = 'n'")
    assert transport.query() == "SELECT * FROM Demo_Service WHERE Name = 'n'"
    assert transport.header("w:ResourceURI") == f"{WMI}root/cimv2/*"
    assert instance["Name"] == "n"
    session.invoke(reference, "Start")
    assert transport.header("w:ResourceURI") == "http://dmtf/Demo_Service"
    assert transport.header("a:Action") == "http://dmtf/Demo_Service/Start"
    assert transport.selectors() == {"__cimnamespace": "root/cimv2", "K": "v"}
    assert transport.body().tag == "{http://dmtf/Demo_Service}Start_INPUT"


def test_without_condition_the_class_itself_is_enumerated() -> None:
    session, transport, _ignored = make(page("", end=True))
    assert session.query_with_references(SERVICE) == []
    assert transport.header("w:ResourceURI") == SERVICE.uri
    assert transport.body().find("w:Filter", NS) is None
    assert transport.body().findtext("w:EnumerationMode", None, NS) == "EnumerateObjectAndEPR"


def test_reference_to_the_wildcard_means_the_class() -> None:
    item = f"<w:Item>{INSTANCE}{epr(SERVICE.query_uri, Name='n')}</w:Item>"
    session, _transport, _sleeps = make(page(item, end=True))
    ((_instance, reference),) = session.query_with_references(SERVICE, "Name = 'n'")
    assert reference == Reference(SERVICE.uri, {"Name": "n"})


def test_missing_reference_is_made_from_known_keys_or_refused() -> None:
    session, _transport, _sleeps = make(
        page(INSTANCE, end=True), page(fragment(Count="1"), end=True), page(epr("u", Name="n"), end=True)
    )
    assert session.query_with_references(SERVICE)[0][1] == Reference(SERVICE.uri, {"Name": "n"})
    with pytest.raises(CimProtocolError, match="without references"):
        session.query_with_references(SERVICE)
    with pytest.raises(CimProtocolError, match="without instances"):
        session.query_with_references(SERVICE)


# --- get ------------------------------------------------------------------------------------------------------------


def test_get() -> None:
    session, transport, _ignored = make(envelope(INSTANCE))
    assert dict(session.get(SERVICE, {"Name": "n"})) == {"Name": "n"}
    assert (transport.actions, transport.selectors()) == (["Get"], {"Name": "n"})
    assert transport.header("w:ResourceURI") == SERVICE.uri
    body = transport.sent[0].find("s:Body", NS)
    assert body is not None
    assert len(body) == 0


def test_get_without_instance() -> None:
    session, _transport, _sleeps = make(envelope(""))
    with pytest.raises(CimProtocolError, match="no instance"):
        session.get(SERVICE, {"Name": "n"})


# --- methods --------------------------------------------------------------------------------------------------------


def test_invoke_on_an_instance() -> None:
    session, transport, _ignored = make(output("SetPort", ReturnValue="0"))
    assert dict(session.invoke(KEYS, "SetPort", PortNumber=1688)) == {"ReturnValue": 0}
    assert transport.header("a:Action") == f"{SERVICE.uri}/SetPort"
    assert transport.selectors() == {"Name": "n"}
    element = transport.body()
    assert (element.tag, element[0].tag, element[0].text) == (
        f"{{{SERVICE.uri}}}SetPort_INPUT",
        f"{{{SERVICE.uri}}}PortNumber",
        "1688",
    )
    assert transport.idempotent == [False]


def test_invoke_static_method() -> None:
    session, transport, _ignored = make(output("List", Names="only", ReturnValue="0"))
    assert session.invoke(SERVICE, "List", writes=False)["Names"] == ["only"]
    assert transport.selectors() == {}
    assert transport.idempotent == [True]


def test_void_method() -> None:
    session, _transport, _sleeps = make(output("Touch"))
    assert dict(session.invoke(KEYS, "Touch")) == {}


@pytest.mark.parametrize("text", ["3221549136", "-1073418160"])
def test_return_value_other_than_success(text: str) -> None:
    session, _transport, _sleeps = make(output("SetPort", ReturnValue=text))
    with pytest.raises(CimMethodError, match=r"Demo_Service\.SetPort.*0xC004F050") as caught:
        session.invoke(KEYS, "SetPort", PortNumber=1)
    assert caught.value.code == 0xC004F050
    assert not caught.value.outcome_unknown


def test_accepted_return_values() -> None:
    session, _transport, _sleeps = make(*[output("Go", ReturnValue="4096")] * 2)
    assert session.invoke(KEYS, "Go", accept=(0, 4096))["ReturnValue"] == 4096
    with pytest.raises(CimMethodError):
        session.invoke(KEYS, "Go", accept=())


def test_bad_parameter_sends_nothing() -> None:
    session, transport, _ignored = make()
    with pytest.raises(ValueError, match="PortNumber"):
        session.invoke(KEYS, "SetPort", PortNumber=-1)
    assert (transport.sent, session.requests_sent, session.bytes_sent) == ([], 0, 0)


# --- put, create, delete --------------------------------------------------------------------------------------------


def test_put_names_what_it_changes() -> None:
    session, transport, _ignored = make(envelope(INSTANCE))
    answer = session.put(KEYS, {"Count": 7, "Started": None})
    assert answer is not None
    assert answer["Name"] == "n"
    assert (transport.actions, transport.selectors()) == (["Put"], {"Name": "n"})
    assert [(child.tag.rpartition("}")[2], child.text) for child in transport.body()] == [
        ("Name", "n"),
        ("Count", "7"),
        ("Started", None),
    ]
    options = transport.sent[0].findall("s:Header/w:OptionSet/w:Option", NS)
    assert [(option.get("Name"), option.text) for option in options] == [
        ("wmiarray:__MIInstanceModifiedPropertiesList", "Count"),
        ("wmiarray:__MIInstanceModifiedPropertiesList", "Started"),
    ]
    assert transport.idempotent == [False]


def test_put_by_reference_leaves_the_namespace_selector_out_of_the_body() -> None:
    session, transport, _ignored = make(envelope(""))
    assert session.put(Reference("http://x/Demo_Service", {"__cimnamespace": "root/x", "K": "v"}), {"A": "1"}) is None
    assert transport.body().tag == "{http://x/Demo_Service}Demo_Service"
    assert [child.tag.rpartition("}")[2] for child in transport.body()] == ["K", "A"]


def test_create() -> None:
    inner = epr("", Name="new").replace("<a:EndpointReference>", "").replace("</a:EndpointReference>", "")
    session, transport, _ignored = make(envelope(f"<x:ResourceCreated>{inner}</x:ResourceCreated>"), envelope(""))
    assert session.create(SERVICE, {"Name": "new", "Roles": ["a", "b"]}) == Reference(SERVICE.uri, {"Name": "new"})
    assert [child.text for child in transport.body()] == ["new", "a", "b"]
    assert transport.actions == ["Create"]
    with pytest.raises(CimProtocolError, match="created") as caught:
        session.create(SERVICE, {"Name": "new"})
    assert caught.value.outcome_unknown


def test_delete() -> None:
    session, transport, _ignored = make(envelope(""))
    session.delete(KEYS)
    assert (transport.actions, transport.selectors()) == (["Delete"], {"Name": "n"})


# --- repeating and not repeating ------------------------------------------------------------------------------------

WRITES: list[Callable[[CimSession], object]] = [
    lambda session: session.invoke(KEYS, "SetPort", PortNumber=1),
    lambda session: session.put(KEYS, {"Count": 1}),
    lambda session: session.create(SERVICE, {"Name": "x"}),
    lambda session: session.delete(KEYS),
]
READS: list[Callable[[CimSession], object]] = [
    lambda session: session.get(SERVICE, {"Name": "n"}),
    lambda session: session.query(SERVICE),
    lambda session: session.invoke(SERVICE, "List", writes=False),
]


@pytest.mark.parametrize("read", READS)
def test_reads_wait_for_the_quota(read: Callable[[CimSession], object]) -> None:
    session, transport, waits = make(QUOTA, fault(2150859240), fault(2150858793, subcode="w:TimedOut"))
    with pytest.raises(CimTimedOut) as caught:
        read(session)
    assert waits == [1.0, 2.0]
    assert session.requests_sent == 3
    assert not caught.value.outcome_unknown
    messages = {transport.header("a:MessageID", index) for index in range(3)}
    assert len(messages) == 3


def test_waiting_for_the_quota_is_bounded() -> None:
    session, transport, waits = make(*[QUOTA] * 3, backoff=(0.5, 5))
    with pytest.raises(CimQuotaError):
        session.get(SERVICE, {"Name": "n"})
    assert (waits, len(transport.sent)) == ([0.5, 5], 3)


def test_pull_is_repeated_after_a_quota_fault_with_the_same_context() -> None:
    session, transport, _ignored = make(
        page("", context="uuid:1"), QUOTA, page(fragment(Name="a"), end=True, pull=True)
    )
    assert len(session.query(SERVICE)) == 1
    assert transport.body(1).findtext("n:EnumerationContext", None, NS) == "uuid:1"
    assert transport.body(2).findtext("n:EnumerationContext", None, NS) == "uuid:1"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("trouble", "unknown"),
    [
        (QUOTA, False),
        (fault(5, subcode="w:AccessDenied"), False),
        (fault(2150858793, subcode="w:TimedOut"), True),
        (fault(2150858823, subcode="w:EncodingLimit"), True),
        (CimConnectionError("dropped", sent=True, dropped=True), True),
        (CimConnectionError("refused"), False),
        (CimTimeoutError("late", sent=True), True),
        (CimTimeoutError("no connection", sent=False), False),
        (b"<html/>", True),
        (envelope("", relates_to="uuid:other"), True),
    ],
)
def test_writes_are_sent_once_and_tell_when_nobody_knows(
    write: Callable[[CimSession], object], trouble: Step, unknown: bool
) -> None:
    session, transport, waits = make(trouble)
    with pytest.raises(CimError) as caught:
        write(session)
    assert caught.value.outcome_unknown is unknown
    assert (len(transport.sent), waits, transport.idempotent) == (1, [], [False])


@pytest.mark.parametrize("read", READS)
def test_outcome_of_a_read_does_not_matter(read: Callable[[CimSession], object]) -> None:
    session, _transport, _sleeps = make(CimTimeoutError("late", sent=True))
    with pytest.raises(CimTimeoutError) as caught:
        read(session)
    assert not caught.value.outcome_unknown


# --- the exchange itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", " {}\n", "urn:{}"])
def test_relates_to_in_other_spellings(form: str) -> None:
    session, _transport, _sleeps = make(
        envelope(INSTANCE, relates_to=form.format("uuid:abcdef01-0000-0000-0000-00000000000A")),
        new_message_id=lambda: "uuid:ABCDEF01-0000-0000-0000-00000000000A",
    )
    assert session.get(SERVICE, {"Name": "n"})["Name"] == "n"


def test_missing_relates_to_is_accepted() -> None:
    session, _transport, _sleeps = make(envelope(INSTANCE, relates_to=""))
    assert session.get(SERVICE, {"Name": "n"})["Name"] == "n"


@pytest.mark.parametrize(
    "answer", [envelope(INSTANCE, relates_to="uuid:other"), fault(5).replace(b"$RELATES_TO", b"uuid:x")]
)
def test_answer_to_another_request_is_refused(answer: bytes) -> None:
    session, _transport, _sleeps = make(answer)
    with pytest.raises(CimProtocolError, match="different request"):
        session.get(SERVICE, {"Name": "n"})


def test_http_waits_longer_than_the_service() -> None:
    session, transport, _ignored = make(envelope(INSTANCE), operation_timeout=20)
    session.get(SERVICE, {"Name": "n"})
    assert transport.header("w:OperationTimeout") == "PT20.000S"
    assert transport.timeouts[0] > 20


def test_counters_and_close() -> None:
    session, transport, _ignored = make(envelope(INSTANCE), envelope(INSTANCE))
    with session:
        session.get(SERVICE, {"Name": "n"})
        once = session.bytes_sent
        session.get(SERVICE, {"Name": "n"})
    assert (session.requests_sent, session.bytes_sent, transport.closed) == (2, 2 * once, 1)
    assert session.endpoint == "http://host:5985/wsman"


def test_fault_carries_the_http_status() -> None:
    session, transport, _ignored = make(fault(5))
    transport.last_status = 500
    with pytest.raises(CimFault) as caught:
        session.get(SERVICE, {"Name": "n"})
    assert caught.value.http_status == 500
