# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install licence files: those whose products the host does not have, or all of them.

Windows shows the products that its licences make, not the licences.  A file that names no product is therefore seen
only when it is an issuance licence for token-based activation; otherwise it goes along with the files of the same task.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._cim.envelope import wql_quote
from .._cim.errors import CimError, CimFault
from .._cim.schema import TEXT
from .._cim.session import CimSession
from .apply import Applier, Outcome
from .errors import LicensingError
from .faults import error_from_fault
from .license_texts import LicenseText
from .plan import REFRESH, Goal, Operation
from .reading import Reader, State, parse_guid
from .scopes import BroadScope
from .state import PRODUCT_CLASS, SERVICE_CLASS
from .token_licenses import read_token_licenses

_SERVICE = dataclasses.replace(SERVICE_CLASS, methods={"InstallLicense": {"License": TEXT}})
#: Activation IDs in one query: WMI limits how complex a condition may be.
_IDS_PER_QUERY = 20
INSTALLED, MISSING, UNKNOWN = "installed", "missing", "unknown"


@dataclass(frozen=True)
class LicenseState(State):
    """known: identifiers that the host has, of the products that were asked for and of issuance licences."""

    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LicenseReader(Reader):
    """Reads a LicenseState for some files."""

    files: tuple[LicenseText, ...] = ()

    def read(self) -> LicenseState:
        state = super().read()
        values = {item.name: getattr(state, item.name) for item in dataclasses.fields(State)}
        return LicenseState(**values, known=frozenset(self._known()))

    def _known(self) -> Iterator[str]:
        wanted = sorted({guid for file in self.files for guid in file.products})
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            where = " OR ".join(f"ID={wql_quote(guid)}" for guid in wanted[start : start + _IDS_PER_QUERY])
            for instance in self.session.query(PRODUCT_CLASS, ["ID"], where):
                yield parse_guid(str(instance.get("ID"))) or ""
        if any(not file.products for file in self.files):
            for licence in read_token_licenses(self.session):
                yield parse_guid(licence.license_id) or ""


@dataclass(frozen=True)
class InstallOutcome:
    """What happened; `files` tells of each file its products, how it was before, and whether it was installed."""

    outcome: Outcome
    files: list[dict[str, Any]]


def install_licenses(applier: Applier, files: Sequence[LicenseText], *, force: bool, check: bool) -> InstallOutcome:
    """Read, decide, install in the order of the files.  Ends with the first file that Windows refuses."""
    scope = applier.reader.scope
    reader = LicenseReader(applier.session, BroadScope(scope.application, scope.activation_id), files=tuple(files))
    applier = dataclasses.replace(applier, reader=reader)
    state = reader.read()
    before = {file: presence(file, state) for file in files}
    due = [file for file in files if force or _is_due(file, before)]
    names = _distinct_names(files)
    goals = [_goal(file, names[file], before[file], last=file is due[-1]) for file in due]
    outcome = applier.run(goals, state, check=check)
    if not check and outcome.error is None:
        outcome.warnings += _doubts(due, names, outcome.after)
    changed = {change.setting for change in outcome.changes}
    rows = [
        {
            "name": names[file],
            "title": file.title,
            "activation_ids": list(file.products),
            "before": before[file],
            "installed": _setting(names[file]) in changed,
        }
        for file in files
    ]
    return InstallOutcome(outcome, rows)


def presence(file: LicenseText, state: State) -> str:
    """Whether the host has what the file brings, as far as Windows shows it."""
    known = state.known if isinstance(state, LicenseState) else frozenset()
    if file.products:
        return INSTALLED if known.issuperset(file.products) else MISSING
    return INSTALLED if known.intersection(file.license_ids) else UNKNOWN


def _is_due(file: LicenseText, before: dict[LicenseText, str]) -> bool:
    if before[file] != UNKNOWN:
        return before[file] == MISSING
    # It belongs to the products of the same task; by itself, nothing tells whether it is there.
    told = [before[other] for other in before if other.products]
    return not told or MISSING in told


def _distinct_names(files: Iterable[LicenseText]) -> dict[LicenseText, str]:
    names: dict[LicenseText, str] = {}
    for file in files:
        same = sum(other.name == file.name for other in names)
        names[file] = f"{file.name} ({same + 1})" if same else file.name
    return names


def _setting(name: str) -> str:
    return f"license {name}"


def _goal(file: LicenseText, name: str, before: str, *, last: bool) -> Goal:
    wanted = "installed again" if before == INSTALLED else INSTALLED

    def run(session: CimSession, state: State) -> None:
        _install(session, state, file, name)

    return Goal(
        setting=_setting(name),
        wanted=wanted,
        read=lambda state: before,
        # Decided once: a product shows as soon as the first of its files is there.
        met=lambda state: False,
        operations=(Operation("InstallLicense", run), *([REFRESH] if last else [])),
        observable=False,
    )


def _install(session: CimSession, state: State, file: LicenseText, name: str) -> None:
    """Install one file, again when the answer is lost: a second time does no harm, it is how licences are repaired."""
    target = (_SERVICE, {"Version": state.service.version})
    try:
        try:
            session.invoke(target, "InstallLicense", License=file.text)
        except CimError as lost:
            if not lost.outcome_unknown:
                raise
            session.invoke(target, "InstallLicense", License=file.text)
    except CimFault as fault:
        info = error_from_fault(fault).info
        raise LicensingError(f"{name}: {info.message}", remedy=info.remedy, code=info.code, name=info.name) from fault


def _doubts(due: Iterable[LicenseText], names: dict[LicenseText, str], after: State) -> Iterator[str]:
    for file in due:
        found = presence(file, after)
        if found == MISSING:
            yield f"{names[file]}: Windows took it, but does not show the product {' '.join(file.products)}"
        elif found == UNKNOWN and not any(other.products for other in names):
            yield (
                f"{names[file]}: it names no product, so that Windows does not show whether it is installed, and every "
                "run installs it"
            )
