# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which page is made by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from . import awx_pictures, benchmark, error_codes, gvlk_table, kms_host_matrix, slmgr_guide

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "docsite" / "rst"

#: The page's file -> what makes its text.
PAGES: Mapping[Path, Callable[[], str]] = {
    FOLDER / f"{module.__name__.rpartition('.')[2]}.rst": module.page
    for module in (slmgr_guide, gvlk_table, error_codes, kms_host_matrix, benchmark)
}

#: The picture's file -> what makes its SVG.
PICTURES: Mapping[Path, Callable[[], str]] = {
    FOLDER / "images" / "awx_workflow.svg": awx_pictures.workflow,
    FOLDER / "images" / "awx_credentials.svg": awx_pictures.credentials,
    FOLDER / "images" / "awx_key.svg": awx_pictures.key_path,
    FOLDER / "images" / "benchmark.svg": benchmark.picture,
}


def stale() -> list[Path]:
    """The pages and pictures whose file is missing, or other than it should be."""
    return [
        path
        for path, make in {**PAGES, **PICTURES}.items()
        if not path.exists() or path.read_text(encoding="utf-8") != make()
    ]
