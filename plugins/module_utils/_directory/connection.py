# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a domain controller: which one, encrypted how, logged on as whom."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .arguments import LDAPS, PORTS, SASL, STARTTLS
from .errors import AnswerError, ConnectError, DirectoryError, InputError, LogonError, refused
from .kerberos import KerberosAccount, log_on
from .library import ldap3
from .tls import failure, make_context, make_tls


@dataclass(frozen=True)
class PasswordAccount:
    """An account that logs on with name and password, which TLS has to protect."""

    user: str
    password: str = field(repr=False)

    @property
    def label(self) -> str:
        """What an error calls it, within a sentence."""
        return f"the account {self.user}"


@dataclass(frozen=True)
class Access:
    """How to reach the directory.

    servers: names or addresses, tried in order; find: gives them when there are none; port: None for that of the
    encryption; timeout: seconds for a connection, and again for each answer.
    """

    servers: tuple[str, ...]
    account: PasswordAccount | KerberosAccount
    encryption: str = LDAPS
    port: int | None = None
    ca_file: str | None = None
    validate: bool = True
    timeout: int = 10
    find: Callable[[], Sequence[str]] | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise InputError for what cannot be right whatever the server is like."""
        context_of(self)
        for server in self.servers:
            if isinstance(self.account, KerberosAccount) and is_address(server) and not self.account.hostname:
                raise InputError(
                    "gss_hostname",
                    f"it is needed, since ldap_server {server} is an address.",
                    "Give the full host name of the domain controller: Kerberos knows it by this name.",
                )


@dataclass
class Session:
    """A connection that is logged on. server: what messages call the other side; account: the same for ours."""

    connection: Any
    server: str
    account: str

    def ask(self, doing: str, request: Callable[[Any], object], *, accept: Sequence[int] = ()) -> dict[str, Any]:
        """Send a request; its result. Raises ConnectError, and AnswerError for a result not 0 nor in `accept`."""
        exceptions = ldap3.core.exceptions
        problem: DirectoryError | None = None
        try:
            request(self.connection)
        except (exceptions.LDAPCommunicationError, OSError):
            problem = ConnectError(
                "NO_ANSWER",
                f"While {doing}: the connection with {self.server} broke, or no answer came in time.",
                "Try again, with a longer ldap_timeout if the server is slow.",
                lost=True,
            )
        except exceptions.LDAPExceptionError as error:
            problem = AnswerError(
                "BAD_REQUEST",
                f"While {doing}: the request cannot be made ({type(error).__name__}).",
                "Check the names and the password for characters that cannot be.",
            )
        if problem is not None:
            raise problem
        result: dict[str, Any] = self.connection.result
        if result["result"] not in (0, *accept):
            raise refused(doing, self.server, self.account, result["result"], result.get("message", ""))
        return result


@contextmanager
def connect(access: Access) -> Iterator[Session]:
    """A session with the first server that can be reached; a server that refuses ends the search.

    Raises ConnectError, LogonError, LibraryError, InputError.
    """
    servers = access.servers or tuple(access.find() if access.find else ())
    unreachable: list[DirectoryError] = []
    for server in servers:
        try:
            session = _open(access, server)
        except ConnectError as error:
            unreachable.append(error)
            continue
        try:
            yield session
        finally:
            session.connection.strategy.close()
        return
    if len(unreachable) == 1:
        raise unreachable[0]
    raise ConnectError(
        unreachable[0].name if unreachable else "NO_SERVER",
        " ".join(error.message for error in unreachable) or "There is no directory server to ask.",
        unreachable[0].remedy if unreachable else "Name one in ldap_server.",
    )


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def context_of(access: Access) -> ssl.SSLContext | None:
    """What TLS is made with; None where Kerberos encrypts. Raises InputError."""
    return None if access.encryption == SASL else make_context(ca_file=access.ca_file, validate=access.validate)


def _open(access: Access, host: str) -> Session:
    context = context_of(access)
    port = access.port or PORTS[access.encryption]
    label = f"the directory server {host} at port {port}"
    tls = make_tls(context, host) if context is not None else None
    server = ldap3.Server(
        host,
        port,
        use_ssl=access.encryption == LDAPS,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=access.timeout,
    )
    account = access.account
    by_password = isinstance(account, PasswordAccount)
    options = (
        {"authentication": ldap3.SIMPLE, "user": account.user, "password": account.password}
        if isinstance(account, PasswordAccount)
        else {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.KERBEROS}
    )
    connection = ldap3.Connection(
        server, receive_timeout=access.timeout, auto_referrals=False, read_only=False, **options
    )
    session = Session(connection, label, account.label)
    try:
        _encrypt(session, access, tls)
        if by_password:
            session.ask("logging on", lambda connection: connection.bind(read_server_info=False))
        elif isinstance(account, KerberosAccount):
            service_host = (account.hostname or host).lower()
            session.ask(
                "logging on",
                lambda connection: log_on(connection, account, service_host, label, encrypt=access.encryption == SASL),
                accept=(14,),
            )
    except BaseException:
        connection.strategy.close()
        raise
    return session


def _encrypt(session: Session, access: Access, tls: Any) -> None:
    """Open the connection, and have it encrypted where TLS does that."""
    exceptions = ldap3.core.exceptions
    connection = session.connection
    problem: DirectoryError | None = None
    try:
        connection.open(read_server_info=False)
        if access.encryption == STARTTLS and not connection.start_tls(read_server_info=False):
            problem = failure(OSError(), session.server)
    except (exceptions.LDAPExceptionError, OSError):
        # The text of ldap3 is not passed on: it holds that of the operating system, in its language.
        problem = (
            failure(tls.error, session.server)
            if tls is not None and tls.error is not None
            else _unreachable(session.server, started=not connection.closed)
        )
    if problem is not None:
        raise problem


def _unreachable(server: str, *, started: bool) -> DirectoryError:
    if started:
        return LogonError(
            "NO_STARTTLS",
            f"{server} does not start TLS.",
            "It may have no certificate. With Kerberos, encryption needs none: ldap_tls sasl.",
        )
    return ConnectError(
        "UNREACHABLE",
        f"{server} cannot be reached.",
        "Check its name, the port (LDAPS 636, LDAP 389), and that no firewall is between.",
    )
