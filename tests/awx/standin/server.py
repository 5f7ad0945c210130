# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller behind HTTP on loopback, with a record of all requests."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .controller import ROOT, Controller, Refused

USER, PASSWORD, TOKEN = "admin", "not-a-real-password", "not-a-real-token"


@dataclass(frozen=True)
class Request:
    """One request and the status of its answer."""

    method: str
    path: str
    data: Any
    status: int

    @property
    def writes(self) -> bool:
        """Whether it was to change something; logging on and off is not counted."""
        return self.method not in ("GET", "HEAD") and not self.path.startswith(f"{ROOT}/tokens/")


@dataclass
class Running:
    """A controller that listens."""

    controller: Controller
    url: str
    requests: list[Request] = field(default_factory=list)

    @property
    def writes(self) -> list[Request]:
        """The requests that were to change something."""
        return [request for request in self.requests if request.writes]


@contextmanager
def running(controller: Controller) -> Iterator[Running]:
    """Serve a controller on a free port."""
    lock = threading.Lock()
    place = Running(controller, "")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data: Any = None
            try:
                data = json.loads(body) if body else None
                with lock:
                    status, answer = self._dispatch(parts.path, dict(parse_qsl(parts.query, True)), data)
            except Refused as error:
                status, answer = error.status, error.body
            except ValueError as error:
                status, answer = 400, {"detail": f"JSON parse error - {error}"}
            place.requests.append(Request(self.command, self.path, data, status))
            content = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: all requests are recorded."""

        def _dispatch(self, path: str, query: dict[str, str], data: Any) -> tuple[int, Any]:
            if not path.startswith(f"{ROOT}/") or not path.endswith("/"):
                raise Refused(404, {"detail": "The requested resource could not be found."})
            words = path.removeprefix(f"{ROOT}/").strip("/").split("/")
            if words[0] == "tokens":
                self._check_password()
                return (201, {"id": 1, "token": TOKEN}) if self.command == "POST" else (204, None)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, {"detail": "Authentication credentials were not provided."})
            return self._act(words, query, data)

        def _check_password(self) -> None:
            expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                raise Refused(401, {"detail": "Invalid username/password."})

        def _act(self, words: list[str], query: dict[str, str], data: Any) -> tuple[int, Any]:
            match self.command, *words:
                case "GET", resource:
                    return 200, controller.find(resource, query)
                case "GET", "project_updates", number:
                    return 200, controller.look_at_update(_number(number))
                case "GET", resource, number:
                    return 200, controller.get(resource, _number(number))
                case "GET", resource, number, kind:
                    return 200, controller.related(resource, _number(number), kind, query)
                case "POST", resource:
                    return 201, controller.create(resource, data)
                case "POST", resource, number, "survey_spec":
                    controller.set_survey(resource, _number(number), data)
                    return 200, {}
                case "POST", "projects", number, "update":
                    return 202, controller.update_project(_number(number))
                case "POST", resource, number, kind:
                    controller.associate(resource, _number(number), kind, data)
                    return 204, None
                case "PATCH", resource, number:
                    return 200, controller.update(resource, _number(number), data)
                case "DELETE", resource, number:
                    controller.delete(resource, _number(number))
                    return 204, None
            raise Refused(405, {"detail": f'Method "{self.command}" not allowed.'})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Refused(404, {"detail": "Not found."})
    return int(text)
