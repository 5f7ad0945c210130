# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python handle on a running lab, for tests and the demo.  Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

#: The folder that has to be on the module path of the lab's process.
PACKAGE_ROOT = Path(__file__).resolve().parent.parent


class Exchange(TypedDict):
    """One recorded WS-Management request; see `kmslab.record.Exchange`."""

    machine: str
    action: str
    resource: str
    method: str
    kind: str
    status: int
    bytes_in: int
    bytes_out: int
    message_id: str


class LabError(Exception):
    """The lab did not start, or refused what it was asked."""


class Lab:
    """A lab in a process of its own.

        with Lab("tests/lab/estates/demo.yml") as lab:
            lab.fault("srv01", "drop_before", action="Enumerate")
            ...
            assert all(item["kind"] == "read" for item in lab.requests())

    `directory` (default: a temporary one, removed at the end) holds lab.json, ca.pem, inventory.yml and lab.log.
    `environment`: more variables of the process's environment, such as KRB5_KTNAME.
    """

    def __init__(
        self,
        estate: str | os.PathLike[str],
        *,
        directory: str | os.PathLike[str] | None = None,
        python: str = sys.executable,
        start_timeout: float = 60.0,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._estate = Path(estate).resolve()
        self._given = Path(directory).resolve() if directory is not None else None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._python = python
        self._start_timeout = start_timeout
        self._arguments = arguments
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._opener = build_opener(ProxyHandler({}))
        self.info: dict[str, Any] = {}
        """What lab.json says: pid, http_port, https_port, control_port, dns_port, ca_file."""

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> Lab:
        """Start the process and wait until everything listens.  Raises LabError."""
        if self._process is not None:
            raise LabError("the lab runs already")
        if self._given is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="kmslab-")
        self.directory.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, (str(PACKAGE_ROOT), os.environ.get("PYTHONPATH", ""))))
        command = [self._python, "-m", "kmslab", "--estate", str(self._estate), "--directory", str(self.directory)]
        with open(self.directory / "lab.log", "wb") as log:
            self._process = subprocess.Popen(
                command + list(self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment, "PYTHONPATH": path},
            )
        try:
            self._wait_until_ready(self._process)
            self.info = json.loads((self.directory / "lab.json").read_text(encoding="utf-8"))
        except BaseException:
            self.stop()
            raise
        return self

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        stdout = process.stdout
        if stdout is None:
            raise LabError("the lab's output is not connected")
        ready = threading.Event()
        ended = threading.Event()

        def watch() -> None:
            # Reads on to the end, so that the lab never blocks on a full pipe.
            for line in stdout:
                if line.strip() == b"kmslab ready":
                    ready.set()
                    ended.set()
            ended.set()

        threading.Thread(target=watch, name="kmslab-output", daemon=True).start()
        ended.wait(self._start_timeout)
        if not ready.is_set():
            raise LabError(f"the lab did not start: {self.log()[-2000:].strip() or 'no output'}")

    def stop(self) -> None:
        """Stop the process and remove a temporary directory.  Harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __enter__(self) -> Lab:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- where things are -------------------------------------------------------------------------------------------

    @property
    def directory(self) -> Path:
        """The folder of the lab's files."""
        if self._given is not None:
            return self._given
        if self._temporary is None:
            raise LabError("the lab does not run")
        return Path(self._temporary.name)

    @property
    def inventory(self) -> Path:
        """The Ansible inventory of the estate."""
        return self.directory / "inventory.yml"

    def away(self, path: Path, *, closed: Sequence[str] = (), silent: Sequence[str] = ()) -> Path:
        """Write one more inventory source, by which these machines refuse a connection, or never answer to one."""
        ports = {name: self.info["closed_port"] for name in closed} | {
            name: self.info["silent_port"] for name in silent
        }
        hosts = {name: {"ansible_port": port} for name, port in ports.items()}
        path.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        return path

    def log(self) -> str:
        """What the lab's process wrote to its standard error."""
        with contextlib.suppress(OSError, LabError):
            return (self.directory / "lab.log").read_text(encoding="utf-8", errors="replace")
        return ""

    def endpoint(self, machine: str, *, scheme: str = "http") -> str:
        """The URL of one machine's WS-Management service (scheme http or https)."""
        return f"{scheme}://127.0.0.1:{self.info[scheme + '_port']}/{quote(machine)}/wsman"

    # -- the control API --------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, data: object = None) -> Any:
        body = None if data is None and method in ("GET", "DELETE") else json.dumps(data).encode()
        request = Request(
            f"http://127.0.0.1:{self.info['control_port']}{path}",
            data=body,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=120) as response:
                return json.load(response)
        except HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                text = json.loads(text)["error"]
            raise LabError(f"{method} {path}: {error.code} {text}") from None

    def machines(self) -> list[str]:
        """The names of all machines."""
        names: list[str] = self._call("GET", "/machines")
        return names

    def machine(self, name: str) -> dict[str, Any]:
        """One machine's state, with `open_enumerations`, the number of results its clients left unread."""
        state: dict[str, Any] = self._call("GET", f"/machines/{quote(name)}")
        return state

    def patch(self, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Deep-merge a change into one machine's settable state; returns the new state."""
        state: dict[str, Any] = self._call("PATCH", f"/machines/{quote(name)}", dict(change))
        return state

    def requests(self, machine: str | None = None) -> list[Exchange]:
        """What was asked, in order; of one machine or of all."""
        query = f"?machine={quote(machine)}" if machine else ""
        entries: list[Exchange] = self._call("GET", f"/requests{query}")
        return entries

    def clear_requests(self) -> None:
        """Forget what was asked."""
        self._call("DELETE", "/requests")

    def fault(self, machine: str, kind: str, **options: Any) -> None:
        """Make the next matching request (machine `*`: to any) go wrong.

        Kinds and options (action, method, count, seconds, hresult, shape, size, done) are in `kmslab.faults`.
        """
        self._call("POST", "/faults", {"machine": machine, "kind": kind, **options})

    def fault_many(self, machines: Sequence[str], kind: str, **options: Any) -> None:
        """Make something go wrong on many machines by one call; `count=None` for each of their requests."""
        self._call("POST", "/faults", {"machines": list(machines), "kind": kind, **options})

    def totals(self) -> dict[str, Any]:
        """What was asked since the last `clear_requests`, and what the lab's own process has used: see the README."""
        totals: dict[str, Any] = self._call("GET", "/totals")
        return totals

    def totals_by_machine(self) -> dict[str, dict[str, int]]:
        """Machine -> its requests, bytes and writes, for the machines that were asked anything."""
        totals: dict[str, dict[str, int]] = self._call("GET", "/totals/machines")
        return totals

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The lab's settings, after these changes; see `kmslab.switches`."""
        found: dict[str, Any] = self._call("PATCH", "/settings", changes)
        return found

    def faults(self) -> list[dict[str, Any]]:
        """The faults that have not been used up."""
        rules: list[dict[str, Any]] = self._call("GET", "/faults")
        return rules

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._call("DELETE", "/faults")

    def advance(self, minutes: int = 0, *, hours: int = 0, days: int = 0) -> None:
        """Move the estate's clock forward."""
        self._call("POST", "/clock", {"advance_minutes": minutes + 60 * hours + 1440 * days})

    def zone(self, name: str) -> Any:
        """The records of a DNS zone."""
        return self._call("GET", f"/dns/{quote(name)}")

    def put_zone(self, name: str, records: Any) -> Any:
        """Replace the records of a DNS zone; returns them."""
        return self._call("PUT", f"/dns/{quote(name)}", records)

    def reset(self) -> None:
        """Everything as at the start: machines, clock, DNS; no recorded requests, no faults."""
        self._call("POST", "/reset")
