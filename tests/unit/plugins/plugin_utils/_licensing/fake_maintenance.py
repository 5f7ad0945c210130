# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A FakeWindows that can also be rearmed, takes licence files, and has licences for token-based activation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimNotFound
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Value
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import MethodTarget
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.license_texts import parse_license_text
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    Call,
    FakeWindows,
    product,
    refused,
)

OLD_CMID = "4d3b3e3a-0000-4000-8000-000000000001"
NEW_SKU = "11111111-2222-4333-8444-55555555aaaa"
OTHER_SKU = "11111111-2222-4333-8444-55555555bbbb"
TOKEN_ID = "11111111-2222-4333-8444-55555555cccc"
ILID = "11111111-2222-4333-8444-55555555dddd"
REARMED = 0xC004D302
_TOKENS = "SoftwareLicensingTokenActivationLicense"
_COUNTS = {"ReArmApp": "RemainingAppReArmCount", "ReArmSku": "RemainingSkuReArmCount"}


def license_text(*skus: str, license_id: str = TOKEN_ID, extra: str = "") -> str:
    """A licence file that names these products."""
    info = "".join(f'\r\n\t<tm:infoStr name="productSkuId">{{{sku.upper()}}}</tm:infoStr>' for sku in skus)
    return (
        '<?xml version="1.0" encoding="utf-8"?><rg:licenseGroup xmlns:rg="urn:mpeg:mpeg21:2003:01-REL-R-NS">'
        '<r:license xmlns:r="urn:mpeg:mpeg21:2003:01-REL-R-NS" xmlns:tm="http://www.microsoft.com/DRM/XrML2/TM/v2" '
        f'licenseId="{{{license_id}}}"><r:title>Invented licence</r:title><r:otherInfo><tm:infoTables>'
        f'<tm:infoList tag="#global">{info}{extra}</tm:infoList></tm:infoTables></r:otherInfo></r:license>'
        "</rg:licenseGroup>"
    )


def token(ilid: str = ILID, ilvid: int = 1, license_id: str = TOKEN_ID, **more: Any) -> dict[str, Any]:
    return {"ID": license_id, "ILID": ilid, "ILVID": ilvid, "AuthorizationStatus": 0, **more}


class MaintainedWindows(FakeWindows):
    """See the module.  after_rearm: HRESULT that reads of products answer once it has been rearmed, until a restart."""

    def __init__(self, *products: dict[str, Any], tokens: Sequence[dict[str, Any]] = (), rearms: int = 3) -> None:
        super().__init__(*products)
        self.service["RemainingWindowsReArmCount"] = rearms
        for item in self.products:
            item.update(RemainingAppReArmCount=1001, RemainingSkuReArmCount=1000)
        self.tokens = list(tokens)
        self.skip_rearm: int | None = None
        self.hides_products = False
        self.rearmed = False
        self.installed: list[str] = []

    def query(self, cim_class: CimClass, properties: Sequence[str] | None = None, where: str = "", **more: Any) -> Any:
        if cim_class.name == _TOKENS:
            self.queries.append((cim_class.name, tuple(properties or ()), where))
            self._raise_trouble(_TOKENS)
            return [Instance(row) for row in self.tokens]
        if self.rearmed and self.hides_products and cim_class.name == "SoftwareLicensingProduct":
            raise refused(REARMED)()
        if properties == ["ID"]:
            self.queries.append((cim_class.name, ("ID",), where))
            wanted = {part.strip().removeprefix("ID=").strip("'") for part in where.split(" OR ")}
            return [Instance({"ID": item["ID"].upper()}) for item in self.products if item["ID"] in wanted]
        return super().query(cim_class, properties, where, **more)

    def invoke(
        self,
        target: MethodTarget,
        method: str,
        *,
        accept: Collection[int] = (0,),
        writes: bool = True,
        **parameters: Value,
    ) -> Instance:
        if method == "GetDWORDValue":
            assert parameters["sValueName"] == "SkipRearm"
            return Instance({"uValue": self.skip_rearm, "ReturnValue": 0 if self.skip_rearm is not None else 1})
        if method == "Uninstall":
            assert isinstance(target, tuple)
            return self._uninstall(target[1]["ID"])
        return super().invoke(target, method, accept=accept, writes=writes, **parameters)

    def _uninstall(self, license_id: str) -> Instance:
        self.calls.append(Call(license_id, "Uninstall"))
        waiting = self.trouble.get("Uninstall", [])
        if not waiting or waiting[0].done:
            left = [row for row in self.tokens if row["ID"] != license_id]
            if len(left) == len(self.tokens):
                raise CimNotFound("not found", code=0x80041002)
            self.tokens = left
        self._raise_trouble("Uninstall")
        return Instance({"ReturnValue": 0})

    def _license(self, holder: dict[str, Any], method: str, parameters: Mapping[str, Any]) -> None:
        if method == "InstallLicense":
            text = parameters["License"]
            self.installed.append(text)
            known = {item["ID"] for item in self.products}
            licence = parse_license_text("x", text, "x")
            self.products += [product(sku) for sku in licence.products if sku not in known]
            if "ILID" in text:
                self.tokens.append(token(license_id=licence.license_ids[0]))
        elif method.startswith("ReArm"):
            if self.rearmed:
                raise refused(REARMED)()
            self.rearmed = True
            rows = [holder] if method == "ReArmSku" else self.products
            for row in [self.service] if method == "ReArmWindows" else rows:
                row[_COUNTS.get(method, "RemainingWindowsReArmCount")] -= 1
        else:
            super()._license(holder, method, parameters)

    def restart(self) -> None:
        self.rearmed = False
        self.service["ClientMachineID"] = "4d3b3e3a-0000-4000-8000-000000000002"
        for item in self.products:
            if item["PartialProductKey"]:
                item.update(LicenseStatus=2, GracePeriodRemaining=43200)
