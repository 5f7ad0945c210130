# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of license_info over a fleet as rows: one for every licence, one for a machine that told none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._licensing.errors import ErrorInfo
from .._licensing.hresult import describe
from .words import COUNTED_DAYS, STATUSES, VALIDITY_DAYS, WARN_DAYS, status_of

#: Longer texts are cut: the report must open however long an error message is.
MAX_TEXT = 400
_PRODUCT_KEY = re.compile(r"(?<![A-Z0-9])(?:[A-Z0-9]{5}-){4}(?=[A-Z0-9]{5}(?![A-Z0-9]))", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
#: The highest bit of an HRESULT tells an error from a piece of information.
_ERROR_BIT = 0x80000000


@dataclass(frozen=True)
class Row:
    """One line of the report.  `days_left` is None where no time is known and where the licence is `permanent`."""

    host: str
    outcome: str
    """ok, unreachable or failed."""
    status: str
    """A state of license_info, or no_key, not_reached, failed, other."""
    severity: str
    """bad, warn, unknown or ok."""
    days_left: int | None = None
    permanent: bool = False
    application: str | None = None
    product: str | None = None
    edition: str | None = None
    channel: str | None = None
    partial_product_key: str | None = None
    is_addon: bool = False
    kms_server: str | None = None
    kms_port: int | None = None
    kms_server_source: str | None = None
    client_machine_id: str | None = None
    windows_version: str | None = None
    error_code: str | None = None
    error_name: str | None = None
    error_message: str | None = None
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Row:
        return cls(**{name: values[name] for name in COLUMNS})


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


@dataclass(frozen=True)
class KmsHost:
    """What a KMS host has counted; None where Windows tells no number."""

    host: str
    status: str
    current_count: int | None
    required_count: int | None
    port: int | None
    dns_publishing: bool | None
    total_requests: int | None
    failed_requests: int | None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def rows_of(host: str, result: Mapping[str, Any]) -> list[Row]:
    """The rows of one machine by its result of license_info (with `application: all`), whatever became of it."""
    name = clean(host) or "?"
    if result.get("unreachable"):
        return [_without_answer(name, "unreachable", "not_reached", result)]
    licenses = result.get("licenses")
    if result.get("failed") or not isinstance(licenses, (list, tuple)):
        return [_without_answer(name, "failed", "failed", result)]
    service = _mapping(result.get("service"))
    machine = {
        "client_machine_id": (clean(service.get("client_machine_id")) or "").lower() or None,
        "windows_version": clean(service.get("version")),
    }
    if not licenses:
        status = STATUSES["no_key"]
        return [
            Row(
                host=name,
                outcome="ok",
                status="no_key",
                severity=status.severity,
                client_machine_id=machine["client_machine_id"],
                windows_version=machine["windows_version"],
                remedy=status.advice,
            )
        ]
    return [_license_row(name, _mapping(entry), machine) for entry in licenses]


def kms_host_of(host: str, result: Mapping[str, Any]) -> KmsHost | None:
    """What one machine's result says of it as a KMS host; None when it is none, or was not read."""
    found = _mapping(result.get("kms_host"))
    if result.get("unreachable") or result.get("failed") or not found.get("is_kms_host"):
        return None
    licenses = [_mapping(entry) for entry in result.get("licenses") or ()]
    key = next((entry for entry in licenses if str(entry.get("channel")).upper().endswith("CSVLK")), {})
    publishing = found.get("dns_publishing")
    return KmsHost(
        host=clean(host) or "?",
        status=_status_key(key.get("status")),
        current_count=_number(found.get("current_count")),
        required_count=_number(found.get("required_count")),
        port=_number(found.get("port")),
        dns_publishing=None if publishing is None else bool(publishing),
        total_requests=_number(found.get("total_requests")),
        failed_requests=_number(found.get("failed_requests")),
    )


def clean(value: Any) -> str | None:
    """A text from a machine as one line of bounded length without a product key; None for nothing."""
    if value is None:
        return None
    text = _CONTROL.sub(" ", str(value)).strip()
    if not text:
        return None
    text = _PRODUCT_KEY.sub("*****-*****-*****-*****-", text)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def _license_row(host: str, entry: Mapping[str, Any], machine: Mapping[str, str | None]) -> Row:
    status_key = _status_key(entry.get("status"))
    status = status_of(status_key)
    days = _number(entry.get("days_remaining"))
    licensed = status_key == "licensed"
    channel = clean(entry.get("channel"))
    severity, remedy = status.severity, status.advice
    error = None if licensed else _reason(entry.get("status_reason"))
    if error is not None:
        remedy = error.remedy
    elif licensed and days is not None and days < _watched_below(channel):
        severity, remedy = "warn", _late(days, channel)
    return Row(
        host=host,
        outcome="ok",
        status=status_key,
        severity=severity,
        days_left=days,
        permanent=licensed and days is None,
        application=clean(entry.get("application")),
        product=clean(entry.get("name")),
        edition=clean(entry.get("edition")),
        channel=channel,
        partial_product_key=clean(entry.get("partial_product_key")),
        is_addon=bool(entry.get("is_addon")),
        kms_server=(clean(entry.get("kms_server")) or "").lower().rstrip(".") or None,
        kms_port=_number(entry.get("kms_port")),
        kms_server_source=clean(entry.get("kms_server_source")),
        error_code=error.code if error else None,
        error_name=error.name if error else None,
        error_message=error.message if error else None,
        remedy=remedy or None,
        client_machine_id=machine["client_machine_id"],
        windows_version=machine["windows_version"],
    )


def _without_answer(host: str, outcome: str, status_key: str, result: Mapping[str, Any]) -> Row:
    status = STATUSES[status_key]
    error = _mapping(result.get("error"))
    message = clean(error.get("message")) or clean(result.get("msg")) or "No result, and no reason was told"
    # What Ansible and the modules put in front of it, the row says by itself.
    for prefix in ("Task failed: ", f"{host}: "):
        message = message.removeprefix(prefix)
    return Row(
        host=host,
        outcome=outcome,
        status=status_key,
        severity=status.severity,
        error_code=clean(error.get("code")),
        error_name=clean(error.get("name")),
        error_message=message,
        remedy=clean(error.get("remedy")) or status.advice,
    )


def _reason(code: Any) -> ErrorInfo | None:
    """The error that a licence's reason stands for; None for a reason that is a mere piece of information."""
    try:
        number = int(str(code), 16)
    except ValueError:
        return None
    return describe(number) if number & _ERROR_BIT else None


def is_kms_client(channel: str | None) -> bool:
    """Whether the key is a KMS client setup key."""
    return (channel or "").upper().endswith("GVLK")


def _watched_below(channel: str | None) -> int:
    """A KMS client renews every seven days; after 30 without, its KMS host has forgotten it."""
    return VALIDITY_DAYS - COUNTED_DAYS if is_kms_client(channel) else WARN_DAYS


def _late(days: int, channel: str | None) -> str:
    if is_kms_client(channel):
        return (
            f"It has not renewed its activation for {VALIDITY_DAYS - days} days. Make sure that it reaches its KMS "
            "host (the _vlmcs._tcp record, TCP 1688)"
        )
    return f"It ends in {days} days. Renew the licence"


def _status_key(value: Any) -> str:
    text = str(value or "unlicensed")
    return text if text in STATUSES else "other"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None
