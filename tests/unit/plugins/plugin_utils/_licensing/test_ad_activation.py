# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forest is activated once: what is sent, and what is made of the answers of Windows and of the directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import pytest

from ansible_collections.winops.kms.plugins.module_utils._directory.errors import ConnectError
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import ActivationObject
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimConnectionError,
    CimFault,
    CimTimedOut,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.ad_activation import (
    DEPOSIT,
    GENERATE,
    ONLINE,
    ForestActivation,
    ForestWish,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import (
    InvalidOption,
    LicensingError,
    UnknownOutcome,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey

KEY = ProductKey("N2222-22222-22222-22222-HK222")
CONFIRMATION = "123456-" * 7 + "123456"
VERSION = "10.0.20348.2849"


def an_object(name: str = "Contoso", partial: str = "HK222") -> ActivationObject:
    return ActivationObject(f"CN={name}-cn,CN=x", f"{name}-cn", name, partial, "pid", "sku")


class FakeDirectory:
    """Answers in turn; the last one stays. An exception is raised."""

    server = "the directory server dc1"

    def __init__(self, *answers: tuple[ActivationObject, ...] | Exception) -> None:
        self.answers = list(answers)
        self.reads = 0

    def objects(self) -> tuple[ActivationObject, ...]:
        self.reads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeSession:
    """Notes what is sent; `fails` is raised by every method."""

    def __init__(self, *, fails: Exception | None = None, version: str = VERSION) -> None:
        self.fails = fails
        self.version = version
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    def query(self, _class: object, columns: list[str]) -> list[dict[str, str]]:
        assert columns == ["Version"]
        return [{"Version": self.version}]

    def invoke(self, target: tuple[object, dict[str, str]], method: str, **parameters: Any) -> dict[str, Any]:
        assert target[1] == {"Version": self.version}
        parameters.pop("writes", None)
        self.sent.append((method, parameters))
        if self.fails is not None:
            raise self.fails
        return {"InstallationID": "1" * 63, "ReturnValue": 0}


def wish(**options: Any) -> ForestWish:
    given = {"key": KEY, "name": None, "confirmation_id": None, "offline": False, **options}
    return ForestWish.of(**given)


def activation(session: FakeSession, directory: FakeDirectory | None, wanted: ForestWish) -> ForestActivation:
    return ForestActivation(cast(CimSession, session), directory, wanted, pause=lambda _seconds: None)


def lost(error: CimConnectionError | CimTimedOut) -> CimConnectionError | CimTimedOut:
    error.outcome_unknown = True
    return error


def dropped() -> CimConnectionError:
    error = CimConnectionError("dropped", sent=True, dropped=True)
    error.outcome_unknown = True
    return error


@pytest.mark.parametrize(
    ("options", "method", "parameters"),
    [
        ({}, ONLINE, {"ActivationObjectName": ""}),
        ({"name": " Contoso "}, ONLINE, {"ActivationObjectName": "Contoso"}),
        (
            {"confirmation_id": CONFIRMATION},
            DEPOSIT,
            {"ActivationObjectName": "", "ConfirmationID": "123456" * 8},
        ),
    ],
)
def test_what_is_sent(options: dict[str, Any], method: str, parameters: dict[str, str]) -> None:
    session, directory = FakeSession(), FakeDirectory((), (), (an_object(),))
    outcome = activation(session, directory, wish(**options)).run(check=False)
    assert session.sent == [(method, {"ProductKey": KEY.secret, **parameters})]
    assert (outcome.changed, outcome.found, outcome.error) == (True, an_object(), None)


def test_nothing_is_sent_when_the_key_has_an_object() -> None:
    for name in (None, "contoso", "CONTOSO-CN"):
        session = FakeSession()
        outcome = activation(session, FakeDirectory((an_object("x", "HK999"), an_object())), wish(name=name)).run(
            check=False
        )
        assert (outcome.changed, outcome.found, session.sent) == (False, an_object(), [])


def test_check_mode_reads_the_directory_alone() -> None:
    session, directory = FakeSession(), FakeDirectory(())
    assert activation(session, directory, wish()).run(check=True).changed is True
    assert activation(session, directory, wish(offline=True)).run(check=True).changed is False
    assert activation(session, None, wish()).run(check=True).changed is True
    assert (session.sent, directory.reads) == ([], 2)


@pytest.mark.parametrize(
    ("objects", "name", "text"),
    [
        ((an_object(),), "Another", "has activated this forest already, as the activation object Contoso"),
        ((an_object("Contoso", "HK999"),), "Contoso", "of another key, the one that ends in HK999"),
        (ConnectError("UNREACHABLE", "it is gone.", "Look."), None, "Nothing was sent"),
    ],
)
def test_nothing_is_sent_in_doubt(
    objects: tuple[ActivationObject, ...] | Exception, name: str | None, text: str
) -> None:
    session = FakeSession()
    with pytest.raises(LicensingError) as caught:
        activation(session, FakeDirectory(objects), wish(name=name)).run(check=False)
    assert text in caught.value.info.message and caught.value.info.remedy
    assert session.sent == []


def test_another_run_may_have_been_faster() -> None:
    session, directory = FakeSession(), FakeDirectory((), (an_object(),))
    held: list[str] = []

    @contextmanager
    def alone() -> Iterator[None]:
        held.append("held")
        yield
        held.append("let go")

    task = activation(session, directory, wish())
    task.alone = alone
    outcome = task.run(check=False)
    assert (outcome.changed, outcome.found, session.sent) == (False, an_object(), [])
    assert held == ["held", "let go"]


@pytest.mark.parametrize("make", [dropped, lambda: lost(CimTimedOut("took too long"))])
def test_a_lost_answer_is_looked_up(make: Callable[[], Exception]) -> None:
    session = FakeSession(fails=make())
    directory = FakeDirectory((), (), (), ConnectError("NO_ANSWER", "gone.", "x"), (an_object(),))
    outcome = activation(session, directory, wish()).run(check=False)
    assert (outcome.changed, outcome.found, outcome.error, len(session.sent)) == (True, an_object(), None, 1)


@pytest.mark.parametrize("directory", [FakeDirectory(()), None])
def test_a_lost_answer_that_shows_nowhere_is_an_error_and_nothing_is_sent_again(
    directory: FakeDirectory | None,
) -> None:
    session = FakeSession(fails=dropped())
    outcome = activation(session, directory, wish()).run(check=False)
    assert isinstance(outcome.error, UnknownOutcome) and len(session.sent) == 1
    assert "not sent a second time" in outcome.error.info.remedy
    assert outcome.changed is False


def test_a_host_that_is_gone_before_anything_was_sent_is_unreachable() -> None:
    session = FakeSession(fails=CimConnectionError("refused"))
    with pytest.raises(CimConnectionError):
        activation(session, FakeDirectory(()), wish()).run(check=False)


def test_a_fault_after_which_the_object_is_there_is_an_error_and_a_change() -> None:
    session = FakeSession(fails=CimFault("x", code=0xC004F025))
    outcome = activation(session, FakeDirectory((), (), (an_object(),)), wish()).run(check=False)
    assert outcome.changed and outcome.error is not None and outcome.error.info.code == "0xC004F025"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (CimFault("x", code=0x80070005), "0x80070005"),
        (CimFault("x", code=0x80072098), "0x80072098"),
        (CimFault("x", code=0x8009030E), "0x8009030E"),
        (CimAccessDenied("x", code=5), "0x00000005"),
        (CimFault("x", code=0x8007054B), "0x8007054B"),
    ],
)
def test_credentials_that_cannot_be_passed_on(fault: CimFault, code: str) -> None:
    for options in ({}, {"offline": True}):
        session = FakeSession(fails=fault)
        task = activation(session, FakeDirectory(()), wish(**options))
        try:
            error = task.run(check=False).error
        except LicensingError as caught:
            error = caught
        assert error is not None and error.info.code == code
        assert "CredSSP" in error.info.remedy and "domain controller" in error.info.remedy


def test_an_object_that_does_not_show_is_a_warning() -> None:
    outcome = activation(FakeSession(), FakeDirectory(()), wish()).run(check=False)
    assert (outcome.changed, outcome.found) == (True, None)
    assert "dc1 does not show the activation object yet" in outcome.warnings[0]


def test_the_installation_id() -> None:
    session = FakeSession()
    outcome = activation(session, None, wish(offline=True)).run(check=False)
    assert (outcome.changed, outcome.installation_id) == (False, "1" * 63)
    assert session.sent == [(GENERATE, {"ProductKey": KEY.secret})]


@pytest.mark.parametrize("version", ["6.1.7601.17514", "", "x"])
def test_a_windows_without_the_methods(version: str) -> None:
    session = FakeSession(version=version)
    with pytest.raises(LicensingError, match="can't activate a forest"):
        activation(session, FakeDirectory(()), wish()).run(check=False)
    assert session.sent == []


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"key": None}, "key"),
        ({"key": ProductKey("NPPR9-FWDCX-D2C8J-H872K-2YT43")}, "key"),
        ({"name": "n" * 41}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"confirmation_id": "12345"}, "confirmation_id"),
        ({"confirmation_id": "x" * 48}, "confirmation_id"),
    ],
)
def test_what_is_wrong_by_itself(options: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        wish(**options)
    assert caught.value.option == option and caught.value.info.remedy
