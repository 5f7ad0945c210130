# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of a log is asked for, and what becomes of it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimTimedOut
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import Instance
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.reading import (
    APPLICATION_LOG,
    KMS_LOG,
    Window,
    Wish,
    check_number,
    parse_time,
    read_log,
    window_of,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._request_log.fake_log import (
    UTC_NOW,
    FakeLogs,
    processed,
    row,
)

DAY = Window(UTC_NOW, datetime(2026, 3, 1, 8, tzinfo=timezone.utc), None)


def utc(*parts: int) -> datetime:
    year, month, day, hour = (*parts, 0)[:4]
    return datetime(year, month, day, hour, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", utc(2026, 3, 1)),
        ("2026-03-01T08:00:00Z", utc(2026, 3, 1, 8)),
        (" 2026-03-01T08:00:00z ", utc(2026, 3, 1, 8)),
        ("2026-03-01 08:00", utc(2026, 3, 1, 8)),
        ("2026-03-01T08:00:00+02:00", utc(2026, 3, 1, 6)),
        ("2026-03-01 08:00:00+00:00", utc(2026, 3, 1, 8)),
        ("", None),
        (None, None),
    ],
)
def test_times_of_options(text: str | None, expected: datetime | None) -> None:
    assert parse_time("since", text) == expected


@pytest.mark.parametrize("text", ["yesterday", "01.03.2026", "2026-13-01", "Z", "7d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"since: .* ISO 8601"):
        parse_time("since", text)


@pytest.mark.parametrize(("value", "right"), [(0, False), (1, True), (10, True), (11, False), (-1, False)])
def test_numbers_have_limits(value: int, right: bool) -> None:
    if right:
        assert check_number("limit", value, 10) == value
    else:
        with pytest.raises(InvalidOption, match="between 1 and 10"):
            check_number("limit", value, 10)


def test_the_window_ends_by_the_clock_of_the_host() -> None:
    window = window_of(FakeLogs({}), Wish("host", hours=2))
    assert (window.since, window.until, window.now) == (utc(2026, 3, 2, 6), None, UTC_NOW)


def test_a_window_that_is_given() -> None:
    window = window_of(FakeLogs({}), Wish("host", hours=3, until=utc(2026, 2, 1)))
    assert (window.since, window.until) == (utc(2026, 1, 31, 21), utc(2026, 2, 1))
    assert window_of(FakeLogs({}), Wish("host", since=utc(2026, 2, 1))).since == utc(2026, 2, 1)


def test_a_host_without_a_clock() -> None:
    with pytest.raises(LicensingError, match="LocalDateTime"):
        window_of(FakeLogs({}, now=None), Wish("host"))


def test_the_query_is_bounded() -> None:
    session = FakeLogs({KMS_LOG: [], APPLICATION_LOG: []})
    read_log(session, KMS_LOG, (12290,), DAY, limit=10)
    window = Window(UTC_NOW, utc(2026, 3, 1, 8), utc(2026, 3, 1, 9))
    read_log(session, APPLICATION_LOG, (12288, 12289), window, limit=5, of_service=True)
    of_kms, of_application = session.queries
    assert of_kms == (
        "Win32_NTLogEvent",
        "Logfile='Key Management Service' AND EventCode=12290 AND TimeGenerated>='20260301080000.000000+000'",
        11,
    )
    _name, where, limit = of_application
    assert "(EventCode=12288 OR EventCode=12289) AND (SourceName='Microsoft-Windows-Security-SPP' OR " in where
    assert where.endswith("TimeGenerated>='20260301080000.000000+000' AND TimeGenerated<'20260301090000.000000+000'")
    assert limit == 6


def test_events_come_with_the_newest_first_and_in_utc() -> None:
    rows = [row(1, 12290, processed(), minutes_ago=5), row(3, 12290, processed()), row(2, 12290, processed())]
    extract = read_log(FakeLogs({KMS_LOG: rows}), KMS_LOG, (12290,), DAY, limit=3)
    assert [event.record for event in extract.events] == [3, 2, 1]
    assert extract.events[0].time == UTC_NOW and extract.events[0].time.utcoffset() == timezone.utc.utcoffset(None)
    assert not extract.truncated and not extract.oldest_first


def test_more_events_than_the_limit() -> None:
    rows = [row(number, 12290, processed()) for number in (5, 4, 3, 2, 1)]
    extract = read_log(FakeLogs({KMS_LOG: rows}), KMS_LOG, (12290,), DAY, limit=3)
    assert [event.record for event in extract.events] == [5, 4, 3]
    assert extract.truncated and not extract.oldest_first


def test_a_host_that_sends_its_oldest_events_first() -> None:
    rows = [row(number, 12290, processed(), minutes_ago=9 - number) for number in (1, 2, 3, 4, 5)]
    extract = read_log(FakeLogs({KMS_LOG: rows}), KMS_LOG, (12290,), DAY, limit=3)
    assert extract.truncated and extract.oldest_first


def test_a_search_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeLogs({})

    def late(*args: object, **options: object) -> list[Instance]:
        raise CimTimedOut("zu spaet", code=2150858793)

    monkeypatch.setattr(session, "query", late)
    with pytest.raises(LicensingError, match="Key Management Service") as caught:
        read_log(session, KMS_LOG, (12290,), DAY, limit=1)
    assert "hours" in caught.value.info.remedy


def test_what_cannot_be_read_is_kept_as_such() -> None:
    rows = [row(2, 12290, None), row(1, 12290, ["what", "is", "this"])]
    extract = read_log(FakeLogs({KMS_LOG: rows}), KMS_LOG, (12290,), DAY, limit=3)
    assert [event.fields for event in extract.events] == [None, None]
    assert extract.events[0]["code"] is None
