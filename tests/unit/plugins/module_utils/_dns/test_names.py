# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError
from ansible_collections.winops.kms.plugins.module_utils._dns.names import (
    domain_name,
    domain_of,
    lies_in,
    owner_name,
    server_name,
    target_name,
)


@pytest.mark.parametrize("text", ["lab.test", "lab.test.", "LAB.test", "corp", "a-b.lab.test", "xn--bcher-kva.example"])
def test_a_zone_is_taken_with_or_without_the_final_dot(text: str) -> None:
    assert domain_name(text, "zone") == text.removesuffix(".")
    assert owner_name(domain_name(text, "zone")) == "_vlmcs._tcp." + text.removesuffix(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "lab..test",
        ".lab.test",
        "lab.test..",
        "-lab.test",
        "lab-.test",
        "lab test",
        "lab.test\n",
        "lab\\.test",
        "bücher.example",
        "192.0.2.1",
        "x" * 64 + ".test",
        ".".join(["x" * 63] * 4),
        "_vlmcs._tcp.lab.test",
        "_TCP.lab.test",
    ],
)
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        domain_name(text, "domain")
    assert caught.value.option == "domain"
    assert caught.value.as_result()["name"] == "INVALID_OPTION"


@pytest.mark.parametrize(
    ("zone", "domain", "targets", "found"),
    [
        ("lab.test", None, ["kms01.elsewhere.example"], "lab.test"),
        ("lab.test", "office.lab.test", ["kms01.lab.test"], "office.lab.test"),
        ("lab.test", "LAB.test", ["kms01.lab.test"], "LAB.test"),
        (None, "office.lab.test", ["kms01.lab.test"], "office.lab.test"),
        (None, None, ["kms01.office.lab.test"], "office.lab.test"),
        (None, None, ["kms01.lab.test", "KMS02.LAB.test"], "LAB.test"),
    ],
)
def test_the_domain_of_the_clients(zone: str | None, domain: str | None, targets: list[str], found: str) -> None:
    assert domain_of(zone, domain, targets) == found


@pytest.mark.parametrize(
    ("zone", "domain", "targets"),
    [
        ("lab.test", "test", ["kms01.lab.test"]),
        ("lab.test", "mylab.test", ["kms01.lab.test"]),
        (None, None, ["kms01.lab.test", "kms02.office.lab.test"]),
    ],
)
def test_a_domain_that_is_not_clear(zone: str | None, domain: str | None, targets: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        domain_of(zone, domain, targets)
    assert caught.value.option == "domain"


def test_lying_in_a_zone_is_a_matter_of_whole_labels() -> None:
    assert lies_in("a.Lab.test", "lab.TEST") and lies_in("lab.test", "lab.test")
    assert not lies_in("mylab.test", "lab.test") and not lies_in("test", "lab.test")


def test_a_target_is_never_completed() -> None:
    assert target_name("kms01.lab.test.", "lab.test") == "kms01.lab.test"
    assert target_name("kms01.elsewhere.example", "lab.test") == "kms01.elsewhere.example"
    with pytest.raises(InputError, match=r"kms01\.lab\.test") as caught:
        target_name("kms01", "lab.test")
    assert caught.value.option == "target"


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "192.0.2.7.", "2001:db8::7", ".", "", "*.lab.test", "kms01.lab.test:1688"]
)
def test_a_target_is_a_host_name(text: str) -> None:
    with pytest.raises(InputError) as caught:
        target_name(text, "lab.test")
    assert caught.value.option == "target"


@pytest.mark.parametrize("text", ["192.0.2.53", "2001:db8::53", "fe80::1%eth0", "ns1", "ns1.lab.test"])
def test_a_server_is_a_name_or_an_address(text: str) -> None:
    assert server_name(text) == text


@pytest.mark.parametrize("text", ["192.0.2.53:53", "[2001:db8::53]", "ns1.lab.test:53", "dns://ns1", "two words"])
def test_a_server_comes_without_its_port(text: str) -> None:
    with pytest.raises(InputError) as caught:
        server_name(text)
    assert caught.value.option == "server"
