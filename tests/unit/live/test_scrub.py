# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken out of recordings, and what is refused because it was not."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.tests.live.scrub import Scrubber

WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"
GVLK_END = "VMK7H"


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(public_guids=[WINDOWS], public_partials=[GVLK_END])


def scrubbed(scrubber: Scrubber, document: str, class_name: str = "") -> str:
    scrubber.learn_from_xml(document, class_name)
    return scrubber.xml(document)


@pytest.mark.parametrize(
    ("document", "private"),
    [
        ("<a><ClientMachineID>5c3a1dd9-b3b4-4d37-9d9c-7d0b2ef4a2fd</ClientMachineID></a>", "5c3a1dd9"),
        ("<a><KeyManagementServiceMachine>kms1.corp.test</KeyManagementServiceMachine></a>", "corp"),
        ("<a><KeyManagementServiceMachine>KMS1</KeyManagementServiceMachine></a>", "KMS1"),
        ("<a><KeyManagementServiceLookupDomain>corp.test</KeyManagementServiceLookupDomain></a>", "corp"),
        ("<a><ProductKeyID>03612-00206-596-123456-03-1033-20348.0000-0502024</ProductKeyID></a>", "596-123456"),
        ("<a><PartialProductKey>7YGQ9</PartialProductKey></a>", "7YGQ9"),
        ("<a><OfflineInstallationId>" + "123456789" * 7 + "</OfflineInstallationId></a>", "123456789"),
        ("<a><OA3xOriginalProductKey>N4444-44444-44444-44444-FW444</OA3xOriginalProductKey></a>", "FW444"),
        ("<a><OA3xOriginalProductKeyPkPn>[4.0]X18-15555</OA3xOriginalProductKeyPkPn></a>", "15555"),
        ("<a><SerialNumber>VMware-56 4d 11 22</SerialNumber></a>", "56 4d"),
        ("<a><Text>The key N4444-44444-44444-44444-RT444 is not valid.</Text></a>", "RT444"),
        ("<a><UserName>CORP\\jdoe</UserName></a>", "jdoe"),
        ("<a><Text>S-1-5-21-1111111111-2222222222-3333333333-1107</Text></a>", "2222222222"),
        ("<a><Text>from 10.20.30.40</Text></a>", "10.20.30.40"),
        ("<a><Text>from fe80::1234:5678 to</Text></a>", "fe80::1234:5678"),
        ("<a><Text>00:15:5D:01:02:03</Text></a>", "00:15:5D"),
        ("<a><Text>asked dc1.ad.corp.test for it</Text></a>", "ad.corp"),
        ("<a><Path>\\\\SRV77\\root\\cimv2</Path></a>", "SRV77"),
        ('<a><f:WSManFault xmlns:f="urn:f" Code="5" Machine="SRV77"/></a>', "SRV77"),
        ('<a><w:Selector Name="DnsServerName">dc1.corp.test</w:Selector></a>', "dc1"),
        ("<a><InsertionStrings>PC-0815</InsertionStrings></a>", "0815"),
        ("<a><InsertionStrings>0x0,5,PC-0815,2026/03/02 08:00</InsertionStrings></a>", "0815"),
    ],
)
def test_what_is_private_is_replaced(scrubber: Scrubber, document: str, private: str) -> None:
    result = scrubbed(scrubber, document)
    assert private.lower() not in result.lower()
    assert scrubber.leftovers(result) == []
    # Its tags are the same.
    assert [piece.split(">")[0] for piece in result.split("</")[1:]] == [
        piece.split(">")[0] for piece in document.split("</")[1:]
    ]


@pytest.mark.parametrize(
    "document",
    [
        f"<a><ApplicationID>{WINDOWS}</ApplicationID></a>",
        "<a><ID>de32eafd-aaee-4662-9444-c1befb41bde2</ID></a>",
        f"<a><PartialProductKey>{GVLK_END}</PartialProductKey></a>",
        "<a><Version>10.0.20348.2849</Version></a>",
        "<a><Text>at 08:00:05 on 2026-03-02T08:00:05.123456Z</Text></a>",
        "<a><Text>S-1-5-18 and 127.0.0.1 and 192.0.2.7</Text></a>",
        '<a path="%systemroot%\\system32\\WsmWmiPl.dll"/>',
        "<a><w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service</w:ResourceURI></a>",
        "<a><Text>Win32_Service.Name=&quot;sppsvc&quot;</Text></a>",
        "<a><sSubKeyName>SOFTWARE\\Microsoft</sSubKeyName></a>",
        "<a><InsertionStrings>0x4004F040</InsertionStrings></a>",
        "<a><UserName>NT AUTHORITY\\SYSTEM</UserName></a>",
        "<a><Domain>WORKGROUP</Domain></a>",
        "<a><UseLicenseURL>https://activation.sls.microsoft.com/x</UseLicenseURL></a>",
    ],
)
def test_what_is_public_stays(scrubber: Scrubber, document: str) -> None:
    assert scrubbed(scrubber, document) == document
    assert scrubber.leftovers(document) == []


def test_one_value_has_one_substitute_everywhere(scrubber: Scrubber) -> None:
    scrubber.learn("host", "kms1.corp.test")
    assert scrubber.text("KMS1 and kms1.corp.test in corp.test, CORP") == (
        "HOST1 and host1.zone1.example in zone1.example, NET1"
    )
    assert scrubber.data({"kms1": ["kms1", None, 3]}) == {"kms1": ["host1", None, 3]}


def test_substitutes_are_as_long_where_there_is_room(scrubber: Scrubber) -> None:
    for kind, value in (
        ("host", "a-long-host-name"),
        ("domain", "department.corp.test"),
        ("user", "firstname.lastname"),
        ("guid", "5c3a1dd9-b3b4-4d37-9d9c-7d0b2ef4a2fd"),
        ("code", "03612-00206-596-123456-03-1033-20348.0000-0502024"),
        ("key", "N4444-44444-44444-44444-RT444"),
    ):
        scrubber.learn(kind, value)
        assert scrubber.text(value) != value
        assert len(scrubber.text(value)) == len(value)


def test_a_host_may_be_called_like_an_element(scrubber: Scrubber) -> None:
    document = '<a xmlns:Name="urn:Name"><Name>Name</Name></a>'
    assert scrubbed(scrubber, document, "Win32_ComputerSystem") == '<a xmlns:Name="urn:Name"><Name>host1</Name></a>'


def test_markup_in_a_name_stays_markup(scrubber: Scrubber) -> None:
    document = "<a><Organization>Smith &amp; Sons</Organization><Text>by Smith &amp; Sons &lt;c&gt;</Text></a>"
    assert "Smith" not in (result := scrubbed(scrubber, document))
    assert result.endswith("&lt;c&gt;</Text></a>")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("key: N4444-44444-44444-44444-RT444", "product key"),
        ("id: 5c3a1dd9-b3b4-4d37-9d9c-7d0b2ef4a2fd", "machine ID"),
        ("sid: S-1-5-21-1-2-3-500", "SID"),
        ("from 10.20.30.40", "address"),
        ("at fe80::1234:5678", "address"),
        ("number " + "1" * 54, "product or installation ID"),
        ("name: dc1.ad.corp.test", "DNS name"),
        ("the word Eiffel in it", "forbidden word"),
        ("an xKMS01x within a word", "kind host"),
    ],
)
def test_what_is_left_is_named_without_being_shown(line: str, kind: str) -> None:
    scrubber = Scrubber(forbidden=["eiffel"])
    scrubber.learn("host", "kms01")
    (found,) = scrubber.leftovers(f"fine: 1\n{line}\n")
    assert found.startswith("line 2: ")
    assert kind in found
    assert line.split()[-1] not in found
