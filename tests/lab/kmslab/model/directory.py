# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active Directory-based activation: the forest's activation objects, who makes them, what they activate.

The objects are kept in memory, or in a real directory server that the estate file names, which other LDAP clients see.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..cim import CALLER, WmiError
from . import codes, office
from .catalogue import stable_guid
from .keys import Key, KeyBook
from .machine import Machine, Product
from .spec import DirectorySpec

CONTAINER = "CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration"
_OBJECT_CLASS = "msSPP-ActivationObject"
_LONGEST_NAME = 40
#: The classes and methods came with Windows 8 and Server 2012.
_FIRST_BUILD = 9200
_AD = 1

# LDAP results (RFC 4511) -> HRESULT; every other one is an operations error.
_RESULTS = {
    32: codes.AD_NO_SUCH_OBJECT,
    49: codes.AD_ACCESS_DENIED,
    50: codes.AD_NO_RIGHTS,
}


@dataclass(frozen=True)
class ActivationObject:
    """One activation object."""

    cn: str
    name: str
    partial: str
    pid: str
    sku_id: str
    dn: str


class Forest(ABC):
    """The directory of the estate."""

    def __init__(self, spec: DirectorySpec) -> None:
        self.spec = spec
        self.container = f"{CONTAINER},{spec.base}"

    @abstractmethod
    def objects(self) -> Sequence[ActivationObject]:
        """All activation objects. Raises WmiError."""

    @abstractmethod
    def put(self, item: ActivationObject, kms_ids: Sequence[str]) -> None:
        """Make the object, or replace the one of this common name. Raises WmiError."""

    def may_write(self, account: str | None) -> bool:
        """Whether the account of a connection may make activation objects; None is nobody in particular."""
        return account is None or account.lower() in {name.lower() for name in self.spec.writers}


class MemoryForest(Forest):
    """Objects that nobody outside the lab sees."""

    def __init__(self, spec: DirectorySpec) -> None:
        super().__init__(spec)
        self._objects: dict[str, ActivationObject] = {}

    def objects(self) -> Sequence[ActivationObject]:
        return list(self._objects.values())

    def put(self, item: ActivationObject, kms_ids: Sequence[str]) -> None:
        self._objects[item.cn] = item


class LdapForest(Forest):
    """Objects in a directory server, which has the classes of Active Directory (Windows Server 2012 or later)."""

    def objects(self) -> Sequence[ActivationObject]:
        import ldap3

        with self._connection() as connection:
            connection.search(
                self.container, f"(objectClass={_OBJECT_CLASS})", search_scope=ldap3.LEVEL, attributes=["*"]
            )
            self._check(connection)
            return [
                _from_entry(entry)
                for entry in connection.response
                if entry.get("type", "").startswith("searchResEntry")
            ]

    def put(self, item: ActivationObject, kms_ids: Sequence[str]) -> None:
        with self._connection() as connection:
            connection.delete(item.dn)
            if connection.result["result"] != 32:
                self._check(connection)
            connection.add(
                item.dn,
                _OBJECT_CLASS,
                {
                    "displayName": item.name,
                    "msSPP-CSVLKPartialProductKey": item.partial,
                    "msSPP-CSVLKPid": item.pid,
                    "msSPP-CSVLKSkuId": uuid.UUID(item.sku_id).bytes_le,
                    "msSPP-KMSIds": [uuid.UUID(one).bytes_le for one in kms_ids],
                },
            )
            self._check(connection)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        import ldap3
        from ldap3.core.exceptions import LDAPExceptionError

        spec = self.spec
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED if spec.ca_file else ssl.CERT_NONE, ca_certs_file=spec.ca_file)
        server = ldap3.Server(spec.url, get_info=ldap3.NONE, tls=tls, connect_timeout=10)
        connection = ldap3.Connection(server, spec.bind_dn, spec.password, receive_timeout=20)
        try:
            connection.open()
            connection.bind()
            self._check(connection)
            yield connection
        except (LDAPExceptionError, OSError) as error:
            raise WmiError(codes.AD_SERVER_DOWN, str(error)) from None
        finally:
            connection.strategy.close()

    @staticmethod
    def _check(connection: Any) -> None:
        result = connection.result
        if result["result"]:
            raise WmiError(_RESULTS.get(result["result"], codes.AD_OPERATIONS_ERROR), str(result["message"]))


def make_forest(spec: DirectorySpec | None, domain: str) -> Forest | None:
    """The forest of an estate, None when its file has none."""
    if spec is None:
        return None
    if not spec.base:
        spec.base = ",".join(f"DC={label}" for label in domain.split("."))
    return LdapForest(spec) if spec.url else MemoryForest(spec)


def _from_entry(entry: Any) -> ActivationObject:
    raw = {name.lower(): values[0] for name, values in entry["raw_attributes"].items() if values}

    def text(name: str) -> str:
        return str(raw.get(name, b"").decode())

    return ActivationObject(
        cn=text("cn"),
        name=text("displayname") or text("cn"),
        partial=text("msspp-csvlkpartialproductkey"),
        pid=text("msspp-csvlkpid"),
        sku_id=str(uuid.UUID(bytes_le=raw["msspp-csvlkskuid"])),
        dn=entry["dn"],
    )


# -- the methods of SoftwareLicensingService ---------------------------------------------------------------------------


def activate_online(forest: Forest | None, machine: Machine, keys: KeyBook, text: object, name: object) -> None:
    """DoActiveDirectoryOnlineActivation: Microsoft counts it, then the object is made."""
    key, known, wanted = _checked(forest, machine, keys, text, name)
    result = key.spend(f"forest {known.spec.base}") if machine.internet else codes.NO_INTERNET
    if result:
        raise WmiError(result)
    if key.activations is not None:
        machine.counters["activations_spent"] += 1
    _make(known, key, wanted)


def installation_id(forest: Forest | None, machine: Machine, keys: KeyBook, text: object) -> str:
    """GenerateActiveDirectoryOfflineActivationId: 63 digits."""
    key, known, _ignored = _checked(forest, machine, keys, text, None, writes=False)
    return f"{_digest(known, key) % 10**63:063d}"


def deposit_confirmation(
    forest: Forest | None, machine: Machine, keys: KeyBook, text: object, confirmation: object, name: object
) -> None:
    """DepositActiveDirectoryOfflineActivationConfirmation: any 48 digits confirm."""
    key, known, wanted = _checked(forest, machine, keys, text, name)
    digits = str(confirmation or "").replace("-", "")
    if not (digits.isdigit() and len(digits) == 48):
        raise WmiError(codes.BAD_CONFIRMATION_ID)
    _make(known, key, wanted)


def _checked(
    forest: Forest | None, machine: Machine, keys: KeyBook, text: object, name: object, *, writes: bool = True
) -> tuple[Key, Forest, str]:
    """The key, the forest and the wanted name; WmiError for what cannot be."""
    key = keys.find(text) if isinstance(text, str) else None
    if key is None:
        raise WmiError(codes.INVALID_KEY)
    if key.channel != "csvlk" or key.group is None:
        raise WmiError(codes.WRONG_KIND_OF_KEY)
    wanted = name if isinstance(name, str) else ""
    if len(wanted) > _LONGEST_NAME:
        raise WmiError(codes.AD_OBJECT_NAME_TOO_LONG)
    if machine.domain is None:
        raise WmiError(codes.NO_SUCH_DOMAIN)
    if forest is None:
        raise WmiError(codes.AD_NO_SUCH_OBJECT)
    if writes and not forest.may_write(CALLER.get()):
        raise WmiError(codes.AD_ACCESS_DENIED)
    return key, forest, wanted


def _digest(forest: Forest, key: Key) -> int:
    return int(hashlib.sha256(f"{forest.spec.base}/{key.partial}".encode()).hexdigest(), 16)


def _make(forest: Forest, key: Key, name: str) -> None:
    digits = _digest(forest, key)
    group, serial = digits % 90000 + 10000, digits // 97 % 10**6
    pid = f"03612-{group}-000-{serial:06d}-03-1033-20348.0000-0602026"
    cn = f"{group}-000-{serial:06d}-0"
    token = key.group.name if key.group else ""
    forest.put(
        ActivationObject(
            cn=cn,
            name=name or (key.group.title if key.group else cn),
            partial=key.partial,
            pid=pid,
            sku_id=stable_guid("csvlk", token),
            dn=f"CN={cn},{forest.container}",
        ),
        [stable_guid("kms id", token)],
    )


# -- the clients -------------------------------------------------------------------------------------------------------


def activate_client(forest: Forest | None, keys: KeyBook, machine: Machine, product: Product) -> bool:
    """Activate a volume client by the directory, if its activation type allows; whether that was it.

    Raises WmiError when it may go no other way.
    """
    chosen = machine.number("VLActivationType", product=product) or machine.activation_type
    if chosen not in (0, _AD):
        return False
    try:
        found = _object_for(forest, keys, machine, product)
    except WmiError as error:
        if chosen != _AD:
            return False
        product.license.reason = error.hresult
        machine.client_of(product).next_try = machine.minute + codes.ACTIVATION_INTERVAL
        raise
    _license(machine, product, found)
    return True


def _object_for(forest: Forest | None, keys: KeyBook, machine: Machine, product: Product) -> ActivationObject:
    """The object that activates this licence; WmiError with what the client is told when there is none."""
    if forest is None or machine.domain is None or machine.spec.build < _FIRST_BUILD:
        raise WmiError(codes.AD_NO_SUCH_OBJECT)
    by_partial = {key.partial: key for key in keys.host_keys()}
    for item in forest.objects():
        key = by_partial.get(item.partial)
        if key is not None and _covers(key, machine, product):
            return item
    raise WmiError(codes.AD_OBJECT_NOT_FOUND)


def _covers(key: Key, machine: Machine, product: Product) -> bool:
    if product.application == codes.OFFICE_APPLICATION:
        version = office.version_of(product.office)
        return version is not None and office.groups()[version.group] is key.group
    return key.group is not None and machine.release.release in key.group.activates


def _license(machine: Machine, product: Product, item: ActivationObject) -> None:
    product.license.basis = "kms"
    product.license.until = machine.minute + codes.KMS_VALIDITY
    product.license.reason = None
    product.activation_type = _AD
    product.ad_object = item.name
    product.ad_values = {
        "ADActivationObjectDN": item.dn,
        "ADActivationCsvlkPid": item.pid,
        "ADActivationCsvlkSkuId": item.sku_id,
    }
    client = machine.client_of(product)
    client.next_try = machine.minute + codes.RENEWAL_INTERVAL
    machine.last_error = None
