"""Limits of a run: what they mean, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.errors import RequestError
from tasks.limits import Limits, make_limits


@pytest.mark.parametrize(("clock", "day"), [("07:00", 28), ("23:30", 27), ("12:00", 28)])
def test_a_clock_time_is_the_next_one(clock: str, day: int) -> None:
    noon = datetime(2026, 11, 27, 12, 0).astimezone()
    moment = Limits(until=clock).deadline(noon)
    assert moment is not None
    assert (moment.day, moment.strftime("%H:%M")) == (day, clock)
    assert moment.tzinfo is not None


def test_an_iso_time_keeps_its_zone_and_a_settled_one_its_moment() -> None:
    late = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    assert Limits(until=late).deadline() == datetime.fromisoformat(late)
    settled = Limits(until="07:00").settled()
    assert settled.deadline(datetime.now().astimezone() + timedelta(days=9)) == Limits(until="07:00").deadline()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"until": "seven"}, "'seven' is no time"),
        ({"until": "25:00"}, "'25:00' is no time"),
        ({"until": "2020-01-01T07:00"}, "has passed"),
        ({"inputs": 0}, "--limit 0 leaves nothing"),
        ({"hours": -1}, "'hours'"),
        ({"hours": float("nan")}, "'hours'"),
        ({"quiet": -5}, "'quiet'"),
        ({"untill": "07:00"}, "Did you mean 'until'?"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence.replace("?", r"\?")):
        make_limits(**given)
