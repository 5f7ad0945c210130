# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files: written at once or not at all, only when they differ; and the figures in Prometheus' format."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.figures import Fleet
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.files import check_writable, read_text, write
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.prometheus import prometheus_text, same_figures
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._fleet.fleet_answers import (
    a_kms_host,
    denied,
    licensed,
    unlicensed,
    unreachable,
)

# -- files -------------------------------------------------------------------------------------------------------------


def put(path: Path, text: str, *, check: bool = False) -> bool:
    return write("html", path, [text], mode=0o640, check=check)


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "page"
    assert put(path, "a\r\nü") and path.read_bytes() == "a\r\nü".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.stat()
    assert not put(path, "a\r\nü")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert put(path, "b") and path.read_text() == "b"
    assert os.listdir(tmp_path) == ["page"]


def test_check_mode_says_what_would_be_written(tmp_path: Path) -> None:
    path = tmp_path / "page"
    assert put(path, "a", check=True) and not path.exists()
    put(path, "a")
    assert not put(path, "a", check=True)
    assert put(path, "b", check=True) and path.read_text() == "a"


def test_a_file_of_something_else_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"\xff\xfe")
    assert read_text(path) is None
    assert put(path, "a") and path.read_text() == "a"


def test_a_reader_sees_the_old_content_until_the_new_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "page"
    put(path, "old")

    def pieces() -> list[str]:
        assert path.read_text() == "old"
        return ["new ", "content"]

    write("html", path, pieces(), mode=0o600, check=False)
    assert path.read_text() == "new content"


@pytest.mark.parametrize("broken", ["chmod", "replace"])
def test_what_can_not_be_written_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "page"
    put(path, "old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(FleetError, match=r"html: .*page can't be written: No space left on device"):
        put(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["page"]


def test_a_place_that_can_not_be_written_to_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable("csv", tmp_path / "new")
    with pytest.raises(FleetError, match=r"csv: there is no folder .*/none\. Make it first"):
        check_writable("csv", tmp_path / "none" / "file")
    with pytest.raises(FleetError, match=r"csv: .* is a folder"):
        check_writable("csv", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FleetError, match="csv: the user who runs Ansible may not write to the folder"):
        check_writable("csv", tmp_path / "new")


# -- figures -----------------------------------------------------------------------------------------------------------


class Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


_LABEL = r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{((?:{_LABEL},)*{_LABEL})\}})? (-?\d+(?:\.\d+)?)")


def parse(text: str) -> tuple[dict[str, str], list[Sample]]:
    """Metric -> its type, and all samples; strict, by "Exposition formats" of Prometheus."""
    assert text.endswith("\n") and "\r" not in text
    kinds: dict[str, str] = {}
    samples: list[Sample] = []
    described = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            described = line.split(" ", 3)[2]
            assert described not in kinds, "the lines of a metric stand together"
            assert line.split(" ", 3)[3].endswith("."), line
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == described and kind in ("gauge", "counter")
            kinds[name] = kind
        else:
            found = _SAMPLE.fullmatch(line)
            assert found, line
            assert found[1] == described and found[1] in kinds
            labels = {name: _plain(value) for name, value in re.findall(_LABEL, found[2] or "")}
            samples.append(Sample(found[1], labels, float(found[found.re.groups])))
    series = [(one.name, *sorted(one.labels.items())) for one in samples]
    assert len(series) == len(set(series)), "each series once"
    assert {one.name for one in samples} == kinds.keys(), "no metric without a sample"
    return kinds, samples


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


ANSWERS = [
    licensed("pc1"),
    unlicensed("pc2"),
    licensed("pc3", days_remaining=5, application="office"),
    unreachable("off"),
    denied("denied"),
    a_kms_host("kms1", 50),
    a_kms_host("kms2", None),
]


def text_of(answers: list[Answer], *groups: str, duration: float = 1.5, timestamp: float = 1e9) -> str:
    found = Fleet(answers, expiring_days=30, published=set())
    counts = {"all": found.counts(), **{group: found.counts({"pc1", "off"}) for group in groups}}
    return prometheus_text(answers, counts, duration=duration, timestamp=timestamp)


def test_the_figures_can_be_read() -> None:
    kinds, samples = parse(text_of(ANSWERS, "site"))
    found = {(one.name, *one.labels.values()): one.value for one in samples}
    hosts = "winops_kms_fleet_hosts"
    assert {key[2]: value for key, value in found.items() if key[:2] == (hosts, "all")} == {
        "activated": 4,
        "unactivated": 1,
        "unreachable": 1,
        "failed": 1,
    }
    assert found[hosts, "site", "activated"] == found[hosts, "site", "unreachable"] == 1
    assert found["winops_kms_fleet_expiring_hosts", "all"] == 1
    assert found["winops_kms_fleet_not_in_dns_hosts", "all"] == 3
    assert found["winops_kms_fleet_licenses", "windows", "Volume:GVLK", "notification"] == 1
    assert found["winops_kms_host_current_count", "kms1"] == 50
    assert ("winops_kms_host_current_count", "kms2") not in found, "it tells no number"
    assert found["winops_kms_host_requests_total", "kms2"] == 311
    assert found["winops_kms_fleet_survey_duration_seconds",] == 1.5
    assert found["winops_kms_fleet_survey_timestamp_seconds",] == 1e9
    assert sum(one.value for one in samples if one.name == hosts and one.labels["group"] == "all") == len(ANSWERS)
    assert {name for name, kind in kinds.items() if kind == "counter"} == {
        name for name in kinds if name.endswith("_total")
    }


def test_names_and_labels_are_as_prometheus_wants_them() -> None:
    kinds, samples = parse(text_of(ANSWERS))
    for name in kinds:
        assert re.fullmatch(r"winops_kms(_[a-z]+)+", name)
        assert not re.search(r"_(sum|bucket|count_total|gauge|counter)$", name)
    labels = {label for one in samples for label in one.labels}
    assert labels == {"group", "state", "application", "channel", "status", "kms_host"}
    assert len(samples) < 100


def test_texts_of_machines_can_not_break_the_format() -> None:
    evil = 'a"} 5\\\nb{x="'
    _kinds, samples = parse(text_of([licensed("pc1", channel=evil), a_kms_host(evil, 3)], evil))
    seen = {value for one in samples for value in one.labels.values()}
    assert evil in seen, "the group as it is"
    assert evil.replace("\n", " ") in seen, "what is of a machine is one line"


def test_a_fleet_without_answers_has_figures() -> None:
    for answers in ([], [unreachable("off")]):
        _kinds, samples = parse(text_of(answers))
        assert sum(one.value for one in samples if one.name == "winops_kms_fleet_hosts") == len(answers)


def test_the_same_fleet_at_another_time_has_the_same_figures() -> None:
    one = text_of(ANSWERS)
    assert same_figures(one, text_of(ANSWERS, duration=99.0, timestamp=2e9))
    assert not same_figures(one, text_of(ANSWERS[1:]))
    assert not same_figures("", one)


def test_the_file_always_has_the_last_time(tmp_path: Path) -> None:
    path = tmp_path / "kms.prom"
    for timestamp, changed in ((1e9, True), (2e9, False)):
        text = text_of(ANSWERS, timestamp=timestamp)
        assert write("prometheus", path, [text], mode=0o644, check=False, same=same_figures) is changed
        assert path.read_text() == text
