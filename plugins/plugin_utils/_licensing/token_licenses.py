# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The issuance licences for token-based activation that a machine has: listing and removing them.

Class SoftwareLicensingTokenActivationLicense of the Software Protection Platform (Windows 7, Server 2008 R2 and later):
ID is the licence's own identifier; ILID and ILVID together name it to its owner.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._cim.errors import CimNotFound
from .._cim.schema import CimClass, Instance
from .._cim.session import CimSession
from .apply import Applier, Outcome
from .errors import InvalidOption
from .hresult import describe, hex_code
from .plan import Goal, Operation
from .reading import Reader, State, parse_guid
from .scopes import BroadScope

TOKEN_LICENSE_CLASS = CimClass(
    namespace="root/cimv2",
    name="SoftwareLicensingTokenActivationLicense",
    fields={
        "ID": "string",
        "ILID": "string",
        "ILVID": "uint32",
        "AuthorizationStatus": "uint32",
        "ExpirationDate": "datetime",
        "Description": "string",
        "AdditionalInfo": "string",
    },
    keys=("ID",),
)
_NO_DATE_YEAR = 1601


@dataclass(frozen=True)
class TokenLicense:
    """One issuance licence.  license_id: as Windows tells it apart, in its spelling."""

    license_id: str
    ilid: str
    ilvid: int | None
    authorization_status: int | None = None
    expires: datetime | None = None
    description: str | None = None
    additional_info: str | None = None

    @classmethod
    def of(cls, instance: Instance) -> TokenLicense:
        expires = instance.get("ExpirationDate")
        return cls(
            license_id=str(instance.get("ID") or ""),
            ilid=_bare(instance.get("ILID")),
            ilvid=instance.get("ILVID"),
            authorization_status=instance.get("AuthorizationStatus"),
            expires=expires if isinstance(expires, datetime) and expires.year > _NO_DATE_YEAR else None,
            description=instance.get("Description") or None,
            additional_info=instance.get("AdditionalInfo") or None,
        )

    def as_result(self) -> dict[str, Any]:
        status = self.authorization_status
        return {
            "ilid": self.ilid,
            "ilvid": self.ilvid,
            "license_id": _bare(self.license_id),
            "authorized": None if status is None else status == 0,
            "authorization_status": hex_code(status) if status else None,
            "authorization_error": describe(status).as_result() if status else None,
            "expires": self.expires.isoformat() if self.expires else None,
            "description": self.description,
            "additional_info": self.additional_info,
        }


def read_token_licenses(session: CimSession) -> tuple[TokenLicense, ...]:
    """All of them; one query."""
    instances = session.query(TOKEN_LICENSE_CLASS, list(TOKEN_LICENSE_CLASS.fields))
    found = (TokenLicense.of(instance) for instance in instances)
    return tuple(sorted(found, key=lambda one: (one.ilid, one.ilvid or 0)))


@dataclass(frozen=True)
class TokenState(State):
    tokens: tuple[TokenLicense, ...] = ()


@dataclass(frozen=True)
class TokenReader(Reader):
    """Reads a TokenState."""

    def read(self) -> TokenState:
        state = super().read()
        values = {item.name: getattr(state, item.name) for item in dataclasses.fields(State)}
        return TokenState(**values, tokens=read_token_licenses(self.session))


def token_applier(applier: Applier) -> Applier:
    """The same with a reader that reads a TokenState."""
    scope = applier.reader.scope
    broad = BroadScope(scope.application, scope.activation_id)
    return dataclasses.replace(applier, reader=TokenReader(applier.session, broad))


@dataclass(frozen=True)
class TokenWish:
    """Which licence is meant."""

    ilid: str
    ilvid: int

    @classmethod
    def of(cls, ilid: str, ilvid: int) -> TokenWish:
        """Raises InvalidOption for what is no name of a licence."""
        guid = parse_guid(ilid)
        if guid is None:
            raise InvalidOption("ilid", f"{ilid!r} is not a GUID")
        if not 0 <= ilvid <= 0xFFFFFFFF:
            raise InvalidOption("ilvid", f"{ilvid} is not a version number (0 to 4294967295)")
        return cls(guid, ilvid)


def remove_token_license(applier: Applier, wish: TokenWish, *, check: bool) -> Outcome:
    """Remove the issuance licence with this name, if there is one."""
    applier = token_applier(applier)
    return applier.run([_removal(wish)], applier.reader.read(), check=check)


def _removal(wish: TokenWish) -> Goal:
    def matching(state: State) -> list[TokenLicense]:
        tokens = state.tokens if isinstance(state, TokenState) else ()
        return [one for one in tokens if (one.ilid, one.ilvid) == (wish.ilid, wish.ilvid)]

    def uninstall(session: CimSession, state: State) -> None:
        for one in matching(state):
            try:
                session.invoke((TOKEN_LICENSE_CLASS, {"ID": one.license_id}), "Uninstall")
            except CimNotFound:
                # It went in the meantime.
                continue

    return Goal(
        setting="token_license",
        wanted=None,
        read=lambda state: f"{wish.ilid} {wish.ilvid}" if matching(state) else None,
        met=lambda state: not matching(state),
        operations=(Operation("Uninstall", uninstall),),
        mismatch="look at the Application event log of the host",
    )


def _bare(identifier: object) -> str:
    text = str(identifier or "")
    return parse_guid(text) or text
