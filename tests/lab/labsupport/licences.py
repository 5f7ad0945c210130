# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented licence files (.xrm-ms) of the shape that Windows has, without a signature that would hold."""

from __future__ import annotations

from collections.abc import Mapping

WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"
SKU = "84a1c3d2-0000-4000-8000-00000000a001"
TOKEN_ID = "84a1c3d2-0000-4000-8000-00000000b001"
ILID = "84a1c3d2-0000-4000-8000-00000000c001"

_NAMESPACES = (
    'xmlns:r="urn:mpeg:mpeg21:2003:01-REL-R-NS" xmlns:sl="http://www.microsoft.com/DRM/XrML2/SL/v2" '
    'xmlns:tm="http://www.microsoft.com/DRM/XrML2/TM/v2"'
)
_SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>bGFi</SignatureValue></Signature>'


def licence(info: Mapping[str, str], *, license_id: str, title: str = "Lab licence", signed: bool = True) -> str:
    """One `r:license` with these `infoStr` values; lines end as in files made on Windows."""
    lines = "\r\n".join(f'\t<tm:infoStr name="{name}">{value}</tm:infoStr>' for name, value in info.items())
    return (
        f'<r:license {_NAMESPACES} licenseId="{{{license_id}}}"><r:title>{title}</r:title>'
        f"<r:issuer>{_SIGNATURE if signed else ''}</r:issuer><r:otherInfo><tm:infoTables>\r\n"
        f'<tm:infoList tag="#global">\r\n{lines}\r\n</tm:infoList></tm:infoTables></r:otherInfo></r:license>'
    )


def licence_file(*licences: str) -> str:
    """A file: a group of licences."""
    inner = "".join(licences)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\r\n<rg:licenseGroup xmlns:rg="urn:mpeg:mpeg21:2003:01-REL-R-NS">'
        f"{inner}</rg:licenseGroup>"
    )


def product_file(sku: str = SKU, *, name: str = "Windows(R), Lab edition", signed: bool = True) -> str:
    """A publishing licence, which brings a product."""
    info = {
        "licenseCategory": "msft:sl/PL/GENERIC/PUBLIC",
        "productSkuId": f"{{{sku}}}",
        "applicationId": f"{{{WINDOWS}}}",
        "productName": name,
        "productDescription": "Windows(R) Operating System, LAB channel",
        "Family": "Lab",
    }
    return licence_file(licence(info, license_id=f"{sku[:-4]}f00d", signed=signed))


def other_file(license_id: str = "84a1c3d2-0000-4000-8000-00000000d001") -> str:
    """A licence that names no product."""
    return licence_file(licence({"licenseCategory": "msft:sl/PL/GENERIC/PRIVATE"}, license_id=license_id))


def token_file(ilid: str = ILID, ilvid: int = 1, license_id: str = TOKEN_ID) -> str:
    """An issuance licence for token-based activation, in the lab's own words."""
    info = {"ILID": f"{{{ilid}}}", "ILVID": str(ilvid), "expirationDate": "2031-01-01T00:00:00Z"}
    return licence_file(licence(info, license_id=license_id))
