# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The charts: a bar is an inline SVG without text, the words and figures beside it are HTML.

So a chart is its own table: it can be read aloud, copied and printed, and its letters keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .markup import Child, Safe, join, tag
from .words import CLIENT_THRESHOLD, SERVER_THRESHOLD

#: A KMS host shows at most twice the highest threshold.
FULL_COUNT = 2 * CLIENT_THRESHOLD


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart; `tone` is a severity, or `plain`.  `part` of the value is shown as the fuller tone."""

    label: Child
    value: int
    tone: str = "plain"
    part: int | None = None
    note: str = ""


def percent(value: int, whole: int) -> str:
    """A share for a reader: never 100 % of what is not all, nor 0 % of what is some."""
    if not whole:
        return "0 %"
    share = 100 * value / whole
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def mark(severity: str) -> Safe:
    """The sign of a severity: its shape tells it apart as well as its colour."""
    return tag("span", class_=f"mark {severity}", aria_hidden="true")


def bars(items: Sequence[Bar], *, caption: str, head: tuple[str, str, str], marks: bool = False) -> Safe:
    """A table with a bar in each line, as long as its value."""
    longest = max((item.value for item in items), default=0) or 1
    noted = any(item.note for item in items)
    lines = [
        tag(
            "tr",
            tag("th", mark(item.tone) if marks else None, item.label, scope="row"),
            tag("td", _bar(item, longest), class_="bar", aria_hidden="true"),
            tag("td", number(item.value), class_="figure"),
            tag("td", tag("small", item.note), class_="figure") if noted else None,
        )
        for item in items
    ]
    header = tag(
        "tr",
        tag("th", head[0], scope="col"),
        tag("td", class_="bar"),
        tag("th", head[1], scope="col"),
        tag("th", head[2], scope="col") if noted else None,
    )
    return tag(
        "table",
        tag("caption", caption, class_="hidden"),
        tag("thead", header, class_="hidden"),
        tag("tbody", join(lines)),
        class_="bars",
    )


def _bar(item: Bar, longest: int) -> Safe:
    width = 100 * item.value / longest
    shapes = [tag("rect", class_="track", x=0, y=0, width=100, height=10)]
    shown = item.value if item.part is None else item.part
    if item.value:
        # A single host among thousands is a thin line, and is seen.
        tone = item.tone if item.part is None else f"{item.tone} whole"
        shapes.append(_rect(tone, 0, max(width, 0.6), item.value))
    if item.part is not None and item.part:
        shapes.append(_rect(item.tone, 0, max(100 * item.part / longest, 0.6), shown))
    return _drawing(shapes, class_="chart bar")


def _rect(tone: str, left: float, width: float, value: int) -> Safe:
    return tag(
        "rect", class_=f"fill {tone}", x=f"{left:.2f}", y=0, width=f"{width:.2f}", height=10, data_value=str(value)
    )


def _drawing(shapes: Iterable[Safe], *, class_: str, box: str = "0 0 100 10") -> Safe:
    return tag(
        "svg",
        join(shapes),
        class_=class_,
        viewBox=box,
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )


def strip(items: Sequence[Bar]) -> Safe:
    """All values as one bar of coloured pieces; the table of the same values says what they are."""
    whole = sum(item.value for item in items)
    shapes: list[Safe] = []
    left = 0.0
    for item in items:
        if item.value:
            width = 100 * item.value / whole
            shapes.append(_rect(item.tone, left, max(width - 0.3, 0.3), item.value))
            left += width
    return _drawing(shapes or [tag("rect", class_="track", x=0, y=0, width=100, height=10)], class_="chart strip")


def columns(items: Sequence[Bar], *, caption: str) -> Safe:
    """Upright columns side by side, for what has an order."""
    highest = max((item.value for item in items), default=0) or 1
    parts = []
    for item in items:
        height = max(100 * item.value / highest, 1.0) if item.value else 0
        shapes = [tag("rect", class_="track", x=0, y=0, width=10, height=100)]
        if item.value:
            shapes.append(
                tag(
                    "rect",
                    class_=f"fill {item.tone}",
                    x=0,
                    y=f"{100 - height:.2f}",
                    width=10,
                    height=f"{height:.2f}",
                    data_value=str(item.value),
                )
            )
        parts.append(
            tag(
                "li",
                tag("b", mark(item.tone) if item.value and item.tone != "ok" else None, number(item.value)),
                _drawing(shapes, class_="chart column", box="0 0 10 100"),
                tag("span", item.label),
            )
        )
    return tag("ul", join(parts), class_="columns", aria_label=caption)


def counter(host: Mapping[str, Any]) -> Safe:
    """The count of a KMS host on a scale to 50, with the two thresholds as lines."""
    count = host["current_count"] or 0
    tone = "ok" if host["enough_for_clients"] else "warn" if host["enough_for_servers"] else "bad"
    shapes = [tag("rect", class_="track", x=0, y=0, width=100, height=10)]
    if count:
        shapes.append(_rect(tone, 0, 100 * min(count, FULL_COUNT) / FULL_COUNT, count))
    for threshold in (SERVER_THRESHOLD, CLIENT_THRESHOLD):
        place = f"{100 * threshold / FULL_COUNT:.2f}"
        shapes.append(tag("line", class_="threshold", x1=place, x2=place, y1=0, y2=10, data_threshold=threshold))
    return _drawing(shapes, class_="chart bar counter")


def number(value: int | None) -> str:
    """12,345; a dash for what is not known."""
    return "-" if value is None else f"{value:,}"
