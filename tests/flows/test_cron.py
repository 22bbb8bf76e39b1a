"""Schedules: what fires, and what is told."""

import re

import pytest

from flows.cron import checked_schedule
from tasks.errors import RequestError


def test_a_night_in_a_time_zone() -> None:
    schedule = checked_schedule("0 1 * * *", "Europe/Berlin")
    assert (schedule.cron, schedule.timezone) == ("0 1 * * *", "Europe/Berlin")
    assert checked_schedule("*/5 22-23 * * mon-fri").timezone


@pytest.mark.parametrize(
    ("cron", "timezone", "sentence"),
    [
        ("nightly", None, "five fields are needed, and it has 1"),
        ("0 1 * * * *", None, "five fields are needed, and it has 6"),
        ("61 1 * * *", None, "bad minute"),
        ("0 0 30 2 *", None, "bad day-of-month"),
        ("0 1 * * *", "Mars/Olympus", "--timezone Mars/Olympus: there is no such time zone"),
        ("0 1 * * *", "../../etc/passwd", "there is no such time zone"),
    ],
)
def test_what_is_no_schedule_is_told(cron: str, timezone: str | None, sentence: str) -> None:
    with pytest.raises(RequestError, match=re.escape(sentence)):
        checked_schedule(cron, timezone)
