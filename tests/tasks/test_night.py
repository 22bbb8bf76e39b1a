"""What a night may still take, and what it says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import RequestError
from tasks.limits import Limits
from tasks.night import BadNight, Night, Row, asked_for, failed_row, left_row, remaining
from tasks.stores.place import Place

SPENT = Row("a", inputs=4, broken={"x": "torn"}, device_seconds=1800.0)


def test_what_is_left_of_the_limits_is_the_next_collections() -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    left = remaining(Limits(hours=2, inputs=8, until=later), [SPENT, SPENT][:1], quiet=60)
    assert left == Limits(hours=1.5, inputs=3, until=later, quiet=60)
    assert remaining(Limits(quiet=5), [SPENT], quiet=60) == Limits(quiet=5)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(hours=0.5), "hours"),
        (Limits(inputs=5), "inputs"),
        (Limits(until=datetime.now(UTC).isoformat()), "deadline"),
    ],
)
def test_a_limit_that_is_used_up_ends_the_night(limits: Limits, reason: str) -> None:
    assert remaining(limits, [SPENT], quiet=60) == reason


def test_a_night_says_which_failed_and_what_is_late_and_left(tmp_path: Path) -> None:
    rows = (
        Row("alpha", inputs=2, tiles=9, suspect=1, late={"x": "written to 3 s before"}, out="/o/alpha"),
        failed_row("beta", OSError("no\nspace"), 3.0),
        left_row("gamma", "deadline"),
    )
    night = Night(rows, 61.0)
    assert (night.failed, night.stopped) == (("beta",), "deadline")
    assert night.title() == "selfmend: 1 of 3 collections failed"
    for words in ("Failed: beta", "beta failed: no space", "'x' late: written to 3 s before", "not begun", "/o/alpha"):
        assert words in night.text()
    assert "| alpha | 2 | 9 | 1 | 0 | 1 | 0 | 0 | restored |" in night.markdown()
    assert "First 'beta': no space" in str(BadNight(night))
    night.keep(Place(str(tmp_path)))
    assert json.loads((tmp_path / "last_night.json").read_text())["rows"][1]["problem"] == "no space"


def test_collections_get_their_turns_as_asked_for_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text("collections: {b: {title: B, source: b}, a: {title: A, source: a}}")
    assert asked_for(None, str(file)) == ["b", "a"]
    assert asked_for(["a", "b", "a"], str(file)) == ["a", "b"]
    with pytest.raises(RequestError, match="no collection 'c'"):
        asked_for(["c"], str(file))
    with pytest.raises(RequestError, match="no collections restores nothing"):
        asked_for([], str(file))
