# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of the report as a playbook calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.filter import fleet_render, fleet_summary
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import TIME, a_license, answer

FILTERS = Path(fleet_render.__file__).parent


def test_results_become_a_report_and_a_report_a_text() -> None:
    summarize = fleet_summary.FilterModule().filters()["fleet_summary"]
    draw = fleet_render.FilterModule().filters()["fleet_render"]
    report = summarize({"pc1": answer(a_license())}, time=TIME)
    assert report["title"] == "KMS fleet report"
    assert summarize({"pc1": answer(a_license())}, time="later", previous=draw(report, "json")) == report
    # What a look-up gives for a file that does not exist differs between releases of ansible-core.
    missing: tuple[Any, ...] = (None, "", [])
    for nothing in missing:
        assert summarize({"pc1": answer(a_license())}, time="later", previous=nothing)["time"] == "later"
    assert draw(report).startswith("<!DOCTYPE html>")
    assert json.loads(draw(report, "json"))["time"] == TIME


@pytest.mark.parametrize("wrong", [None, [], "pc1", {"pc1": "text"}])
def test_what_are_no_results_is_refused(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="fleet_summary: needs a dictionary of hosts"):
        fleet_summary.fleet_summary(wrong, TIME)


def test_what_is_no_report_or_no_format_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"needs what the filter winops\.kms\.fleet_summary returned"):
        fleet_render.fleet_render({"pc1": {}})
    with pytest.raises(AnsibleFilterError, match="'pdf' is no format"):
        fleet_render.fleet_render(fleet_summary.fleet_summary({}, TIME), "pdf")


@pytest.mark.parametrize("name", ["fleet_summary", "fleet_render"])
def test_a_filter_is_documented_under_its_name(name: str) -> None:
    documented = yaml.safe_load((FILTERS / f"{name}.yml").read_text(encoding="utf-8"))
    assert documented["DOCUMENTATION"]["name"] == name
    assert yaml.safe_load(documented["EXAMPLES"])
