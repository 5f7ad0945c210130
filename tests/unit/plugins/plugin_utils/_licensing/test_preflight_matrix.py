# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tables of KMS hosts, updates and releases say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing import tables
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight import matrix


@pytest.mark.parametrize(
    ("build", "kind", "edition", "expected"),
    [
        (26100, "server", "ServerStandard", "Windows Server 2025"),
        (20348, "server", "ServerTurbine", "Windows Server 2022"),
        (17763, "server", "ServerDatacenter", "Windows Server 2019"),
        (17763, "server", "ServerDatacenterACor", "Windows Server Semi-Annual Channel"),
        (9600, "server", None, "Windows Server 2012 R2"),
        (9600, "client", "Enterprise", "Windows 8.1"),
        (7601, "client", None, "Windows 7"),
        (26100, "client", "Enterprise", "Windows 11"),
        (26100, "client", "EnterpriseS", "Windows 11 Enterprise LTSC 2024"),
        (26100, "client", "IoTEnterpriseS", "Windows 11 IoT Enterprise LTSC 2024"),
        (22631, "client", "Professional", "Windows 11"),
        (19045, "client", "Professional", "Windows 10"),
        (14393, "client", "EnterpriseS", "Windows 10 Enterprise LTSB 2016"),
        (14393, "client", "Enterprise", "Windows 10"),
        (17763, "client", "EnterpriseSN", "Windows 10 Enterprise LTSC"),
        (30000, "server", "ServerStandard", None),
        (5000, "client", None, None),
        (None, "server", None, None),
    ],
)
def test_release(build: int | None, kind: str, edition: str | None, expected: str | None) -> None:
    assert matrix.release_of(build=build, kind=kind, editions=[edition] if edition else []) == expected


@pytest.mark.parametrize(
    ("group", "release", "expected"),
    [
        ("Windows Server 2025", "Windows Server 2025", "yes"),
        ("Windows Server 2025", "Windows 11 Enterprise LTSC 2024", "yes"),
        ("Windows Server 2022", "Windows 11 Enterprise LTSC 2024", "no"),
        ("Windows Server 2022", "Windows Server 2025", "no"),
        ("Windows Server 2019", "Windows 11", "no"),
        ("Windows Server 2016", "Windows 10 Enterprise LTSC", "no"),
        ("Windows Server 2016", "Windows 10 Enterprise LTSB 2016", "yes"),
        ("Windows 10", "Windows 10 Enterprise LTSB 2015", "yes"),
        ("Windows 10", "Windows Server 2008 R2", "no"),
        ("Windows Server 2025", "Windows 8", "unknown"),
        ("Windows Server 2025", "Windows 10 IoT Enterprise LTSC", "unknown"),
        ("Windows Server 2025", None, "unknown"),
        (None, "Windows 10", "unknown"),
    ],
)
def test_what_a_key_group_activates(group: str | None, release: str | None, expected: str) -> None:
    assert matrix.covers(matrix.group_named(group), release) == expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Windows(R) Operating System, VOLUME_KMS_WS22 channel", "Windows Server 2022"),
        ("Windows(R) Operating System, VOLUME_KMS_W10 channel", "Windows 10"),
        ("Windows(R) Operating System, VOLUME_KMSCLIENT channel", None),
        ("Windows(R) Operating System, VOLUME_KMS_WS30 channel", None),
        (None, None),
    ],
)
def test_group_of_a_key(description: str | None, expected: str | None) -> None:
    group = matrix.group_of(description)
    assert (group.name if group else None) == expected


@pytest.mark.parametrize(
    ("host", "client", "revision", "listed", "expected"),
    [
        ("2022", "2025", 2322, (), "yes"),
        ("2022", "2025", 2321, (), "no"),
        ("2022", "2025", 2321, ("KB5034765",), "yes"),
        ("2022", "2025", None, (), "unknown"),
        ("2019", "2022", 1999, (), "yes"),
        ("2019", "2025", 1999, (), "no"),
        # KB4478877 is enough for 2019, and not for 2022.
        ("2016", "2019", 2641, (), "yes"),
        ("2016", "2022", 2641, (), "no"),
        ("2016", "2019", 2640, (), "no"),
        ("2012 R2", "2019", None, (), "unknown"),
        ("2012 R2", "2019", None, ("KB3172614",), "unknown"),
        ("2012 R2", "2019", None, ("KB4467695",), "yes"),
        ("2012 R2", "2016", None, ("KB3172614",), "yes"),
        ("2012 R2", "2016", 20000, (), "unknown"),
        ("2025", "2022", 1, (), "yes"),
        ("2022", "2016", 1, (), "yes"),
    ],
)
def test_updates(host: str, client: str, revision: int | None, listed: tuple[str, ...], expected: str) -> None:
    answer = matrix.updated(f"Windows Server {host}", f"Windows Server {client}", revision=revision, listed=listed)
    assert answer == expected


def test_every_release_in_the_matrix_is_one_that_can_be_told_by_its_build() -> None:
    known = {release.name for release in matrix.releases()} | {"Windows Server 2008"}
    for group in matrix.groups():
        assert {*group.hosted_on, *group.activates} <= known
    for update in matrix.updates():
        assert {update.host, update.client} <= known


def test_a_table_of_the_user_extends_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "windows_releases.csv").write_text(
        "release,kind,builds,edition_ids\nWindows Server 2028,server,30000,\nWindows 12,client,30000+,\n"
    )
    (tmp_path / "kms_host_matrix.csv").write_text(
        "csvlk_group,description_token,hosted_on,activates\n"
        "Windows Server 2028,VOLUME_KMS_WS28,Windows Server 2028,Windows Server 2028|Windows 12\n"
    )
    with tables.extended_by(str(tmp_path)):
        assert matrix.release_of(build=30000, kind="server", editions=[]) == "Windows Server 2028"
        assert matrix.release_of(build=30001, kind="client", editions=["Enterprise"]) == "Windows 12"
        assert matrix.release_of(build=26100, kind="client", editions=["Enterprise"]) == "Windows 11"
        assert matrix.covers(matrix.group_of("x, VOLUME_KMS_WS28 channel"), "Windows 12") == "yes"
        assert matrix.covers(matrix.group_named("Windows Server 2025"), "Windows 12") == "no"
    assert matrix.release_of(build=30000, kind="server", editions=[]) is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("windows_releases", "release,kind,builds,edition_ids\nX,phone,1,\n", "column kind: 'phone'"),
        ("kms_host_updates", "host,activates,update,revision\nA,B,5034765,\n", "column update"),
        ("kms_host_matrix", "csvlk_group,description_token,hosted_on\nA,VOLUME_KMS_A,B\n", "no column activates"),
    ],
)
def test_a_table_of_the_user_is_checked(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(InvalidOption, match=says), tables.extended_by(str(tmp_path)):
        raise AssertionError("the table must be refused")
