# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Activation without the internet: Microsoft gives a confirmation ID for the installation ID that Windows shows.

Many machines share one file with a column of each.  A row is found by its installation ID, which holds for one key on
one machine; names may change meanwhile.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._cim.session import CimSession
from .errors import InvalidOption, LicensingError
from .plan import REFRESH, Operation, require_product
from .reading import State
from .state import PRODUCT_CLASS, Product, ProductDetails

_COLUMNS = ("installation_id", "confirmation_id")
#: How many digits people read out at a time.  Spreadsheets take groups for text, not for a number that they may round.
_INSTALLATION_GROUP = 7
_CONFIRMATION_GROUP = 6
GVLK_CHANNEL = "Volume:GVLK"


@dataclass(frozen=True)
class Confirmations:
    """Confirmation IDs: one for whatever product the task is about, or many by installation ID (digits only)."""

    single: str | None = None
    by_installation_id: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @classmethod
    def of_text(cls, text: str) -> Confirmations:
        return cls(single=_digits(text, "confirmation_id", "the value"))

    @classmethod
    def of_file(cls, path: Path) -> Confirmations:
        """Read a CSV file; rows without a confirmation ID yet are left out.  Raises InvalidOption with the line."""
        option = "confirmation_file"
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidOption(
                option, f"{path} can't be read: {error}", remedy="It must be a CSV file in UTF-8"
            ) from None
        return cls.of_lines(text, source=str(path))

    @classmethod
    def of_lines(cls, text: str, *, source: str) -> Confirmations:
        """The same for the text of a file, which errors call `source`."""
        option = "confirmation_file"
        reader = csv.DictReader(text.splitlines(), delimiter=_delimiter(text))
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InvalidOption(
                option,
                f"{source}, line 1: it has no column {' and no column '.join(missing)}",
                remedy="The playbook winops.kms.export_installation_ids writes such a file",
            )
        found: dict[str, str] = {}
        for row in reader:
            if not (row["confirmation_id"] or "").strip():
                continue
            where = f"{source}, line {reader.line_num}: "
            installation_id, confirmation_id = (_digits(row[name] or "", option, where + name) for name in _COLUMNS)
            if found.setdefault(installation_id, confirmation_id) != confirmation_id:
                raise InvalidOption(option, f"{where}a second confirmation ID for the same installation ID")
        return cls(by_installation_id=found, source=source)

    def for_product(self, product: Product) -> str:
        """The confirmation ID of a product; raises LicensingError when there is none."""
        installation_id = installation_id_of(product)
        if self.single is not None:
            return self.single
        found = self.by_installation_id.get(installation_id)
        if found is None:
            raise LicensingError(
                f"confirmation_file: {self.source} has no confirmation ID for the installation ID "
                f"{grouped(installation_id)} of {product.name}",
                remedy="Get one from Microsoft and put it beside the installation ID; export the installation IDs anew "
                "if the product key was changed since",
            )
        return found


def refuse_kms_client(product: Product) -> None:
    """Raise LicensingError for a KMS client: it is activated by a KMS host, Microsoft has no confirmation ID for it."""
    if product.is_kms_client:
        raise LicensingError(
            f"{product.name} has a client setup key (GVLK), for which there is no confirmation ID",
            remedy="Leave the confirmation ID out: a KMS host activates it; or install a MAK first",
        )


def installation_id_of(product: Product) -> str:
    """OfflineInstallationId; raises LicensingError when Windows shows none."""
    found = product.offline_installation_id if isinstance(product, ProductDetails) else None
    if not found:
        raise LicensingError(
            f"Windows shows no installation ID for {product.name}",
            remedy="There is one for a product whose key can be activated by telephone (CSVLK, MAK, retail)",
        )
    return found


def grouped(digits: str, size: int = _INSTALLATION_GROUP) -> str:
    """1234567-8901234-... for an installation ID."""
    return "-".join(digits[start : start + size] for start in range(0, len(digits), size))


def _delimiter(text: str) -> str:
    """Spreadsheets of many countries write semicolons."""
    return ";" if ";" in text.partition("\n")[0] else ","


def deposit_operations(confirmations: Confirmations) -> tuple[Operation, ...]:
    """What activates the chosen product by its confirmation ID; it uses nothing up, Microsoft has counted before."""

    def deposit(session: CimSession, state: State) -> object:
        product = require_product(state)
        return session.invoke(
            (PRODUCT_CLASS, {"ID": product.activation_id}),
            "DepositOfflineConfirmationId",
            InstallationId=installation_id_of(product),
            ConfirmationId=confirmations.for_product(product),
        )

    return Operation("DepositOfflineConfirmationId", deposit), REFRESH


def _digits(text: str, option: str, what: str) -> str:
    digits = "".join(text.split()).replace("-", "")
    if not (digits.isascii() and digits.isdigit()):
        rounded = "E+" in digits.upper()
        raise InvalidOption(
            option,
            f"{what} has other characters than digits, hyphens and spaces",
            remedy="A spreadsheet has rounded it; import the column as text"
            if rounded
            else "Copy it again from its source",
        )
    return digits


COLUMNS = ("host", "product", "activation_id", "partial_product_key", *_COLUMNS)
"""The file in which installation IDs go out and confirmation IDs come back."""


def merged_file(results: Mapping[str, Mapping[str, Any]], old: str = "") -> str:
    """The text of the file for the results of license_info of each host.

    Only what waits for a confirmation ID: a key that is no client setup key, and no licence yet.  A confirmation ID
    that the old text has beside the same installation ID is kept; so are rows of hosts that are not asked this time.
    """
    rows = {
        (row["host"], row["activation_id"]): row
        for row in csv.DictReader(old.splitlines(), delimiter=_delimiter(old))
        if row.get("host") not in results and row.get("installation_id")
    }
    known = Confirmations.of_lines(old, source="the file").by_installation_id if old.strip() else {}
    for host, result in results.items():
        for item in result["licenses"]:
            installation_id = item.get("offline_installation_id")
            if not installation_id or item["status"] == "licensed" or item["channel"] == GVLK_CHANNEL:
                continue
            rows[host, item["activation_id"]] = {
                "host": host,
                "product": item["name"],
                "activation_id": item["activation_id"],
                "partial_product_key": item["partial_product_key"],
                "installation_id": grouped(installation_id),
                "confirmation_id": grouped(known.get(installation_id, ""), _CONFIRMATION_GROUP),
            }
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows))
    return text.getvalue()
