# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines without internet access: installation IDs go out in a file, confirmation IDs come back in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("offline")

CID = "123456" * 8


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def filled(path: Path, *hosts: str) -> None:
    """What somebody with a telephone does."""
    rows = rows_of(path)
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "confirmation_id": CID if row["host"] in hosts else ""} for row in rows)


def test_a_file_goes_out_and_comes_back(lab: Lab, play: Play, tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    options: dict[str, Any] = {
        "extra_vars": {"kms_offline_pattern": "kms_hosts,isolated", "kms_offline_file": str(path)},
    }
    assert play("winops.kms.export_installation_ids", check=True, **options).changed_hosts
    assert not path.exists()
    play("winops.kms.export_installation_ids", **options)
    # The KMS client is activated by its KMS host, and has nothing to wait for.
    assert [row["host"] for row in rows_of(path)] == ["kms1", "lab1", "lab2"]
    assert all(set(row["installation_id"]) <= set("0123456789-") for row in rows_of(path))
    assert kinds(lab.requests()).keys() == {"read"}
    assert not play("winops.kms.export_installation_ids", **options).changed_hosts

    filled(path, "kms1", "lab1")
    missing = play("winops.kms.apply_confirmation_ids", check=True, expect="failed", **options)
    assert "has no confirmation ID for the installation ID" in missing.output
    assert kinds(lab.requests()).keys() == {"read"}
    run = play("winops.kms.apply_confirmation_ids", connection="psrp", expect="failed", **options)
    assert sorted(run.changed_hosts) == ["kms1", "lab1"]
    assert [lab.machine(name)["status"] for name in ("kms1", "lab1", "lab2")] == ["licensed", "licensed", "oob_grace"]
    # A KMS host publishes itself when its service has started.
    assert "_vlmcs._tcp" in str(lab.zone("corp.example"))

    # What is done has no row any more, what is not keeps its own.
    assert play("winops.kms.export_installation_ids", **options).changed_hosts
    assert [row["host"] for row in rows_of(path)] == ["lab2"]
    filled(path, "lab2")
    assert play("winops.kms.apply_confirmation_ids", **options).changed_hosts == ["lab2"]
    lab.clear_requests()
    assert not play("winops.kms.apply_confirmation_ids", **options).changed_hosts
    assert kinds(lab.requests()).keys() == {"read"}
