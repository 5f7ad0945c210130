# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recurrence rules AWX takes for a schedule: those of `SchedulePreviewSerializer` in awx/api of AWX 24.6."""

from __future__ import annotations

import re
import zoneinfo

_START = re.compile(r"DTSTART(?:;TZID=(?P<zone>[^:]+))?:(?P<time>[0-9]{8}T[0-9]{6}(?P<utc>Z?))(?=\s|$)")
_FREQUENCIES = ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = {
    "FREQ": r"[A-Z]+",
    "INTERVAL": r"[1-9][0-9]*",
    "COUNT": r"[1-9][0-9]{0,2}",
    "UNTIL": r"[0-9]{8}T[0-9]{6}Z?",
    "BYDAY": r"(MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*",
    "BYMONTH": r"[0-9,]+",
    "BYMONTHDAY": r"-?[0-9]+(,-?[0-9]+)*",
    "BYHOUR": r"[0-9,]+",
    "BYMINUTE": r"[0-9,]+",
    "BYSETPOS": r"-?[0-9]+(,-?[0-9]+)*",
    "WKST": r"(MO|TU|WE|TH|FR|SA|SU)",
}


def rule_errors(text: str) -> list[str]:
    """One sentence for each thing that is wrong; empty for a rule that AWX takes."""
    errors = []
    starts = list(_START.finditer(text))
    if not starts:
        errors.append("Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if len(starts) > 1:
        errors.append("Multiple DTSTART is not supported.")
    for start in starts:
        if not start["zone"] and not start["utc"]:
            errors.append("DTSTART cannot be a naive datetime.")
        if start["zone"] and start["zone"] not in zoneinfo.available_timezones():
            errors.append(f"rrule parsing failed validation: {start['zone']} is no time zone")
    errors += [f"{word} not allowed in rrule." for word in ("EXDATE", "RDATE") if f"{word}:" in text.upper()]
    rules = re.findall(r"(?<!EX)RULE:(\S*)", text)
    if not rules:
        errors.append("One or more rule required in rrule.")
    return errors + [error for rule in rules for error in _one(rule)]


def _one(rule: str) -> list[str]:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    errors = []
    if "INTERVAL" not in parts:
        errors.append(f"INTERVAL required in rrule: {rule}")
    if "COUNT" in parts and "UNTIL" in parts:
        errors.append(f"RRULE may not contain both COUNT and UNTIL: {rule}")
    if parts.get("FREQ") not in _FREQUENCIES:
        errors.append(f"SECONDLY is not supported, or no frequency: {rule}")
    errors += [
        f"rrule parsing failed validation: {name}={value}"
        for name, value in parts.items()
        if name not in _PARTS or not re.fullmatch(_PARTS[name], value)
    ]
    return errors
