# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Knot DNS."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from . import guide
from .base import KEYS, Process, ProgramServer, find_program, give_to

USER = "knot"
# Where AppArmor lets the packaged program read and write; used when it can be written to.
HOME = Path("/var/lib/knot")


class Knot(ProgramServer):
    """Each updatable zone as the guide's zone, with a rule of its own."""

    name = "knot"

    def folder_parent(self) -> Path | None:
        return HOME if os.access(HOME, os.W_OK) else None

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        return {
            **super().names(zone),
            "kms-publisher": "kms-key",
            "THE-SECRET": KEYS["kms-key"],
            "kms-records": f"records-{zone}",
        }

    def start(self, stack: contextlib.ExitStack) -> None:
        own, port = self.directory, self.server_port
        guide.run_commands("dns-guide-knot-key", self.names())
        parts = ["server:", f"  listen: [127.0.0.1@{port}, ::1@{port}]", f"  rundir: {own}"]
        parts += [f"  user: {USER}:{USER}"] if os.geteuid() == 0 else []
        parts += ["  udp-workers: 1", "  tcp-workers: 1", "  background-workers: 1"]
        parts += ["log:", "  - target: stderr", "    any: info", "database:", f"  storage: {own}"]
        parts += ["template:", "  - id: default", f"    storage: {own}", '    file: "%s.zone"']
        parts += [guide.snippet("dns-guide-knot-credentials", self.names())]
        parts += ["key:", "  - id: other-key", "    algorithm: hmac-sha256", f"    secret: {KEYS['other-key']}"]
        for zone, path in self.write_zones():
            give_to(USER, path)
            if zone in self.updatable:
                parts.append(guide.snippet("dns-guide-knot-zone", self.names(zone)))
            else:
                parts += ["zone:", f"  - domain: {zone}"]
        (own / "knot.conf").write_text("\n".join(parts) + "\n")
        give_to(USER, own, own / "knot.conf")
        process = Process([find_program("knotd", "knot"), "-c", str(own / "knot.conf")])
        stack.enter_context(process).wait_for("server started")
