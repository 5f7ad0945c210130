# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the live tests are told by environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = ("winrm", "psrp")
PROBES = ("none", "tcp", "rpc")
_ROOT = Path(__file__).resolve().parents[2]

#: What to say to somebody who has not set them.
HELP = """\
The live tests talk to a real Windows host, so they run only when they are told which one:
  WINOPS_LIVE_INVENTORY     path of an Ansible inventory
  WINOPS_LIVE_HOST          the host's name in it
and, if wanted:
  WINOPS_LIVE_CONNECTIONS   winrm,psrp (default), or one of them
  WINOPS_LIVE_WRITE         1: also change client settings, and put them back
  WINOPS_LIVE_OUTPUT        where findings and recordings are written (default .cache/live)
  WINOPS_LIVE_FORBID        words, separated by commas, that no recording may have
  WINOPS_LIVE_DOMAIN        DNS domain whose KMS records are looked up (default: that of the host)
  WINOPS_LIVE_DNS_SERVER    name or address, with :port if need be, of the DNS server that is asked
  WINOPS_LIVE_PROBE         none (default), tcp, rpc: how KMS hosts that were found are tried
See tests/live/README.md."""


class SettingsError(Exception):
    """A variable is missing or wrong; the text says which and what to do."""


@dataclass(frozen=True)
class Settings:
    """The variables, checked."""

    inventory: Path
    host: str
    connections: tuple[str, ...]
    write: bool
    output: Path
    forbidden: tuple[str, ...]
    domain: str
    dns_server: str
    dns_port: int
    probe: str


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether somebody has asked for live tests at all."""
    return bool(environment.get("WINOPS_LIVE_INVENTORY") or environment.get("WINOPS_LIVE_HOST"))


def read(environment: Mapping[str, str]) -> Settings:
    """The settings; raises SettingsError."""
    missing = [name for name in ("WINOPS_LIVE_INVENTORY", "WINOPS_LIVE_HOST") if not environment.get(name)]
    if missing:
        raise SettingsError(f"{' and '.join(missing)} must be set as well.\n{HELP}")
    inventory = Path(environment["WINOPS_LIVE_INVENTORY"]).expanduser().resolve()
    if not inventory.exists():
        raise SettingsError(f"WINOPS_LIVE_INVENTORY: there is no {inventory}.")
    connections = _words(environment, "WINOPS_LIVE_CONNECTIONS") or CONNECTIONS
    unknown = [name for name in connections if name not in CONNECTIONS]
    if unknown:
        raise SettingsError(f"WINOPS_LIVE_CONNECTIONS: {', '.join(unknown)} is not one of {', '.join(CONNECTIONS)}.")
    write = environment.get("WINOPS_LIVE_WRITE", "")
    if write not in ("", "0", "1"):
        raise SettingsError("WINOPS_LIVE_WRITE: set it to 1 to allow writes, or leave it out.")
    probe = environment.get("WINOPS_LIVE_PROBE") or "none"
    if probe not in PROBES:
        raise SettingsError(f"WINOPS_LIVE_PROBE: {probe} is not one of {', '.join(PROBES)}.")
    server, port = _server(environment.get("WINOPS_LIVE_DNS_SERVER", ""))
    return Settings(
        inventory=inventory,
        host=environment["WINOPS_LIVE_HOST"],
        connections=connections,
        write=write == "1",
        output=Path(environment.get("WINOPS_LIVE_OUTPUT") or _ROOT / ".cache" / "live").expanduser().resolve(),
        forbidden=_words(environment, "WINOPS_LIVE_FORBID"),
        domain=environment.get("WINOPS_LIVE_DOMAIN", ""),
        dns_server=server,
        dns_port=port,
        probe=probe,
    )


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in environment.get(name, "").split(",") if word.strip()))


def _server(text: str) -> tuple[str, int]:
    name, colon, port = text.rpartition(":")
    # More than one colon is an address of IPv6.
    if not colon or (":" in name.strip("[]") and not name.endswith("]")):
        return text, 53
    if not port.isdigit():
        raise SettingsError(f"WINOPS_LIVE_DNS_SERVER: {port} is not a port.")
    return name.strip("[]"), int(port)
