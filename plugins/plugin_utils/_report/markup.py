# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML by functions that escape: a text can't become markup by being forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None
_VOID = frozenset({"meta", "link", "input", "rect", "line"})


def text(value: Child) -> Safe:
    """Plain text as HTML; what is HTML already stays as it is."""
    if isinstance(value, Safe):
        return value
    return Safe("" if value is None else escape(str(value), quote=True))


def join(children: Iterable[Child], between: str = "") -> Safe:
    """Children one after the other."""
    return Safe(escape(between, quote=True).join(map(text, children)))


def tag(element: str, /, *children: Child, **attributes: Child | bool) -> Safe:
    """An element.  Attributes: `class_` is class, `data_value` is data-value; None and False are left out."""
    words = [element]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{escape(str(value), quote=True)}"')
    opening = f"<{' '.join(words)}>"
    if element in _VOID:
        return Safe(opening if element in ("meta", "link", "input") else f"{opening[:-1]}/>")
    return Safe(f"{opening}{join(children)}</{element}>")
