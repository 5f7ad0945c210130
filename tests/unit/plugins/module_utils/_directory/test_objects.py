# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and deleting activation objects, with a connection that is played."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._directory import objects
from ansible_collections.winops.kms.plugins.module_utils._directory.connection import Access, Session
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import (
    AnswerError,
    ChoiceError,
    ConnectError,
    NotPreparedError,
)
from ansible_collections.winops.kms.plugins.module_utils._directory.kerberos import KerberosAccount
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import (
    ActivationObject,
    Directory,
    choose,
    same_dn,
)

PARTITION = "CN=Configuration,DC=lab,DC=test"
CONTAINER = f"CN=Activation Objects,CN=Microsoft SPP,CN=Services,{PARTITION}"
SKU = "6e9fc069-257d-4bc4-b4a7-750514d32743"
ACCESS = Access(("dc1.lab.test",), KerberosAccount(), encryption="sasl")


def entry(dn: str, **attributes: bytes) -> dict[str, Any]:
    raw = {name.replace("_", "-"): [value] for name, value in attributes.items()}
    return {"type": "searchResEntry", "dn": dn, "raw_attributes": raw}


def stored(cn: str, **attributes: bytes) -> dict[str, Any]:
    return entry(f"CN={cn},{CONTAINER}", cn=cn.encode(), **attributes)


class FakeConnection:
    """A directory with these entries below the container; `breaks` requests get no answer."""

    def __init__(self, *entries: dict[str, Any], result: int = 0, container: bool = True) -> None:
        self.entries = list(entries)
        self.search_result = result
        self.container = [entry(CONTAINER)] if container else []
        self.root = [entry("", configurationNamingContext=PARTITION.encode())]
        self.breaks = 0
        self.delete_before_break = False
        self.deleted: list[str] = []
        self.response: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {}

    def search(self, base: str, _filter: str, **_more: object) -> None:
        if not base:
            self.result, self.response = {"result": 0}, self.root
            return
        assert base == CONTAINER
        self.result = {"result": self.search_result}
        reference = {"type": "searchResRef"}
        self.response = [] if self.search_result else [*self.container, reference, *self.entries]

    def delete(self, dn: str) -> None:
        breaks, self.breaks = self.breaks, max(0, self.breaks - 1)
        if not breaks or self.delete_before_break:
            found = [item for item in self.entries if item["dn"] == dn]
            self.entries = [item for item in self.entries if item["dn"] != dn]
            self.deleted.append(dn)
            self.result = {"result": 0 if found else 32}
        if breaks:
            raise ConnectionResetError


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have `Directory` speak to a connection of the test."""

    def use(connection: FakeConnection) -> Directory:
        @contextmanager
        def connect(_access: Access) -> Iterator[Session]:
            yield Session(connection, "the directory server dc1", "the account u")

        monkeypatch.setattr(objects, "connect", connect)
        return Directory(ACCESS)

    return use


def test_all_attributes_and_none(play: Any) -> None:
    full = stored(
        "b",
        displayName="Büro".encode(),
        msSPP_CSVLKPartialProductKey=b"HK222",
        msSPP_CSVLKPid=b"03612",
        msSPP_CSVLKSkuId=uuid.UUID(SKU).bytes_le,
        whenCreated=b"20260302080910.0Z",
    )
    found = play(FakeConnection(full, stored("a"))).objects()
    assert [item.name for item in found] == ["a", "Büro"]
    assert found[0].as_result() == {
        "name": "a",
        "cn": "a",
        "dn": f"CN=a,{CONTAINER}",
        "partial_product_key": None,
        "product_key_id": None,
        "activation_id": None,
        "created": None,
    }
    assert (found[1].activation_id, found[1].created) == (SKU, "2026-03-02T08:09:10Z")
    assert (found[1].partial_product_key, found[1].product_key_id) == ("HK222", "03612")


def test_an_attribute_in_another_case_and_a_strange_one(play: Any) -> None:
    (found,) = play(FakeConnection(stored("a", DISPLAYNAME=b"\xff", msSPP_CSVLKSkuId=b"short"))).objects()
    assert (found.name, found.activation_id) == ("\ufffd", None)


def test_an_empty_container(play: Any) -> None:
    assert play(FakeConnection()).objects() == ()


@pytest.mark.parametrize("connection", [FakeConnection(result=32), FakeConnection(container=False)])
def test_a_container_that_is_not_there_or_not_shown(play: Any, connection: FakeConnection) -> None:
    with pytest.raises(NotPreparedError, match="does not show it to the account u"):
        play(connection).objects()


def test_a_server_that_is_no_domain_controller(play: Any) -> None:
    connection = FakeConnection()
    connection.root = [entry("")]
    with pytest.raises(AnswerError, match="no domain controller"):
        play(connection).objects()


def test_an_error_of_the_server(play: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        play(FakeConnection(result=50)).objects()
    assert caught.value.as_result()["code"] == "50"


def test_deleting_what_is_there_and_what_is_gone(play: Any) -> None:
    connection = FakeConnection(stored("a"))
    directory = play(connection)
    (target,) = directory.objects()
    directory.delete(target)
    directory.delete(target)
    assert connection.entries == [] and connection.deleted == [target.dn] * 2


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_of_a_deletion_is_looked_up(play: Any, arrived: bool) -> None:
    connection = FakeConnection(stored("a"))
    connection.breaks, connection.delete_before_break = 1, arrived
    directory = play(connection)
    (target,) = directory.objects()
    directory.delete(target)
    assert connection.entries == [] and connection.deleted == [target.dn]


def test_a_server_that_never_answers_is_given_up(play: Any) -> None:
    connection = FakeConnection(stored("a"))
    connection.breaks = 10
    directory = play(connection)
    (target,) = directory.objects()
    with pytest.raises(ConnectError, match="broke, or no answer came in time"):
        directory.delete(target)
    assert connection.breaks == 7


def an_object(cn: str, name: str | None = None) -> ActivationObject:
    return ActivationObject(f"CN={cn},{CONTAINER}", cn, name, "HK222", None, None)


def test_choosing() -> None:
    one, two = an_object("1", "Contoso"), an_object("2", "Fabrikam")
    for text in ("contoso", "1", one.dn, one.dn.upper(), one.dn.replace(",", ", ")):
        assert choose((one, two), text) is one
    assert choose((one, two), "nothing") is None
    assert choose((one, two), f"CN=1,CN=Elsewhere,{PARTITION}") is None
    with pytest.raises(ChoiceError) as caught:
        choose((one, an_object("2", "contoso")), "Contoso")
    assert f"CN=1,{CONTAINER}" in caught.value.message and f"CN=2,{CONTAINER}" in caught.value.message


def test_distinguished_names() -> None:
    assert same_dn("CN=a\\,b,CN=c", "cn=A\\,B, cn=C")
    assert not same_dn("CN=a,CN=b", "CN=a\\,CN\\=b")
    assert not same_dn("no dn, cn=", "CN=a,CN=b")
