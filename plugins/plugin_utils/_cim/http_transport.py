# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the two HTTP transports have in common: when to start over, and what an error means.

Both libraries are built on requests.  They are imported only while a message is sent: a user needs only the one that
his connection plugin needs.
"""

from __future__ import annotations

import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .errors import (
    CimAuthenticationError,
    CimConnectionError,
    CimError,
    CimProtocolError,
    CimTimeoutError,
    CimTlsError,
    CimTransportError,
)
from .login import PYWINRM, Login, Variables, chain, first_line
from .parse import MAX_ANSWER_SIZE, is_envelope
from .transport import send_again_if_dropped
from .trust import share_trust

__all__ = ["HttpTransport"]

_PIECE = 65536
# http.sys closes an idle connection after two minutes, and with it goes the security context of an encrypted session.
# A write must not be the request that finds this out.
_IDLE_LIMIT = 60.0

_STATUS_TEXTS = {
    400: "the request was malformed for this host",
    403: "the host forbids it; is this address allowed by the IPv4/IPv6 filter of WinRM, or does a proxy refuse it?",
    404: "no WS-Management service at this path; is the path of the connection right (normally /wsman)?",
    405: "no WS-Management service at this path; is the path of the connection right (normally /wsman)?",
    407: "a proxy asks for credentials",
    411: "the host wants a content length, which something in between has removed",
    413: "the request is larger than MaxEnvelopeSizekb of the WinRM service allows",
    500: "the service failed without saying why",
    502: "a proxy could not reach the host",
    503: "the WinRM service is stopped, stopping or out of quota; check Get-Service WinRM and try again later",
    504: "a proxy gave up waiting for the host",
}
# With these the HTTP service refused before any WS-Management code saw the request.
_REFUSED_UNREAD = frozenset({401, 403, 404, 405, 407, 411, 413})


class ResponseGuard:
    """Hook of a requests session: reads each body itself, bounded in size and time, and remembers the status.

    ``timeout`` of requests bounds only the wait for the next bytes: a host that sends one byte a second is never late.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.secure = endpoint.startswith("https:")
        self.deadline: float | None = None
        self.status: int | None = None
        self.body: bytes | None = None
        self.login_methods: list[str] = []
        self.answered = False
        """Whether any answer came since the client was made."""

    def start(self, timeout: float) -> None:
        """Begin a request that must be answered within ``timeout`` seconds."""
        self.deadline = time.monotonic() + timeout
        self.status = None
        self.body = None

    def __call__(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        self.status = int(response.status_code)
        self.answered = True
        if self.status == 401:
            offered = str(response.headers.get("WWW-Authenticate", ""))
            self.login_methods = list(dict.fromkeys(part.split()[0] for part in offered.split(",") if part.split()))
        body = response.content if getattr(response, "_content_consumed", False) else self._read(response)
        # requests offers no other way to hand over a body that was read under own limits.
        response._content = body
        response._content_consumed = True
        encrypted = str(response.headers.get("Content-Type", "")).lower().startswith("multipart/")
        self.body = None if encrypted else body

    def _read(self, response: Any) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in _pieces(response):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_SIZE:
                response.close()
                raise CimProtocolError(
                    f"The answer is larger than {MAX_ANSWER_SIZE} bytes.", endpoint=self._endpoint, sent=True
                )
            if self.deadline is not None and time.monotonic() > self.deadline:
                response.close()
                raise CimTimeoutError(
                    "The answer began, but was not complete in time.", endpoint=self._endpoint, sent=True
                )
        # urllib3 1 takes what came before the end of the connection for all.
        if getattr(response.raw, "length_remaining", None):
            raise IncompleteRead(b"")
        return b"".join(chunks)


def _pieces(response: Any) -> Iterator[bytes]:
    """The body as it comes in, so that between two pieces it shows how late it is."""
    raw = response.raw
    if hasattr(raw, "read1"):
        while piece := raw.read1(_PIECE, decode_content=True):
            yield piece
    elif "Content-Encoding" in response.headers:
        # Waits until a whole piece is there.
        yield from response.iter_content(4096)
    else:
        yield from _pieces_before_read1(raw)


def _pieces_before_read1(raw: Any) -> Iterator[bytes]:
    """The same with urllib3 1 to 2.1, whose ``read`` waits for all that it is asked for: by http.client below it."""
    answer = raw._fp
    with raw._error_catcher():
        while piece := answer.read1(_PIECE):
            yield piece
        # http.client only takes the connection for free once it was asked for the rest, of which there is none.
        answer.read()
    raw.length_remaining = answer.length


class HttpTransport(ABC):
    """Sends envelopes by a client library, and starts over with a new client when the connection is spoilt.

    Subclasses say how to make a client, how to send with it and how to close it.  Not thread-safe, like both libraries.
    """

    library = ""
    variables: Variables = PYWINRM

    def __init__(
        self,
        make_client: Callable[[], Any],
        endpoint: str,
        *,
        connect_timeout: float = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = _without_credentials(endpoint)
        self.last_status: int | None = None
        self._make_client = make_client
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._client: Any = None
        self._guard = ResponseGuard(self.endpoint)
        self._last_used = 0.0

    @abstractmethod
    def _exchange(self, client: Any, envelope: bytes, timeout: tuple[float, float]) -> tuple[int, bytes]:
        """Send and return status and decrypted body, or let the library's own exceptions out.

        ``timeout`` is (connect, read) in seconds.
        """

    @abstractmethod
    def _login(self, client: Any) -> Login:
        """How this client logs on, for texts."""

    @abstractmethod
    def _close_client(self, client: Any) -> None:
        """Close the client's connections."""

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        """See :class:`.transport.Transport`."""
        if not idempotent and self._clock() - self._last_used > _IDLE_LIMIT:
            self.close()
        return send_again_if_dropped(lambda: self._send_once(envelope, timeout), idempotent=idempotent)

    def close(self) -> None:
        """See :class:`.transport.Transport`."""
        client, self._client = self._client, None
        if client is not None:
            self._close_client(client)

    def _send_once(self, envelope: bytes, timeout: float) -> bytes:
        try:
            self._guard.start(timeout)
            status, body = self._attempt(envelope, timeout)
            self.last_status = status
            if status != 200 and (status == 401 or not is_envelope(body)):
                raise self._status_error(status, body)
        except BaseException:
            # Whatever happened, nothing is known about connection and security context: the next request starts afresh.
            self.close()
            raise
        self._last_used = self._clock()
        return body

    def _attempt(self, envelope: bytes, timeout: float) -> tuple[int, bytes]:
        client = self._client
        if client is None:
            client = self._client = self._new_client()
        try:
            return self._exchange(client, envelope, (min(self._connect_timeout, timeout), timeout))
        except CimError:
            raise
        except Exception as exc:
            # No chaining: the texts of these libraries can quote whole messages.
            raise self._translate(exc) from None

    def _refused(self, exc: Any) -> tuple[int, bytes]:
        """Status and body of an answer that the library made a WinRMTransportError of."""
        if self._guard.body is not None:
            return exc.code, self._guard.body
        # Decrypted; pywinrm 0.4 leaves it as it came.
        text = exc.response_text
        return exc.code, text if isinstance(text, bytes) else text.encode()

    def _new_client(self) -> Any:
        self._guard.answered = False
        try:
            return self._make_client()
        except CimError:
            raise
        except ImportError as exc:
            raise CimTransportError(
                f"The Python package {exc.name or self.library} is missing on the controller; install {self.library}.",
                endpoint=self.endpoint,
            ) from exc
        except Exception as exc:
            raise self._setup_error(exc) from None

    def _setup_error(self, exc: Exception) -> CimTransportError:
        text = first_line(exc).rstrip(".")
        return CimTransportError(
            f"The connection cannot be set up by {self.library}: {text}. Check the connection's variables.",
            endpoint=self.endpoint,
        )

    # --- errors -----------------------------------------------------------------------------------------------------

    def _status_error(self, status: int, body: bytes) -> CimTransportError:
        if status == 401:
            return self._login_error()
        if status == 400 and not body:
            return CimConnectionError(
                "The host has dropped the security context of the connection (HTTP 400 without content).",
                endpoint=self.endpoint,
                sent=True,
                http_status=status,
                dropped=True,
            )
        meaning = _STATUS_TEXTS.get(status, "that is no WS-Management answer")
        return CimProtocolError(
            f"HTTP {status}: {meaning}.",
            endpoint=self.endpoint,
            sent=status not in _REFUSED_UNREAD,
            http_status=status,
        )

    def _how(self) -> Login:
        return Login(self.variables) if self._client is None else self._login(self._client)

    def _login_error(self) -> CimAuthenticationError:
        return CimAuthenticationError(
            self._how().refused(self._guard.login_methods), endpoint=self.endpoint, http_status=401
        )

    def _translate(self, exc: Exception) -> CimTransportError:
        """Return our exception for one of the library, of requests or of an authentication package."""
        from requests import exceptions as requests_errors

        if isinstance(exc, UnicodeDecodeError) and self._guard.status is not None:
            return self._status_error(self._guard.status, self._guard.body or b"?")
        login = self._how()
        if isinstance(exc, ImportError):
            return CimTransportError(login.missing_library(exc.name or ""), endpoint=self.endpoint)
        text = login.failure(exc)
        if text is not None:
            if _lacks_token(exc):
                return self._login_error()
            return CimAuthenticationError(text, endpoint=self.endpoint)
        detail = _root_text(exc)
        if isinstance(exc, requests_errors.SSLError):
            return CimTlsError(login.tls(exc), endpoint=self.endpoint)
        if isinstance(exc, requests_errors.ProxyError):
            return CimConnectionError(f"The proxy cannot be used{detail}.", endpoint=self.endpoint)
        if isinstance(exc, requests_errors.ConnectTimeout):
            return CimTimeoutError(
                "The host did not accept a connection in time; is it up, and is the port open?", endpoint=self.endpoint
            )
        if isinstance(exc, requests_errors.Timeout) or _has(exc, "ReadTimeoutError"):
            return CimTimeoutError("The host did not answer in time.", endpoint=self.endpoint, sent=True)
        if isinstance(exc, requests_errors.TooManyRedirects):
            return CimProtocolError(
                "The host redirects elsewhere; WS-Management never does. Check port and path of the connection.",
                endpoint=self.endpoint,
                sent=True,
            )
        if _has(exc, "ProtocolError", "ChunkedEncodingError", "IncompleteRead"):
            hint = "" if self._guard.answered else self._hang_up_hint(login)
            return CimConnectionError(
                f"The connection was dropped before the answer was complete{detail}.{hint}",
                endpoint=self.endpoint,
                sent=True,
                dropped=True,
            )
        if isinstance(exc, requests_errors.ConnectionError):
            return CimConnectionError(
                f"The host cannot be reached{detail}. Check name, port and that WinRM listens there.",
                endpoint=self.endpoint,
            )
        if isinstance(exc, requests_errors.RequestException):
            return CimTransportError(f"The request failed ({type(exc).__name__}).", endpoint=self.endpoint, sent=True)
        if not self._guard.answered:
            return self._setup_error(exc)
        return CimProtocolError(
            f"{self.library} could not make sense of the answer ({type(exc).__name__}).",
            endpoint=self.endpoint,
            sent=True,
        )

    @staticmethod
    def _hang_up_hint(login: Login) -> str:
        if login.secure and login.method != "certificate":
            return ""
        return f" {login.untrusted_certificate if login.secure else login.other_port}"


def _lacks_token(exc: Exception) -> bool:
    """Whether requests_credssp found none of its tokens in an answer: the final 401, which tells what is offered."""
    return type(exc).__name__ == "AuthenticationException" and "did not response" in str(exc)


def _without_credentials(endpoint: str) -> str:
    parts = urlsplit(str(endpoint))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _has(exc: Exception, *names: str) -> bool:
    return any(type(link).__name__ in names for link in chain(exc))


def _root_text(exc: Exception) -> str:
    """What the operating system or TLS said, as ``: text``; empty when neither spoke."""
    for link in chain(exc):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f": {link.verify_message}"
        if isinstance(link, ssl.SSLError) and link.reason:
            return f": {link.reason}"
        if isinstance(link, (socket.gaierror, ConnectionError, OSError)) and link.strerror:
            return f": {link.strerror}"
    return ""


def guard_session(session: Any, guard: ResponseGuard) -> None:
    """Put the guard on a new requests session.  It follows no redirects: a message goes to its host or nowhere."""
    session.hooks["response"].append(guard)
    session.max_redirects = 0
    # Both libraries have put proxies and CA bundle of the environment into the session when they made it. To look for
    # them again is the largest part of what a message costs; and a .netrc must not take the place of a certificate.
    session.trust_env = False
    if guard.secure:
        share_trust(session)
