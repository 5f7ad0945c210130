# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong between a wish and a licence: one exception tree, each error with its next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorInfo:
    """A failure for the result: `code` such as 0xC004F074 (or None), its symbol, what it means, what to do."""

    code: str | None
    name: str | None
    message: str
    remedy: str

    def as_result(self) -> dict[str, str | None]:
        return {"code": self.code, "name": self.name, "message": self.message, "remedy": self.remedy}


class LicensingError(Exception):
    """The wish cannot be met; `info` goes into the result."""

    def __init__(self, message: str, *, remedy: str = "", code: str | None = None, name: str | None = None) -> None:
        super().__init__(message)
        self.info = ErrorInfo(code=code, name=name, message=message, remedy=remedy)

    @classmethod
    def from_info(cls, info: ErrorInfo) -> LicensingError:
        return cls(info.message, remedy=info.remedy, code=info.code, name=info.name)

    def __str__(self) -> str:
        head = " ".join(part for part in (self.info.code, self.info.name) if part)
        text = f"{head}: {self.info.message}" if head else self.info.message
        return f"{text.rstrip('.')}. {self.info.remedy}" if self.info.remedy else text


class InvalidOption(LicensingError):
    """An option that is wrong by itself: found before anything is sent to the host."""

    def __init__(self, option: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{option}: {message}", remedy=remedy)
        self.option = option


class AmbiguousProduct(LicensingError):
    """Several products fit; `candidates` maps activation IDs to names."""

    def __init__(self, message: str, *, candidates: Mapping[str, str]) -> None:
        super().__init__(message, remedy="Name one of them with activation_id")
        self.candidates = dict(candidates)


class UnknownOutcome(LicensingError):
    """A change was sent, no answer came, and the state does not show it: it may or may not still happen."""
