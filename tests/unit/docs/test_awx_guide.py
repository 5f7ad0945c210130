# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide for AWX names what is in the data set, and its pictures are sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from ansible_collections.winops.kms.tests.awx.standin.data_set import load, read
from ansible_collections.winops.kms.tests.tools.guide_blocks import blocks
from ansible_collections.winops.kms.tests.tools.pages import awx_pictures, catalogue
from ansible_collections.winops.kms.tests.tools.pages.svg import Picture

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "docsite" / "rst"
TEXT = (PAGES / "guide_awx.rst").read_text(encoding="utf-8")
DATA = load()
SVG = "{http://www.w3.org/2000/svg}"


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = re.split(rf"^{re.escape(heading)}\n-+\n", TEXT, flags=re.MULTILINE)[1]
    table = re.split(r"\n(?=\S)", section.partition(".. list-table::")[2])[0]
    return [[" ".join(cell.split()) for cell in row.split("\n     - ")] for row in table.split("\n   * - ")[2:]]


def names(kind: str) -> set[str]:
    return {one["name"] for one in DATA[f"controller_{kind}"]}


def test_everything_that_the_guide_calls_by_its_name_is_in_the_data_set() -> None:
    kinds = ("templates", "workflows", "schedules", "credentials", "credential_types", "inventories")
    known = {name for kind in kinds for name in names(kind)}
    named = {" ".join(name.split()) for name in re.findall(r"``(KMS: ?\s?[^`]+)``", TEXT)}
    assert len(named) > 12
    assert named <= known


def test_the_settings_of_the_guide_are_settings() -> None:
    settings = {name for name in read() if name.startswith("kms_awx_")}
    assert set(re.findall(r"\bkms_awx_\w+", TEXT)) <= settings
    own = yaml.safe_load(blocks("guide_awx")["guide-awx-settings"].text)
    assert DATA["kms_awx_scm_url"] == own["kms_awx_scm_url"]
    assert DATA["kms_awx_image"].partition(":")[0] == own["kms_awx_image"].partition(":")[0]


def test_the_table_of_credential_types_has_all_of_them_with_their_variables() -> None:
    shown = {row[0]: set(re.findall("``(.*?)``", row[2])) for row in rows("4. Paste the keys")}
    assert shown == {one["name"]: set(one["injectors"]["extra_vars"]) for one in DATA["controller_credential_types"]}


def test_the_table_of_slices_is_right_about_every_job_template() -> None:
    sliced = {
        one["name"] for one in load({"kms_awx_client_slices": 7})["controller_templates"] if one["job_slice_count"] == 7
    }
    table = {
        name: row[1] for row in rows("What to slice, and what never") for name in re.findall("``(KMS: .*?)``", row[0])
    }
    table |= {f"KMS: {name}": "never" for name in ("export installation IDs", "apply confirmation IDs")}
    assert {name for name, answer in table.items() if answer == "yes"} == {
        name for name in sliced if not name.endswith(awx_pictures.CHECK)
    }
    assert set(table) == {name for name in names("templates") if not name.endswith(awx_pictures.CHECK)}


def test_the_ways_into_dns_are_those_of_the_survey() -> None:
    (flow,) = DATA["controller_workflows"]
    question = next(one for one in flow["survey_spec"]["spec"] if one["variable"] == "publish_dns_method")
    assert [row[0] for row in rows("7. Press the button")] == question["choices"]
    assert f"* - {question['question_name']}\n" in TEXT


@pytest.mark.parametrize("name", ["Wait for more machines", "Pending is a failure"])
def test_a_question_of_the_guide_is_asked(name: str) -> None:
    template: dict[str, Any] = next(one for one in DATA["controller_templates"] if one["name"] == "KMS: point clients")
    assert f'"{name}"' in TEXT
    assert name in {one["question_name"] for one in template["survey_spec"]["spec"]}


def test_what_a_node_passes_on_is_what_its_role_passes_on() -> None:
    shown = {row[0].strip("`") for row in rows("Results")}
    assert shown == {name.replace("…", "ID") for name, _what in awx_pictures.PASSED_ON.values()}
    for role, (name, _what) in awx_pictures.PASSED_ON.items():
        files = (ROOT / "roles" / role).rglob("*.yml")
        assert any(
            name.removesuffix("_…") in path.read_text() for path in files if path.parent.name in ("tasks", "vars")
        )


@pytest.mark.parametrize("path", catalogue.PICTURES, ids=lambda path: path.name)
def test_a_picture_is_sound_and_says_what_it_shows(path: Path) -> None:
    tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    width, height = (float(tree.attrib[name]) for name in ("width", "height"))
    assert tree.findtext(f"{SVG}title") and len(tree.findtext(f"{SVG}desc") or "") > 20
    for shape in tree.iter(f"{SVG}rect"):
        x, y, wide, high = (float(shape.attrib.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + wide <= width and y + high <= height
    assert all(float(text.attrib["y"]) < height for text in tree.iter(f"{SVG}text"))


# Text -> what it stands on.
GROUNDS = {
    "text": ("back", "box", "keyback", "goodback"),
    "soft": ("back", "box", "keyback", "goodback"),
    "mark": ("back", "box"),
    "key": ("keyback",),
}


def luminance(colour: str) -> float:
    """WCAG 2: relative luminance of #rgb or #rrggbb."""
    digits = colour.removeprefix("#")
    parts = [digits[at : at + 2] for at in (0, 2, 4)] if len(digits) == 6 else [2 * digit for digit in digits]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(part, 16) / 255 for part in parts)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_of_pictures_can_be_read_in_both_colour_schemes(scheme: str) -> None:
    sets = re.findall(r":root \{(.*?)\}", awx_pictures.key_path(), re.DOTALL)
    assert len(sets) == 2
    colours = dict(re.findall(r"--(\w+): (#\w+);", sets[scheme == "dark"]))
    assert (luminance(colours["back"]) > 0.5) == (scheme == "light")
    for text, grounds in GROUNDS.items():
        for ground in grounds:
            low, high = sorted((luminance(colours[text]), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"


def test_pages_show_all_pictures_and_each_has_a_text_instead() -> None:
    shown: list[str] = []
    for path in PAGES.glob("*.rst"):
        found = re.findall(r"^\.\. (?:figure|image):: (\S+)\n((?: +\S.*\n)*)", path.read_text(encoding="utf-8"), re.M)
        assert all(":alt: " in options for _name, options in found), path.name
        shown += [name for name, _options in found]
    assert sorted(shown) == sorted(f"images/{path.name}" for path in (PAGES / "images").iterdir())


def test_a_text_that_is_too_long_for_its_box_is_no_picture() -> None:
    with pytest.raises(ValueError, match="too long"):
        Picture(300, 100).box(0, 0, 100, 50, [("strong", "a heading that no box of this width has room for")])
