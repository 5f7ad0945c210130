# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Activation objects: list them, find one, delete one.

They lie in CN=Activation Objects,CN=Microsoft SPP,CN=Services of the forest's configuration partition. The container
comes with the schema of Windows Server 2012 (adprep, forest-wide operations 91 and 92). Attributes and class:
[MS-ADA2], [MS-ADSC].
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .connection import Access, Session, connect
from .errors import AnswerError, ChoiceError, ConnectError, NotPreparedError
from .library import ldap3
from .names import is_dn

CONTAINER = "CN=Activation Objects,CN=Microsoft SPP,CN=Services"
CONTAINER_CLASS = "msSPP-ActivationObjectsContainer"
OBJECT_CLASS = "msSPP-ActivationObject"
_ATTRIBUTES = (
    "cn",
    "displayName",
    "msSPP-CSVLKPartialProductKey",
    "msSPP-CSVLKPid",
    "msSPP-CSVLKSkuId",
    "whenCreated",
)
_NO_SUCH_OBJECT = 32
_GUID_BYTES = 16
_MOST_TRIES = 3


@dataclass(frozen=True)
class ActivationObject:
    """One activation object; it stands for an activation of a KMS host key (CSVLK) for the whole forest."""

    dn: str
    cn: str
    display_name: str | None
    partial_product_key: str | None
    product_key_id: str | None
    activation_id: str | None
    created: str | None = None

    @property
    def name(self) -> str:
        """What people call it: the display name, or else the common name."""
        return self.display_name or self.cn

    def answers_to(self, text: str) -> bool:
        """Whether the text is one of its names, or its distinguished name."""
        if is_dn(text):
            return same_dn(text, self.dn)
        return text.casefold() in {self.cn.casefold(), (self.display_name or self.cn).casefold()}

    def as_result(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "cn": self.cn,
            "dn": self.dn,
            "partial_product_key": self.partial_product_key,
            "product_key_id": self.product_key_id,
            "activation_id": self.activation_id,
            "created": self.created,
        }


Objects = tuple[ActivationObject, ...]


def same_dn(one: str, other: str) -> bool:
    """Whether two distinguished names are the same; case and blanks around separators do not count."""
    with suppress(ldap3.core.exceptions.LDAPInvalidDnError):
        return _parts(one) == _parts(other)
    return False


def _parts(dn: str) -> list[tuple[str, str]]:
    parsed = ldap3.utils.dn.parse_dn(dn, strip=True)
    return [(name.lower(), value.casefold()) for name, value, _separator in parsed]


class Directory:
    """The activation objects of a forest. Each call has a connection of its own. Raises DirectoryError.

    server: what messages call the one that answered last.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.server = ""

    def objects(self) -> Objects:
        """All activation objects, by name."""
        with connect(self._access) as session:
            self.server = session.server
            return _objects(session)

    def delete(self, target: ActivationObject) -> None:
        """Delete an object; one that is gone already is fine. An answer that got lost is followed by a look."""
        for attempt in range(_MOST_TRIES):
            try:
                with connect(self._access) as session:
                    self.server = session.server
                    if attempt and all(found.dn != target.dn for found in _objects(session)):
                        return
                    session.ask(
                        f"deleting {target.dn}",
                        lambda connection: connection.delete(target.dn),
                        accept=(_NO_SUCH_OBJECT,),
                    )
                    return
            except ConnectError as error:
                if not error.lost or attempt == _MOST_TRIES - 1:
                    raise


def choose(objects: Sequence[ActivationObject], text: str) -> ActivationObject | None:
    """The object that a name or distinguished name means, None when there is none. Raises ChoiceError."""
    found = [item for item in objects if item.answers_to(text)]
    if len(found) > 1:
        listed = "; ".join(f"{item.dn} ({item.name}, key {item.partial_product_key})" for item in found)
        raise ChoiceError(
            "SEVERAL_OBJECTS", f"{len(found)} activation objects are called {text}: {listed}.", "Name one by its DN."
        )
    return found[0] if found else None


def _objects(session: Session) -> Objects:
    session.ask(
        "asking for the configuration partition",
        lambda connection: connection.search(
            "", "(objectClass=*)", search_scope=ldap3.BASE, attributes=["configurationNamingContext"]
        ),
    )
    partition = next((_text(entry, "configurationNamingContext") for entry in _entries(session)), None)
    if partition is None:
        raise AnswerError(
            "NO_ACTIVE_DIRECTORY",
            f"{session.server} has no configuration partition, so that it is no domain controller.",
            "Name a domain controller in ldap_server.",
        )
    base = f"{CONTAINER},{partition}"
    # The container as well: an account that may not see it would find it empty.
    wanted = f"(|(objectClass={CONTAINER_CLASS})(objectClass={OBJECT_CLASS}))"
    session.ask(
        "reading the activation objects",
        lambda connection: connection.search(base, wanted, search_scope=ldap3.SUBTREE, attributes=list(_ATTRIBUTES)),
        accept=(_NO_SUCH_OBJECT,),
    )
    entries = _entries(session)
    objects = [entry for entry in entries if not same_dn(entry["dn"], base)]
    if len(objects) == len(entries):
        raise NotPreparedError(
            "NO_CONTAINER",
            f"{session.server} has no container {base}, or does not show it to {session.account}.",
            "The schema of the forest must be that of Windows Server 2012 or later (adprep /forestprep). Everybody who "
            "is logged on may read the container by default.",
        )
    return tuple(sorted(map(_object, objects), key=lambda item: (item.name.casefold(), item.dn)))


def _entries(session: Session) -> list[dict[str, Any]]:
    """The entries of the last answer; references to other servers are left out."""
    return [entry for entry in session.connection.response or () if entry.get("type") == "searchResEntry"]


def _object(entry: dict[str, Any]) -> ActivationObject:
    dn = entry["dn"]
    sku = _raw(entry, "msSPP-CSVLKSkuId")
    return ActivationObject(
        dn=dn,
        cn=_text(entry, "cn") or _parts(dn)[0][1],
        display_name=_text(entry, "displayName"),
        partial_product_key=_text(entry, "msSPP-CSVLKPartialProductKey"),
        product_key_id=_text(entry, "msSPP-CSVLKPid"),
        # As GUIDs lie in Active Directory: the first three groups with their low byte first.
        activation_id=str(uuid.UUID(bytes_le=sku)) if sku and len(sku) == _GUID_BYTES else None,
        created=_time(_text(entry, "whenCreated")),
    )


def _raw(entry: dict[str, Any], attribute: str) -> bytes | None:
    for name, values in entry.get("raw_attributes", {}).items():
        if name.lower() == attribute.lower() and values:
            return bytes(values[0])
    return None


def _text(entry: dict[str, Any], attribute: str) -> str | None:
    raw = _raw(entry, attribute)
    return None if raw is None else raw.decode("utf-8", "replace")


def _time(text: str | None) -> str | None:
    """20260302080000.0Z -> 2026-03-02T08:00:00Z"""
    if text is None or len(text) < 14 or not text[:14].isdigit():
        return None
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}Z"
