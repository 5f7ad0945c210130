# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides of docs/docsite: every block is used as a reader uses it, and those that can't be say why.

The DNS guide has tests of its own (tests/dns_servers), and so has the guide for those who come from slmgr.vbs.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from winrm.protocol import Protocol

from ansible_collections.winops.kms.tests.system.guide_project import Project, Tasks, first_missing
from ansible_collections.winops.kms.tests.system.harness import PROGRAMS, ROOT
from ansible_collections.winops.kms.tests.tools.guide_blocks import FOLDER, Block, blocks
from kmslab.control import Lab

#: Guide -> how many of its blocks no test can run.
GUIDES = {
    "tutorial": 1,
    "guide_host": 0,
    "guide_clients": 0,
    "guide_office": 0,
    "guide_offline": 0,
    "guide_replace_host": 0,
    "guide_fleet": 0,
    "guide_awx": 2,
    "guide_troubleshooting": 0,
    "guide_windows_connection": 0,
}


def confirm(project: Project, block: Block) -> None:
    """What somebody with a telephone does: the file gets the confirmation IDs, all of 48 digits."""
    path = project.folder / "installation_ids.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert block.text.splitlines()[0].split(",") == list(rows[0])
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "confirmation_id": "123456" * 8} for row in rows)


HANDS: Mapping[str, Callable[[Project, Block], None]] = {"confirm": confirm}


def check_passes(tasks: Tasks) -> None:
    """Check mode foretells what a run does, and a second run does nothing."""
    block = tasks.block
    if "check differs" not in block.remarks:
        assert tasks.changed("check") == tasks.changed("run"), f"{block.name}: check mode foretells something else"
    if "repeats" in block.remarks:
        assert tasks.changed("again"), f"{block.name}: the guide says that every run changes something"
    else:
        assert not tasks.changed("again"), f"{block.name}: a second run changes something"


@pytest.mark.parametrize("guide", GUIDES)
def test_the_blocks_of_the_guide_do_what_it_says(
    guide: str, start_lab: Callable[[str], Lab], tmp_path: Path, _shared_labs: dict[str, Lab]
) -> None:
    estate = "tutorial" if guide == "tutorial" else "guides"
    if estate in _shared_labs:
        _shared_labs[estate].reset()
    else:
        _shared_labs[estate] = start_lab(estate)
    lab = _shared_labs[estate]
    project = Project(lab, tmp_path, groups=guide != "tutorial", hands=HANDS)
    for tasks in project.use([block for block in blocks(guide).values() if not block.not_run]):
        check_passes(tasks)
    assert {request["kind"] for request in lab.requests()} <= {"read", "write"}, "no shell was opened"


@pytest.mark.parametrize("guide", GUIDES)
def test_blocks_that_are_not_run_say_why(guide: str) -> None:
    left_out = [block for block in blocks(guide).values() if block.not_run]
    assert len(left_out) == GUIDES[guide]
    assert all(len(block.not_run.split()) > 3 for block in left_out)


def test_every_guide_with_blocks_is_here() -> None:
    elsewhere = {"dns_guide", "slmgr_guide", "tables_guide"}
    found = {path.stem for path in FOLDER.glob("*.rst") if "\n.. code-block::" in path.read_text(encoding="utf-8")}
    assert found - elsewhere == set(GUIDES)


def test_what_a_guide_says_is_printed_is_looked_for_in_order() -> None:
    printed = "TASK [one] ********\nok: [a]\nPLAY RECAP ***\na : ok=3 changed=1\n"
    assert not first_missing(["TASK [one] *****", "...", "a : ok=7   changed=1"], printed)
    assert first_missing(["a : ok=7 changed=2"], printed) == "a : ok=7 changed=2"
    assert first_missing(["PLAY RECAP", "ok: [a]"], printed) == "ok: [a]"
    assert not first_missing(["ok: [...]"], printed)


def variables_of_roles() -> set[str]:
    """Those of all roles, and those that the playbooks have in their comments."""
    found: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            found |= spec["options"].keys()
    for path in (ROOT / "playbooks").glob("*.yml"):
        found |= set(re.findall(r"\bkms_\w+", path.read_text(encoding="utf-8")))
    return found


@pytest.fixture(scope="module")
def connection_variables() -> Mapping[str, list[str] | None]:
    """Variable of the connection plugins -> the values that it may have, where there are only some."""
    done = subprocess.run(
        [PROGRAMS / "ansible-doc", "--type", "connection", "--json", "winrm", "psrp"],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, list[str] | None] = {"ansible_connection": ["winrm", "psrp"]}
    for plugin in json.loads(done.stdout).values():
        for option in plugin["doc"]["options"].values():
            for variable in option.get("vars", ()):
                found[variable["name"]] = option.get("choices")
    # The plugin winrm hands every other variable of this form to pywinrm.
    for name in inspect.signature(Protocol.__init__).parameters:
        found.setdefault(f"ansible_winrm_{name}", None)
    return found


def variable_files() -> Iterator[tuple[Block, dict[str, Any]]]:
    for guide in GUIDES:
        for block in blocks(guide).values():
            if block.caption.startswith(("group_vars/", "host_vars/")):
                yield block, yaml.safe_load(block.text)


def test_variables_of_the_guides_exist(connection_variables: Mapping[str, list[str] | None]) -> None:
    known = variables_of_roles()
    seen = 0
    for block, variables in variable_files():
        for name, value in variables.items():
            if name in connection_variables:
                choices = connection_variables[name]
                assert choices is None or value in choices, f"{block.name}: {name} can't be {value}"
            else:
                assert name in known or name.startswith("vault_"), f"{block.name}: there is no variable {name}"
            seen += 1
    assert seen > 40


def test_commands_of_the_guides_set_variables_that_exist() -> None:
    known = variables_of_roles()
    named = {name for path in FOLDER.glob("*guide*.rst") for name in re.findall(r" -e (\w+)=", path.read_text())}
    assert len(named) > 5 and named <= known
