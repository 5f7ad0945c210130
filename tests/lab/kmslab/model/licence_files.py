# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licence files (.xrm-ms): what installing one adds to a machine, and the licences for token-based activation.

A file is an MPEG-21 REL licence or a group of them.  What it is for stands in the `infoStr` elements of each licence's
`otherInfo`: productSkuId, applicationId, productName, productDescription, Family.
"""

from __future__ import annotations

import datetime
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..cim import WmiError
from . import codes
from .catalogue import stable_guid

if TYPE_CHECKING:
    from .machine import Machine

_REL = "{urn:mpeg:mpeg21:2003:01-REL-R-NS}"
_INFO = "{http://www.microsoft.com/DRM/XrML2/TM/v2}infoStr"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_FOREVER = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)


@dataclass
class TokenLicense:
    """An issuance licence for token-based activation; `ilid` and `ilvid` together name it to its owner."""

    id: str
    ilid: str
    ilvid: int
    expires: datetime.datetime = _FOREVER
    description: str = ""
    additional_info: str = ""
    authorization_status: int = 0

    @classmethod
    def of(cls, entry: Mapping[str, Any], where: str) -> TokenLicense:
        """From an entry of the estate file; ValueError says what is wrong with it."""
        values = dict(entry)
        try:
            values["ilid"], values["ilvid"] = str(values["ilid"]), int(values["ilvid"])
            values.setdefault("id", stable_guid("token", values["ilid"], str(values["ilvid"])))
            if "expires" in values:
                values["expires"] = _moment(values["expires"])
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: token_licenses: {error!r}") from None


def _moment(value: object) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def install(machine: Machine, text: object) -> None:
    """InstallLicense."""
    licences = list(_licences(text))
    added: list[str] = []
    for element in licences:
        info = {item.get("name", ""): (item.text or "").strip() for item in element.iter(_INFO)}
        sku = _guid(info.get("productSkuId"))
        if sku and machine.product(sku) is None:
            machine.add_product(
                id=sku,
                name=info.get("productName", ""),
                description=info.get("productDescription", ""),
                family=info.get("Family", ""),
                application=_guid(info.get("applicationId")) or codes.WINDOWS_APPLICATION,
            )
            added.append(sku)
        if "ILID" in info:
            _install_token(machine, _guid(element.get("licenseId")), info)
    # The digest shows whether the text came through as it was.
    digest = hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()
    machine.license_installs.append({"sha256": digest, "added": added})


def _install_token(machine: Machine, license_id: str, info: Mapping[str, str]) -> None:
    entry: dict[str, Any] = {"id": license_id, "ilid": _guid(info["ILID"]), "ilvid": info.get("ILVID", "1")}
    for name, key in (("expirationDate", "expires"), ("description", "description"), ("info", "additional_info")):
        if name in info:
            entry[key] = info[name]
    try:
        licence = TokenLicense.of(entry, machine.name)
    except ValueError:
        raise WmiError(codes.INVALID_LICENSE) from None
    machine.token_licenses = [one for one in machine.token_licenses if one.id != licence.id] + [licence]


def uninstall_token(machine: Machine, license_id: str) -> None:
    """Uninstall of SoftwareLicensingTokenActivationLicense."""
    left = [one for one in machine.token_licenses if one.id.lower() != license_id.lower()]
    if len(left) == len(machine.token_licenses):
        raise WmiError(codes.WBEM_NOT_FOUND)
    machine.token_licenses = left


def _licences(text: object) -> Iterator[ET.Element]:
    if not isinstance(text, str):
        raise WmiError(codes.INVALID_ARGUMENT)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError):
        raise WmiError(codes.INVALID_LICENSE) from None
    licences = [root] if root.tag == f"{_REL}license" else root.findall(f"{_REL}license")
    if not licences:
        raise WmiError(codes.INVALID_LICENSE)
    for element in licences:
        if next(element.iter(_SIGNATURE), None) is None:
            raise WmiError(codes.LICENSE_SIGNATURE)
        yield element


def _guid(text: str | None) -> str:
    return (text or "").strip().strip("{}").lower()
