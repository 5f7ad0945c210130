# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a remote shell of a simulated machine runs; anything else ends with exit code 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..cim import Instance, MachineView, WmiError
from . import command_line, slmgr
from .texts import say

SYSTEM = "C:\\Windows\\System32"
SCRIPT = SYSTEM + "\\slmgr.vbs"
_LINE = "\r\n"
_SEVEN = (6, 1)
_LOCAL_MACHINE = 0x80000002


@dataclass(frozen=True)
class Finished:
    """A command that has ended: what it wrote, as text with Windows' line ends, and its exit code (signed)."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class _Console:
    """Where a command runs: the machine, the account, the working directory, the variables."""

    view: MachineView
    account: str
    directory: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def row(self, class_name: str) -> Instance:
        provider = self.view.providers.get(("root/cimv2", class_name.lower()))
        return next(iter(provider.instances()), {}) if provider is not None else {}

    def number_in_registry(self, key: str, name: str) -> int | None:
        """A number below HKEY_LOCAL_MACHINE, or None."""
        provider = self.view.providers.get(("root/cimv2", "stdregprov"))
        if provider is None:
            return None
        arguments = {"hDefKey": _LOCAL_MACHINE, "sSubKeyName": key, "sValueName": name}
        value = provider.invoke(None, "GetDWORDValue", arguments).get("uValue")
        return value if isinstance(value, int) else None

    def say(self, key: str, **values: object) -> str:
        return say(key, self.view.locale, **values)


def run_command(
    view: MachineView, account: str, line: str, *, directory: str = "", variables: Mapping[str, str] | None = None
) -> Finished:
    """Run one command line for an account; `directory` is the shell's working directory (the profile's by default)."""
    user = account.rpartition("\\")[2]
    profile = f"C:\\Users\\{user}"
    settings = {
        "SystemRoot": "C:\\Windows",
        "windir": "C:\\Windows",
        "SystemDrive": "C:",
        "COMPUTERNAME": view.name.upper(),
        "USERNAME": user,
        "USERPROFILE": profile,
        **(variables or {}),
    }
    console = _Console(view, account, directory or profile, settings)
    text = command_line.unwrap(command_line.expand(line, settings))
    if command_line.has_operator(text):
        return _not_simulated("pipes, redirections and several commands in one line")
    arguments = command_line.words(text)
    if not arguments:
        return Finished()
    command = _COMMANDS.get(command_line.program(arguments[0]))
    if command is None:
        return Finished(stderr=console.say("unknown", value=arguments[0]) + _LINE, exit_code=1)
    return command(console, arguments[1:])


def _not_simulated(what: str) -> Finished:
    """Not what Windows prints: nobody shall take the lab's limits for Windows'."""
    return Finished(stderr=f"kmslab: the lab does not simulate {what}{_LINE}", exit_code=1)


# -- commands -------------------------------------------------------------------------------------------------------


def _host_name(console: _Console, _arguments: Sequence[str]) -> Finished:
    return Finished(f"{console.row('Win32_ComputerSystem').get('DNSHostName') or console.view.name}{_LINE}")


def _version(console: _Console, _arguments: Sequence[str]) -> Finished:
    version = str(console.row("Win32_OperatingSystem").get("Version") or "")
    revision = console.number_in_registry("SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", "UBR")
    # Before Windows 10, nothing follows the build.
    full = version if revision is None or not version.startswith("10.") else f"{version}.{revision}"
    return Finished(f"{_LINE}Microsoft Windows [Version {full}]{_LINE}")


def _who_am_i(console: _Console, _arguments: Sequence[str]) -> Finished:
    known = "\\" in console.account or "@" in console.account
    name = console.account if known else f"{console.view.name}\\{console.account}"
    return Finished(name.lower() + _LINE)


def _exit(_console: _Console, arguments: Sequence[str]) -> Finished:
    number = next((word for word in arguments if re.fullmatch(r"-?\d+", word)), "0")
    return Finished(exit_code=int(number))


def _power_shell(_console: _Console, _arguments: Sequence[str]) -> Finished:
    return _not_simulated("PowerShell; what it would ask, WMI classes and slmgr.vbs answer")


def _window(_console: _Console, _arguments: Sequence[str]) -> Finished:
    return _not_simulated("windows: without cscript, slmgr.vbs opens one, where nobody sees it")


def _script_host(console: _Console, arguments: Sequence[str]) -> Finished:
    options = {word[2:].lower() for word in arguments if word.startswith("//")}
    rest = [word for word in arguments if not word.startswith("//")]
    unknown = options - {"nologo", "logo", "b", "i", "e:vbscript"}
    if unknown or not rest:
        return _not_simulated("cscript without a script" if not unknown else f"cscript //{sorted(unknown)[0]}")
    banner = "" if "nologo" in options else _banner(console)
    path = command_line.absolute(rest[0], console.directory)
    if path.lower() != SCRIPT.lower():
        # cscript looks into no search path.
        return Finished(banner, console.say("no_script", value=path) + _LINE, 1)
    done = _slmgr(console, rest[1:])
    if done.stderr:
        return done
    # In batch mode, scripts say nothing.
    return Finished(banner + ("" if "b" in options else done.stdout), "", done.exit_code)


def _banner(console: _Console) -> str:
    parts = str(console.row("Win32_OperatingSystem").get("Version") or "").split(".")
    old = [int(part) for part in parts[:2] if part.isdigit()] == list(_SEVEN)
    banner = console.say("banner", version="5.8" if old else "5.812")
    return f"{banner}{_LINE}{console.say('rights')}{_LINE}{_LINE}"


def _slmgr(console: _Console, arguments: Sequence[str]) -> Finished:
    switch = re.fullmatch(r"[-/](.+)", arguments[0]) if arguments else None
    report = slmgr.SWITCHES.get(switch[1].lower()) if switch is not None else None
    if report is None:
        return _not_simulated("slmgr.vbs but for its switches /dli, /dlv and /xpr")
    try:
        lines, code = report(console.view, arguments[1] if len(arguments) > 1 else ""), 0
    except WmiError as error:
        # The script ends with the HRESULT, which is a signed number as an exit code.
        lines, code = slmgr.failure(console.view, error.hresult), error.hresult - 2**32
    return Finished(_LINE.join(lines) + _LINE + _LINE, "", code)


_COMMANDS: Mapping[str, Callable[[_Console, Sequence[str]], Finished]] = {
    "cscript": _script_host,
    "exit": _exit,
    "hostname": _host_name,
    "powershell": _power_shell,
    "pwsh": _power_shell,
    "slmgr": _window,
    "slmgr.vbs": _window,
    "ver": _version,
    "whoami": _who_am_i,
    "wscript": _window,
}
