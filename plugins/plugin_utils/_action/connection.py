# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CimSession from the options of the task's own connection plugin, without a shell or a runspace.

The plugins have no public way to lend their protocol client.  What is used here of them is named in CONTRACT, so that a
test can pin it for every supported ansible-core.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlunsplit

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from .._cim.errors import CimAuthenticationError, CimConnectionError, CimTransportError
from .._cim.login import PYWINRM, Login
from .._cim.pypsrp_transport import PypsrpTransport
from .._cim.pywinrm_transport import PywinrmTransport
from .._cim.session import CimSession
from .._cim.transport import Transport

#: Connection plugin -> the private members of it that are used.
CONTRACT = {
    "winrm": (
        "_build_winrm_kwargs",
        "_kerb_auth",
        "_kerb_managed",
        "_kinit_cmd",
        "_winrm_connection_timeout",
        "_winrm_host",
        "_winrm_kwargs",
        "_winrm_pass",
        "_winrm_path",
        "_winrm_port",
        "_winrm_scheme",
        "_winrm_transport",
        "_winrm_user",
    ),
    "psrp": ("_build_kwargs", "_psrp_conn_kwargs"),
}
_LIBRARIES = {"winrm": ("winrm", "pywinrm"), "psrp": ("pypsrp", "pypsrp")}

GetTicket = Callable[[Any, str], None]
"""Called with the connection plugin and the endpoint, before a log-on with a ticket that the plugin would manage."""

#: Seconds that Windows may take for one operation: its own limit (MaxTimeoutms).  Installing a key can take over ten.
OPERATION_TIMEOUT = 60
_CONNECT_TIMEOUT = 30


def open_session(connection: Any) -> CimSession:
    """A session with the host of this connection; nothing is sent yet.  Raises as `open_transport` does."""
    return CimSession(open_transport(connection), operation_timeout=OPERATION_TIMEOUT)


def open_transport(connection: Any, *, get_ticket: GetTicket | None = None) -> Transport:
    """What carries messages to the host of this connection; nothing is sent yet.

    get_ticket: gets a Kerberos ticket before the first message, where the plugin would get one itself.

    Raises AnsibleError for a connection plugin other than winrm and psrp, and when its library is missing.
    """
    plugin = getattr(connection, "transport", None)
    if plugin not in CONTRACT:
        raise AnsibleError(
            f"the connection plugin {plugin} can't be used: this module speaks WS-Management, so the host needs "
            "ansible_connection: winrm or ansible_connection: psrp"
        )
    package, distribution = _LIBRARIES[plugin]
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise AnsibleError(
            f"the connection plugin {plugin} needs the Python package {distribution} on the controller: "
            f"pip install {distribution} ({error})"
        ) from error
    if plugin == "psrp":
        return _psrp_transport(connection)
    return _winrm_transport(connection, get_ticket or ticket_by_plugin)


def _winrm_transport(connection: Any, get_ticket: GetTicket) -> Transport:
    connection._build_winrm_kwargs()
    netloc = f"{_bracketed(connection._winrm_host)}:{connection._winrm_port}"
    endpoint = urlunsplit((connection._winrm_scheme, netloc, connection._winrm_path, "", ""))
    patience = connection._winrm_connection_timeout

    def make_protocol(authentication: Any) -> Any:
        from winrm.protocol import Protocol

        kwargs = dict(connection._winrm_kwargs)
        if patience:
            kwargs.update(operation_timeout_sec=patience, read_timeout_sec=patience + 10)
        if authentication == "kerberos" and connection._kerb_managed:
            get_ticket(connection, endpoint)
        return Protocol(endpoint, transport=authentication, **kwargs)

    choices: list[Transport] = [
        PywinrmTransport(partial(make_protocol, name), endpoint, connect_timeout=patience or _CONNECT_TIMEOUT)
        for name in connection._winrm_transport
    ]
    return choices[0] if len(choices) == 1 else _FirstThatLogsOn(choices)


def ticket_by_plugin(connection: Any, endpoint: str) -> None:
    """Have the plugin run kinit, which puts a ticket into a cache of the connection's own."""
    user = connection._winrm_user or ""
    try:
        connection._kerb_auth(user, connection._winrm_pass)
    except AnsibleConnectionFailure as error:
        login = Login(PYWINRM, "kerberos", user)
        raise CimAuthenticationError(login.kinit(str(error)), endpoint=endpoint) from None


def ticket_account(connection: Any) -> tuple[str, ...]:
    """What the ticket depends on that the plugin would get; the same for connections that can share one."""
    asked = (connection._winrm_user, connection._winrm_pass, connection._kinit_cmd)
    options = (connection.get_option(name) for name in ("kinit_args", "kinit_env_vars", "_extras"))
    return tuple(map(str, (*asked, *options)))


class _FirstThatLogsOn:
    """Transports with one way to log on each, as the list in ansible_winrm_transport; the first that works stays."""

    def __init__(self, choices: list[Transport]) -> None:
        self._choices = choices
        self.endpoint = choices[0].endpoint
        self.last_status: int | None = None
        self._failed: list[str] = []

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        while True:
            try:
                answer = self._choices[0].send(envelope, timeout=timeout, idempotent=idempotent)
            except CimTransportError as error:
                # Only what can't have reached WS-Management is tried another way.
                refused = isinstance(error, CimAuthenticationError) or not error.sent
                if len(self._choices) == 1 or isinstance(error, CimConnectionError) or not refused:
                    if self._failed:
                        error.message += f" Tried before: {' '.join(self._failed)}"
                    raise
                self._failed.append(error.message)
                self._choices.pop(0).close()
            else:
                del self._choices[1:]
                self.last_status = self._choices[0].last_status
                return answer

    def close(self) -> None:
        self._choices[0].close()


def _psrp_transport(connection: Any) -> Transport:
    connection._build_kwargs()
    kwargs = connection._psrp_conn_kwargs
    netloc = f"{_bracketed(kwargs['server'])}:{kwargs['port']}"
    endpoint = urlunsplit(("https" if kwargs["ssl"] else "http", netloc, kwargs["path"], "", ""))

    def make_wsman() -> Any:
        from pypsrp.wsman import WSMan

        return WSMan(**kwargs)

    return PypsrpTransport(make_wsman, endpoint, connect_timeout=kwargs.get("connection_timeout") or _CONNECT_TIMEOUT)


def _bracketed(host: str) -> str:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return f"[{host}]"
