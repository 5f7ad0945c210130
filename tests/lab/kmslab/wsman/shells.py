# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote shells (WinRS): Create, Command, Receive, Send, Signal, Delete of MS-WSMV, around `kmslab.shell`.

Each command has ended when its Command is answered, so that the first Receive has all of its output.
"""

from __future__ import annotations

import base64
import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from ..cim import MachineView
from ..shell import Finished, code_page, oem_code_page, run_command
from . import names
from .envelope import Request
from .faults import Details, Fault
from .operations import Reply
from .values import ValueProblem, local_name, parse_duration, text

#: MaxShellsPerUser of Windows 8 / Server 2012 and later.
MAX_SHELLS = 30
#: How long a shell lives that nobody uses (IdleTimeout of the service).
IDLE = timedelta(hours=2)

_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = _SHELL + "/cmd"
_ACTIONS = {name: f"{_SHELL}/{name}" for name in ("Command", "Receive", "Send", "Signal")}
_RSP = f'xmlns:rsp="{_SHELL}"'
_DONE = _SHELL + "/CommandState/Done"
_OUTPUTS = ("stdout", "stderr")
#: Output of one ReceiveResponse, before base64: so that its envelope is no larger than any client takes.
_CHUNK = 32 * 1024


_POWERSHELL = re.compile(r"(?:\S*\\)?(?:powershell|pwsh)(?:\.exe)?\s", re.IGNORECASE)
#: What a swallowed module has to say: nothing changed, and the keys that results of the usual modules have.
SWALLOWED = Finished(
    stdout=json.dumps({"changed": False, "rc": 0, "stdout": "", "stderr": "", "ansible_facts": {}}) + "\r\n"
)


@dataclass
class _Command:
    """A command that has ended, and what of its output has not been fetched."""

    identifier: str
    exit_code: int
    left: dict[str, bytes]


@dataclass
class _Shell:
    identifier: str
    account: str
    codec: str
    directory: str
    variables: Mapping[str, str]
    idle: timedelta
    used: float
    commands: dict[str, _Command] = field(default_factory=dict)


def _children(element: ET.Element, name: str) -> list[ET.Element]:
    return [child for child in element if local_name(child) == name]


def _words(element: ET.Element, name: str) -> Sequence[str]:
    return [child.text or "" for child in _children(element, name)]


def _new_id() -> str:
    return str(uuid4()).upper()


class Shells:
    """The open shells of one machine."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._swallow = False
        self._shells: dict[str, _Shell] = {}

    def __len__(self) -> int:
        self._forget_idle()
        return len(self._shells)

    def _forget_idle(self) -> None:
        now = self._clock()
        for shell in [one for one in self._shells.values() if now - one.used > one.idle.total_seconds()]:
            del self._shells[shell.identifier]

    def run(self, request: Request, view: MachineView, account: str, *, swallow: bool = False) -> Reply:
        """Carry out a request to a shell resource; `swallow` as in `kmslab.switches`.  Raises Fault."""
        self._forget_idle()
        self._swallow = swallow
        if request.resource_uri.lower() != CMD:
            # Runspaces of PowerShell and custom shells: this machine opens none.
            raise Fault("shell_quota", Details(by_generation=True))
        if request.action == names.CREATE:
            return self._create(request, view, account)
        handlers: dict[str, Callable[[Request, MachineView, _Shell], Reply]] = {
            names.DELETE: self._delete,
            _ACTIONS["Command"]: self._command,
            _ACTIONS["Receive"]: self._receive,
            _ACTIONS["Send"]: self._send,
            _ACTIONS["Signal"]: self._signal,
        }
        handler = handlers.get(request.action)
        if handler is None:
            raise Fault("bad_action")
        return handler(request, view, self._addressed(request, account))

    def _addressed(self, request: Request, account: str) -> _Shell:
        wanted = next((value for name, value in request.selectors if name.lower() == "shellid"), "").strip().upper()
        shell = self._shells.get(wanted)
        if shell is None or shell.account != account:
            # A shell is its owner's; to others it is not there.
            raise Fault("bad_selectors")
        shell.used = self._clock()
        return shell

    # -- Create and Delete ------------------------------------------------------------------------------------------

    def _create(self, request: Request, view: MachineView, account: str) -> Reply:
        body = request.body
        if body is None or body.tag != f"{{{_SHELL}}}Shell":
            raise Fault("bad_body")
        if sum(one.account == account for one in self._shells.values()) >= MAX_SHELLS:
            raise Fault("shell_quota", Details(by_generation=True))
        variables = {
            item.get("Name", ""): item.text or ""
            for environment in _children(body, "Environment")
            for item in _children(environment, "Variable")
        }
        shell = _Shell(
            _new_id(),
            account,
            _codec(request, view),
            next(iter(_words(body, "WorkingDirectory")), ""),
            variables,
            _idle(body),
            self._clock(),
        )
        self._shells[shell.identifier] = shell
        return Reply("transfer", names.CREATE + "Response", self._created(request, view, shell, body))

    @staticmethod
    def _created(request: Request, view: MachineView, shell: _Shell, body: ET.Element) -> str:
        owner = shell.account if "\\" in shell.account else f"{view.name.upper()}\\{shell.account}"
        fields = (
            ("ShellId", shell.identifier),
            ("ResourceUri", CMD),
            ("Owner", owner),
            ("ClientIP", "127.0.0.1"),
            ("IdleTimeOut", f"PT{shell.idle.total_seconds():.3f}S"),
            *(
                (name, next(iter(_words(body, name)), default))
                for name, default in (("InputStreams", "stdin"), ("OutputStreams", "stdout stderr"))
            ),
            ("ShellRunTime", "P0DT0H0M0S"),
            ("ShellInactivity", "P0DT0H0M0S"),
        )
        described = "".join(f"<rsp:{name}>{text(value)}</rsp:{name}>" for name, value in fields)
        to = request.headers.get(f"{{{names.ADDRESSING}}}To")
        address = (to.text or "").strip() if to is not None else ""
        return (
            f"<x:ResourceCreated><a:Address>{text(address)}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{CMD}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.identifier}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
            f"</x:ResourceCreated><rsp:Shell {_RSP}>{described}</rsp:Shell>"
        )

    def _delete(self, request: Request, view: MachineView, shell: _Shell) -> Reply:
        del self._shells[shell.identifier]
        return Reply("transfer", names.DELETE + "Response", "")

    # -- commands ---------------------------------------------------------------------------------------------------

    def _command(self, request: Request, view: MachineView, shell: _Shell) -> Reply:
        body = request.body
        if body is None or body.tag != f"{{{_SHELL}}}CommandLine" or not _children(body, "Command"):
            raise Fault("bad_body")
        # As the service does it: command and arguments, with a blank between them, are one line for cmd.exe.
        line = " ".join((*_words(body, "Command"), *_words(body, "Arguments")))
        if self._swallow and _POWERSHELL.match(line):
            done = SWALLOWED
        else:
            done = run_command(view, shell.account, line, directory=shell.directory, variables=shell.variables)
        identifier = (body.get("CommandId") or _new_id()).upper()
        shell.commands[identifier] = _Command(identifier, done.exit_code, _encode(done, shell.codec))
        return self._answer("Command", f"<rsp:CommandId>{text(identifier)}</rsp:CommandId>")

    @staticmethod
    def _of(shell: _Shell, element: ET.Element) -> _Command:
        command = shell.commands.get(element.get("CommandId", "").upper())
        if command is None:
            raise Fault("bad_selectors")
        return command

    def _receive(self, request: Request, view: MachineView, shell: _Shell) -> Reply:
        desired = _children(request.body, "DesiredStream") if request.body is not None else []
        if len(desired) != 1:
            raise Fault("bad_body")
        command = self._of(shell, desired[0])
        parts: list[str] = []
        room = _CHUNK
        wanted = [name for name in (desired[0].text or "").split() if name in _OUTPUTS]
        for name in wanted:
            piece, command.left[name] = command.left[name][:room], command.left[name][room:]
            room -= len(piece)
            if piece:
                parts.append(_stream(name, command, base64.b64encode(piece).decode()))
        if any(command.left[name] for name in wanted):
            state = f'<rsp:CommandState CommandId="{command.identifier}" State="{_SHELL}/CommandState/Running"/>'
        else:
            parts += [_stream(name, command, "", end=True) for name in wanted]
            state = (
                f'<rsp:CommandState CommandId="{command.identifier}" State="{_DONE}">'
                f"<rsp:ExitCode>{command.exit_code}</rsp:ExitCode></rsp:CommandState>"
            )
        return self._answer("Receive", "".join(parts) + state)

    def _send(self, request: Request, view: MachineView, shell: _Shell) -> Reply:
        streams = _children(request.body, "Stream") if request.body is not None else []
        if not streams:
            raise Fault("bad_body")
        for stream in streams:
            self._of(shell, stream)
        return self._answer("Send", "")

    def _signal(self, request: Request, view: MachineView, shell: _Shell) -> Reply:
        body = request.body
        if body is None or local_name(body) != "Signal":
            raise Fault("bad_body")
        command = self._of(shell, body)
        if any(code.strip().lower().endswith("/signal/terminate") for code in _words(body, "Code")):
            del shell.commands[command.identifier]
        return self._answer("Signal", "")

    @staticmethod
    def _answer(name: str, inside: str) -> Reply:
        return Reply(
            "transfer", f"{_SHELL}/{name}Response", f"<rsp:{name}Response {_RSP}>{inside}</rsp:{name}Response>"
        )


def _codec(request: Request, view: MachineView) -> str:
    """The shell's code page: the one that was asked for, if there is such a one, or that of the machine's consoles."""
    own = code_page(oem_code_page(view.locale)) or "ascii"
    for wish in request.options_named("WINRS_CODEPAGE"):
        if wish.strip().isdigit():
            return code_page(int(wish)) or own
    return own


def _idle(body: ET.Element) -> timedelta:
    for wish in _words(body, "IdleTimeOut"):
        try:
            return parse_duration(wish) if not wish.strip().isdigit() else timedelta(milliseconds=int(wish))
        except ValueProblem:
            raise Fault("bad_timeout") from None
    return IDLE


def _encode(done: Finished, codec: str) -> dict[str, bytes]:
    """What a command wrote, in a shell's code page; a character that it lacks is a question mark."""
    return {name: getattr(done, name).encode(codec, errors="replace") for name in _OUTPUTS}


def _stream(name: str, command: _Command, content: str, *, end: bool = False) -> str:
    closing = ' End="true"' if end else ""
    return f'<rsp:Stream Name="{name}" CommandId="{text(command.identifier)}"{closing}>{content}</rsp:Stream>'
