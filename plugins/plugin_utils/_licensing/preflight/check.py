# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a machine before it becomes a KMS host or client: facts in, findings out.  Nothing is written."""

from __future__ import annotations

from typing import Any

from ..._cim.session import CimSession
from ..errors import InvalidOption
from ..reading import Scope
from ..settings import PORT_RANGE
from .facts import KmsHost, read_facts
from .findings import Wish, counts, findings, summary, worst


def parse_kms_hosts(items: list[Any] | None) -> tuple[KmsHost, ...] | None:
    """The option kms_hosts; None when it is not given.  Raises InvalidOption."""
    return None if items is None else tuple(KmsHost.of(item) for item in items)


def check_port(port: int | None) -> None:
    """Raise InvalidOption for a port that cannot be."""
    low, high = PORT_RANGE
    if port is not None and not low <= port <= high:
        raise InvalidOption("port", f"{port} is out of range, it must be {low} to {high}")


def look(
    session: CimSession, scope: Scope, wish: Wish, *, role: str, name: str | None, skip_licensed: bool
) -> dict[str, Any]:
    """Read the machine and judge; the result of the module."""
    facts = read_facts(session, scope, role=role, name=name, skip_licensed=skip_licensed)
    found = findings(facts, wish)
    return {
        "changed": False,
        "findings": [finding.as_result() for finding in found],
        "counts": counts(found),
        "worst": worst(found),
        "facts": facts.as_result(),
        "msg": summary(found),
    }
