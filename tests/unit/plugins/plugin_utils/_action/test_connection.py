# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions from the connection plugins of the ansible-core that is installed; nothing is sent."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.winops.kms.plugins.plugin_utils._action.connection import (
    CONTRACT,
    _FirstThatLogsOn,
    open_session,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAuthenticationError,
    CimConnectionError,
    CimProtocolError,
    CimTimeoutError,
    CimTransportError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.http_transport import HttpTransport
from ansible_collections.winops.kms.plugins.plugin_utils._cim.transport import Transport

PASSWORD = "a secret of the connection"


def connect(plugin: str, **variables: Any) -> Any:
    """A connection plugin with the options that these variables give it, as the task executor makes it."""
    connection = connection_loader.get(plugin, PlayContext(), "/dev/null")
    options = {
        f"ansible_{plugin}_{name}" if name in _OWN else f"ansible_{name}": value for name, value in variables.items()
    }
    options = {"ansible_host": "win.example", "ansible_user": "admin", "ansible_password": PASSWORD, **options}
    extras = {name: value for name, value in options.items() if name.startswith(f"ansible_{plugin}_")}
    connection.set_options(var_options={**options, "_extras": extras if connection.allow_extras else {}})
    return connection


_OWN = {
    "path",
    "scheme",
    "protocol",
    "transport",
    "auth",
    "connection_timeout",
    "server_cert_validation",
    "cert_validation",
}


def make_client(connection: Any) -> Any:
    """The protocol client as it is made for the first message."""
    transport: Any = open_session(connection)._transport
    assert isinstance(transport, HttpTransport)
    return transport._make_client()


@pytest.fixture(autouse=True)
def _no_shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugin may connect by itself: that would open a shell or a runspace."""
    for plugin in CONTRACT:
        module = importlib.import_module(f"ansible.plugins.connection.{plugin}")
        monkeypatch.setattr(module.Connection, "_connect", _must_not_connect)
    yield


def _must_not_connect(self: Any) -> None:
    raise AssertionError("the plugin's own connection opens a shell")


@pytest.mark.parametrize("plugin", CONTRACT)
def test_the_private_members_that_are_used_are_there(plugin: str) -> None:
    connection = connect(plugin)
    methods = {"_build_winrm_kwargs", "_kerb_auth", "_build_kwargs"}
    getattr(connection, "_build_winrm_kwargs" if plugin == "winrm" else "_build_kwargs")()
    for name in CONTRACT[plugin]:
        assert hasattr(connection, name), name
        assert callable(getattr(connection, name)) is (name in methods), name


def test_nothing_else_of_the_plugins_is_used() -> None:
    source = inspect.getsource(importlib.import_module(open_session.__module__))
    used = set(re.findall(r"connection\.(_\w+)", source))
    assert used == {name for names in CONTRACT.values() for name in names}


@pytest.mark.parametrize(
    ("plugin", "variables", "endpoint"),
    [
        ("winrm", {}, "https://win.example:5986/wsman"),
        ("winrm", {"port": 5985}, "http://win.example:5985/wsman"),
        ("winrm", {"port": 15985, "scheme": "http"}, "http://win.example:15985/wsman"),
        ("winrm", {"port": 15985}, "https://win.example:15985/wsman"),
        ("winrm", {"host": "2001:db8::1"}, "https://[2001:db8::1]:5986/wsman"),
        ("winrm", {"host": "192.0.2.1"}, "https://192.0.2.1:5986/wsman"),
        ("winrm", {"path": "/win01/wsman"}, "https://win.example:5986/win01/wsman"),
        ("winrm", {"path": "win01/wsman"}, "https://win.example:5986/win01/wsman"),
        ("psrp", {}, "https://win.example:5986/wsman"),
        ("psrp", {"port": 5985}, "http://win.example:5985/wsman"),
        ("psrp", {"protocol": "http"}, "http://win.example:5985/wsman"),
        ("psrp", {"protocol": "http", "port": 15985}, "http://win.example:15985/wsman"),
        ("psrp", {"host": "2001:db8::1"}, "https://[2001:db8::1]:5986/wsman"),
        ("psrp", {"path": "win01/wsman"}, "https://win.example:5986/win01/wsman"),
    ],
)
def test_the_endpoint_is_that_of_the_connection(plugin: str, variables: dict[str, Any], endpoint: str) -> None:
    connection = connect(plugin, **variables)
    assert open_session(connection).endpoint == endpoint
    client = make_client(connection)
    assert client.transport.endpoint == endpoint, "the library itself goes to the same place"


@pytest.mark.parametrize("plugin", CONTRACT)
def test_credentials_reach_the_library_and_no_text(plugin: str) -> None:
    connection = connect(plugin)
    client = make_client(connection)
    assert (client.transport.username, client.transport.password) == ("admin", PASSWORD)
    assert PASSWORD not in f"{open_session(connection).endpoint} {open_session(connection)!r}"


def test_options_of_winrm_reach_the_library() -> None:
    client = make_client(connect("winrm", transport="ntlm", server_cert_validation="ignore"))
    assert client.transport.auth_method == "ntlm"
    assert client.transport.server_cert_validation == "ignore"
    basic = make_client(connect("winrm", port=5985))
    assert basic.transport.auth_method == "plaintext"


def test_options_of_psrp_reach_the_library() -> None:
    client = make_client(connect("psrp", auth="basic", cert_validation="ignore", connection_timeout=7))
    assert client.transport.auth == "basic"
    assert client.transport.cert_validation is False
    assert open_session(connect("psrp", connection_timeout=7))._transport._connect_timeout == 7  # type: ignore[attr-defined]


def test_kerberos_logs_in_with_tickets_that_the_plugin_manages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = connect("winrm", user="admin@CORP.EXAMPLE", transport="kerberos")
    tickets: list[tuple[str, str]] = []
    monkeypatch.setattr(connection, "_kerb_auth", lambda user, password: tickets.append((user, password)))
    with pytest.MonkeyPatch.context() as patched:
        module = importlib.import_module("winrm.protocol")
        made: dict[str, Any] = {}
        patched.setattr(module, "Protocol", lambda endpoint, **options: made.update(options) or "protocol")
        assert make_client(connection) == "protocol"
    assert made["transport"] == "kerberos"
    assert tickets == [("admin@CORP.EXAMPLE", PASSWORD)]


def test_nothing_is_made_before_the_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("winrm.protocol")
    monkeypatch.setattr(module, "Protocol", _must_not_connect)
    open_session(connect("winrm")).close()


@pytest.mark.parametrize("plugin", ["ssh", "local", "smart", None])
def test_any_other_connection_plugin_is_one_clear_error(plugin: str | None) -> None:
    with pytest.raises(AnsibleError) as caught:
        open_session(SimpleNamespace(transport=plugin))
    text = str(caught.value)
    assert f"connection plugin {plugin} can't be used" in text
    assert "ansible_connection: winrm" in text and "ansible_connection: psrp" in text


def _without(package: str) -> Callable[..., Any]:
    real = importlib.import_module

    def import_module(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest)

    return import_module


@pytest.mark.parametrize(
    ("plugin", "package", "distribution"), [("winrm", "winrm", "pywinrm"), ("psrp", "pypsrp", "pypsrp")]
)
def test_a_missing_library_is_named_as_it_is_installed(
    plugin: str, package: str, distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(plugin)
    monkeypatch.setattr(importlib, "import_module", _without(package))
    with pytest.raises(AnsibleError, match=rf"pip install {distribution}\b"):
        open_session(connection)


def test_each_plugin_needs_its_own_library_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect("psrp")
    real = builtins.__import__

    def no_winrm(name: str, *rest: Any, **options: Any) -> Any:
        assert name.split(".")[0] != "winrm"
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", no_winrm)
    make_client(connection)


def test_settings_that_the_library_refuses_are_told_when_the_first_message_is_sent() -> None:
    connection = connect("winrm", transport="ntlm", server_cert_validation="sometimes")
    session = open_session(connection)
    with pytest.raises(CimTransportError, match="sometimes"):
        session._transport.send(b"", timeout=1)


class _Choice:
    """A transport with one way to log on: it answers, or raises what it was given."""

    endpoint = "http://host:5985/wsman"

    def __init__(self, error: CimTransportError | None = None) -> None:
        self.error = error
        self.last_status: int | None = None
        self.sent = 0

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        self.sent += 1
        if self.error is not None:
            raise self.error
        self.last_status = 200
        return b"answer"

    def close(self) -> None:
        self.last_status = None


def test_the_next_way_to_log_on_is_tried_and_the_one_that_works_stays() -> None:
    refused, works, never = _Choice(CimAuthenticationError("no", sent=True)), _Choice(), _Choice()
    transport = _FirstThatLogsOn([refused, works, never])
    assert [transport.send(b"", timeout=1) for _turn in range(2)] == [b"answer", b"answer"]
    assert (refused.sent, works.sent, never.sent) == (1, 2, 0)
    assert transport.last_status == 200


@pytest.mark.parametrize(
    "error",
    [CimConnectionError("nobody there"), CimProtocolError("HTML", sent=True), CimTimeoutError("late", sent=True)],
)
def test_only_a_refused_log_on_is_tried_another_way(error: CimTransportError) -> None:
    failing, other = _Choice(error), _Choice()
    with pytest.raises(type(error)):
        _FirstThatLogsOn([failing, other]).send(b"", timeout=1)
    assert other.sent == 0


def test_when_every_way_is_refused_all_refusals_are_told() -> None:
    choices: list[Transport] = [_Choice(CimAuthenticationError(f"{name}.")) for name in ("first", "second", "last")]
    with pytest.raises(CimAuthenticationError, match=r"last\. Tried before: first\. second\."):
        _FirstThatLogsOn(choices).send(b"", timeout=1)


def test_kinit_that_fails_is_a_refused_log_on_without_what_kinit_said(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect("winrm", user="admin@CORP.EXAMPLE", transport="kerberos", port=5985)

    def fail(user: str, password: str) -> None:
        raise AnsibleConnectionFailure(
            f"Kerberos auth failure for principal {user}: kinit: Password incorrect {password}"
        )

    monkeypatch.setattr(connection, "_kerb_auth", fail)
    with pytest.raises(CimAuthenticationError) as caught:
        make_client(connection)
    assert "password or key of admin@CORP.EXAMPLE is wrong" in str(caught.value)
    assert str(caught.value).startswith("http://win.example:5985/wsman: ")
    assert PASSWORD not in f"{caught.value!s} {caught.value.__cause__!s}"
