# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of docs/docsite: generated ones are up to date and complete, all are sound reStructuredText."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import docutils.core
import docutils.nodes
import docutils.parsers.rst.directives
import docutils.parsers.rst.roles
import pytest
import yaml
from docutils.parsers.rst.directives.body import CodeBlock

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.settings import (
    ACTIVATION_TYPE,
    CLIENT_SETTINGS,
    HOST_SETTINGS,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import TABLES, rows
from ansible_collections.winops.kms.tests.tools.pages import catalogue, rst, switches

ROOT = Path(__file__).parents[3]
DOCSITE = ROOT / "docs" / "docsite"
PAGES = sorted(path.stem for path in (DOCSITE / "rst").glob("*.rst"))

# Every switch of the slmgr.vbs of Windows 10 and 11, by its own help; /stao and /ctao are of Windows 7 and 8.
SLMGR = """
    /ipk /ato /dli /dlv /xpr /cpky /ilc /rilc /rearm /rearm-app /rearm-sku /upk /dti /atp
    /skms /ckms /skms-domain /ckms-domain /skhc /ckhc /act-type
    /sprt /sai /sri /sdns /cdns /spri /cpri
    /lil /ril /ltc /fta /stao /ctao
    /ad-activation-online /ad-activation-get-iid /ad-activation-apply-cid /ao-list /del-ao
"""
# Those of ospp.vbs, by Microsoft's page "Tools to manage volume activation of Office" and the script's own list.
OSPP = """
    /act /inpkey /unpkey /inslic /dstatus /dstatusall /dhistoryacterr /dinstid /actcid /rearm /ddescr
    /dhistorykms /dcmid /sethst /setprt /remhst /cachst /actype /skms-domain /ckms-domain
    /dtokils /rtokil /dtokcerts /tokact /stokflag /ctokflag
    /puserops /duserops /osppsvcrestart /osppsvcauto /regmof /version
"""
# The cmdlets of VAMT's module that do something to, or read something of, machines or the database of keys.
VAMT = """
    Add-VamtProductKey Export-VamtData Find-VamtManagedMachine Get-VamtConfirmationId Get-VamtProduct Get-VamtProductKey
    Import-VamtData Initialize-VamtData Install-VamtConfirmationId Install-VamtProductActivation Install-VamtProductKey
    Update-VamtProduct
"""


def test_generated_pages_are_up_to_date() -> None:
    old = [path.name for path in catalogue.stale()]
    assert not old, "run: PYTHONPATH=.build:tests/tools .venv/bin/python -m pages"


@pytest.mark.parametrize(("part", "known"), [("slmgr", SLMGR), ("ospp", OSPP)])
def test_each_switch_has_a_row_and_no_other_does(part: str, known: str) -> None:
    assert {row.switch for row in switches.rows(part)} == set(known.split())


def test_each_cmdlet_of_vamt_has_a_row() -> None:
    found = {name for row in switches.rows("vamt") for name in row.arguments.split(", ") if name}
    assert found == set(VAMT.split())


def test_few_switches_have_no_task_and_their_rows_say_what_to_do() -> None:
    without = {row.switch: row.instead for row in switches.rows("slmgr") if row.instead}
    assert set(without) == {"/ltc", "/fta"}
    assert all("machine" in text for text in without.values())


def test_the_switches_that_a_setting_of_the_modules_stands_for_are_rows() -> None:
    named = {switch for one in (*CLIENT_SETTINGS, *HOST_SETTINGS, ACTIVATION_TYPE) for switch in one.slmgr}
    assert named and named <= set(SLMGR.split())


def test_tasks_use_options_that_there_are() -> None:
    options: Mapping[str, specs.ArgumentSpec] = {
        name.lower(): spec for name, spec in vars(specs).items() if isinstance(spec, specs.ArgumentSpec)
    }
    checked = 0
    for row in switches.rows():
        for task in (*row.tasks, *row.undo_tasks):
            assert task["name"][0].isupper() and not task["name"].endswith(".")
            for key, given in task.items():
                module = key.removeprefix("winops.kms.")
                if module in options:
                    assert set(given or {}) <= set(options[module].options), row.id
                    checked += 1
    assert checked > 70


def test_every_page_is_listed() -> None:
    listed = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))
    assert sorted(name for section in listed["sections"] for name in section["toctree"]) == PAGES


class WithCaption(CodeBlock):
    """`code-block` as Sphinx has it."""

    option_spec = {**(CodeBlock.option_spec or {}), "caption": docutils.parsers.rst.directives.unchanged}


def parse(text: str) -> tuple[docutils.nodes.document, str]:
    for role in ("ansopt", "ansplugin", "ansretval", "ref"):
        docutils.parsers.rst.roles.register_generic_role(role, docutils.nodes.literal)
    docutils.parsers.rst.directives.register_directive("code-block", WithCaption)
    warnings = io.StringIO()
    settings = {"warning_stream": warnings, "report_level": 2, "halt_level": 5}
    return docutils.core.publish_doctree(text, settings_overrides=settings), warnings.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_sound(name: str) -> None:
    text = (DOCSITE / "rst" / f"{name}.rst").read_text(encoding="utf-8")
    tree, warnings = parse(text)
    assert not warnings
    assert f".. _ansible_collections.winops.kms.docsite.{name}:\n" in text
    named = re.findall(r"^ +:name: (.*)$", text, re.MULTILINE)
    blocks = list(tree.findall(docutils.nodes.literal_block))
    assert len(set(named)) == len(named) == len(blocks), "each code block has a name, by which tests find it"
    for target in re.findall(r":ref:`(?:[^`<]*<)?ansible_collections\.winops\.kms\.docsite\.([\w.]+)>?`", text):
        assert target.partition(".")[0] in PAGES


def test_the_pages_of_the_tables_show_every_row() -> None:
    pages = {path.stem: parse(make())[0].astext() for path, make in catalogue.PAGES.items()}
    for row in rows("hresult"):
        for column in ("code", "symbol", "meaning", "cause", "remedy"):
            assert row[column] in pages["error_codes"], row["code"]
    for row in rows("gvlk"):
        assert row["key"] in pages["gvlk_table"] and row["product"] in pages["gvlk_table"]
    for name, column in (
        ("kms_host_matrix", "csvlk_group"),
        ("kms_host_updates", "update"),
        ("windows_releases", "release"),
    ):
        assert all(row[column] in pages["kms_host_matrix"] for row in rows(name))
    assert set(TABLES) == {"hresult", "gvlk", "kms_host_matrix", "kms_host_updates", "windows_releases"}, (
        "a page for it?"
    )


def test_the_guide_to_own_tables_names_their_columns() -> None:
    text = (DOCSITE / "rst" / "tables_guide.rst").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        entry = text.partition(f"* - ``{name}.csv``")[2].partition("\n   * -")[0].partition("\n\nA row")[0]
        _file, known_by, columns = entry.split("\n     - ")
        assert tuple(re.findall("``(.*?)``", known_by)) == table.key
        assert tuple(re.findall("``(.*?)``", columns)) == tuple(table.columns)


@pytest.mark.parametrize("text", ["a\\b", "*a*", "`a`", "|a|", "a_ b", "_vlmcs._tcp", "50% \\system32\\*"])
def test_plain_text_is_no_markup(text: str) -> None:
    tree, warnings = parse(rst.plain(text))
    assert (tree.astext(), warnings) == (text, "")
