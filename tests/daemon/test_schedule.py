"""Schedules mean what Debian's cron means by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from imagebot.daemon.schedule import Schedule
from imagebot.errors import UsageError

MONDAY = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 * * 0", "2026-11-29 00:00"),
        ("0 0 * * 7", "2026-11-29 00:00"),
        ("0 0 * * 1", "2026-11-30 00:00"),
        ("0 0 * * 1-5", "2026-11-24 00:00"),
        ("0 0 * * SUN", "2026-11-29 00:00"),
        ("0 9 * * THU", "2026-11-26 09:00"),
        ("0 9 * MAR-MAY MON-THU", "2027-03-01 09:00"),
        ("every 90 min", "2026-11-23 14:00"),
        ("every 1 day", "2026-11-24 12:30"),
        ("0 0 13 * FRI", "2026-11-27 00:00"),
        ("*/15 * * * *", "2026-11-23 12:45"),
        ("0 0 1 1 *", "2027-01-01 00:00"),
        ("every 10m", "2026-11-23 12:40"),
        ("every 2 hours", "2026-11-23 14:30"),
    ],
)
def test_the_next_run_is_the_one_cron_would_start(text: str, expected: str) -> None:
    """Numeric weekdays count from Sunday, 7 is Sunday, and two day fields are joined by OR."""
    following = Schedule(text).next_after(MONDAY)

    assert following is not None
    assert f"{following:%Y-%m-%d %H:%M}" == expected


def test_a_time_that_summer_time_repeats_runs_once() -> None:
    """02:30 exists twice in Berlin on the last Sunday of October; the job runs once."""
    schedule = Schedule("30 2 * * *", zone="Europe/Berlin")
    first = schedule.next_after(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first is not None
    second = schedule.next_after(first)

    assert second is not None
    assert second - first > timedelta(hours=20)


def test_a_time_that_summer_time_skips_still_runs() -> None:
    """02:30 does not exist in Berlin on the last Sunday of March; the job runs at 03:00."""
    schedule = Schedule("30 2 * * *", zone="Europe/Berlin")
    following = schedule.next_after(datetime(2026, 3, 28, 12, tzinfo=UTC))

    assert following is not None
    assert following.astimezone(UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_h_is_stable_for_a_name_and_differs_between_names() -> None:
    """`H` spreads jobs over the hour, the same way in every process."""
    minutes = {name: Schedule("H * * * *", name=name)._cron for name in "abcdefgh"}

    assert minutes == {name: Schedule("@hourly", name=name)._cron for name in "abcdefgh"}
    assert len(set(minutes.values())) > 3


def test_h_with_a_step_covers_the_hour() -> None:
    """`H/20` gives three minutes, twenty apart."""
    minutes = [int(m) for m in Schedule("H/20 * * * *", name="x")._cron.split()[0].split(",")]

    assert len(minutes) == 3
    assert {b - a for a, b in pairwise(minutes)} == {20}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "61 * * * *",
        "@never",
        "every 1s",
        "every m",
        "every 2 months",
        "every 30 sundays",
        "every 999999d",
        "every 99999999999999999d",
        "0 0 31 2 *",
        "* * * * 8",
        "H(50-70) * * * *",
        "H(30-20) * * * *",
        "H/90 * * * *",
        "H/0 * * * *",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    """A schedule that cannot be read, or can never come, is a usage error at start."""
    with pytest.raises(UsageError):
        Schedule(text)


def test_an_unknown_time_zone_is_refused() -> None:
    """A misspelt zone does not silently become UTC."""
    with pytest.raises(UsageError, match="time zone"):
        Schedule("* * * * *", zone="Europe/Berlino")


def test_missed_times_are_found_from_the_previous_run() -> None:
    """APScheduler must see the first missed time, so that it can coalesce the rest."""
    schedule = Schedule("0 * * * *")

    fire = schedule.get_next_fire_time(MONDAY - timedelta(hours=5), MONDAY)

    assert fire == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_jitter_only_delays() -> None:
    """A jittered run is never early and never later than the jitter allows."""
    schedule = Schedule("0 * * * *", jitter=60)

    delays = [
        schedule.get_next_fire_time(None, MONDAY) - datetime(2026, 11, 23, 13, tzinfo=UTC)
        for _ in range(50)
    ]  # type: ignore[operator]

    assert all(timedelta(0) <= delay <= timedelta(seconds=60) for delay in delays)
    assert len(set(delays)) > 1
