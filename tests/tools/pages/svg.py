# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small pieces of SVG: boxes with text, arrows.  Lengths are pixels, and y grows downwards."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"
  aria-labelledby="title desc" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif">
<!-- Copyright (c) 2026, the winops.kms authors
  GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

  Made by tests/tools/pages of {source}; after a change there run
  PYTHONPATH=.build:tests/tools .venv/bin/python -m pages -->
<title id="title">{title}</title>
<desc id="desc">{description}</desc>
<style>
  :root {{ --back: #fff; --box: #f3f6fa; --line: #8794a3; --text: #1d2733; --soft: #4f5d6b; --mark: #0b62c4;
    --key: #8f5400; --keyback: #fff4dc; --good: #1b7a3d; --goodback: #e5f6ea; }}
  @media (prefers-color-scheme: dark) {{ :root {{ --back: #141a21; --box: #1f2832; --line: #6b7a8a; --text: #eaf0f6;
    --soft: #b1bfcc; --mark: #79b8ff; --key: #f2b661; --keyback: #352a16; --good: #7bd893; --goodback: #17301f; }} }}
  .back {{ fill: var(--back); }}
  .box {{ fill: var(--box); stroke: var(--line); }}
  .band {{ fill: var(--box); }}
  .dot {{ fill: var(--mark); }}
  .ring {{ fill: none; stroke: var(--mark); stroke-width: 2; }}
  .key {{ fill: var(--keyback); stroke: var(--key); }}
  .good {{ fill: var(--goodback); stroke: var(--good); }}
  .line {{ fill: none; stroke: var(--line); stroke-width: 1.6; }}
  .dashed {{ stroke-dasharray: 5 4; }}
  .head {{ fill: var(--line); }}
  text {{ fill: var(--text); font-size: 14px; }}
  .strong {{ font-weight: 600; }}
  .large {{ font-size: 17px; font-weight: 600; }}
  .soft {{ fill: var(--soft); font-size: 12.5px; }}
  .code {{ fill: var(--soft); font-size: 12px; font-family: ui-monospace, 'DejaVu Sans Mono', Consolas, monospace; }}
  .mark {{ fill: var(--mark); font-size: 12.5px; font-weight: 600; }}
  .keytext {{ fill: var(--key); font-size: 12.5px; font-weight: 600; }}
</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
  <path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>
<rect class="back" width="{width}" height="{height}" rx="10"/>
"""

# Class of a text -> pixels per character, of a wide font.
_WIDTHS = {"strong": 8.9, "large": 10.8, "soft": 6.7, "code": 7.3, "mark": 8.2, "keytext": 8.2}

#: A line of text: class, text.
Line = tuple[str, str]


class Picture:
    """Pieces in the order of drawing."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._pieces: list[str] = []

    def text(self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> None:
        """One line; y is that of its baseline."""
        css = f' class="{kind}"' if kind else ""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._pieces.append(f'<text x="{x:g}" y="{y:g}"{css}{place}>{escape(text)}</text>')

    def box(
        self, x: float, y: float, width: float, height: float, lines: Sequence[Line] = (), *, kind: str = "box"
    ) -> None:
        """A box with lines of text from its top.  Raises ValueError for a text that is too long for it."""
        self._pieces.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"/>')
        for number, (css, text) in enumerate(lines):
            if len(text) * _WIDTHS[css] > width - 16:
                raise ValueError(f"{text!r} is too long for a box of {width:g} pixels")
            self.text(x + 12, y + 23 + 19 * number, text, css)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through the points, with a head at its end."""
        self._path(points, "line dashed" if dashed else "line", ' marker-end="url(#arrow)"')

    def line(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through the points."""
        self._path(points, "line dashed" if dashed else "line", "")

    def dot(self, x: float, y: float, *, hollow: bool = False) -> None:
        """A mark in a table."""
        css = "ring" if hollow else "dot"
        self._pieces.append(f'<circle class="{css}" cx="{x:g}" cy="{y:g}" r="7"/>')

    def document(self, *, title: str, description: str, source: str) -> str:
        """The file's text."""
        head = _HEAD.format(
            width=self.width, height=self.height, title=escape(title), description=escape(description), source=source
        )
        return "\n".join((head.rstrip("\n"), *self._pieces, "</svg>")) + "\n"

    def _path(self, points: Sequence[tuple[float, float]], css: str, more: str) -> None:
        steps = " L".join(f"{x:g},{y:g}" for x, y in points)
        self._pieces.append(f'<path class="{css}" d="M{steps}"{more}/>')
