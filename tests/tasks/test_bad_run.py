"""What a run with too many bad tiles says: which, and where to look."""

from pathlib import Path

import pytest
from contracts.finished import keep, row, summarised

from tasks.report.table import bad_tiles
from tasks.stores.place import Place
from tasks.summary import NAMED, BadRun

SUSPECT, FAILED = 2, 3


@pytest.fixture
def out(tmp_path: Path) -> Place:
    """Three inputs in two files of rows: forty suspect tiles, two failed ones, one good."""
    place = Place(str(tmp_path / "liver"))
    keep(place, [row("a", tile, code=SUSPECT) for tile in range(40)], file="1")
    keep(place, [row("b", 3, code=FAILED), row("c", 0, code=1), row("c", 9, code=FAILED)], file="2")
    return place


def test_failed_tiles_come_first_and_the_list_is_cut(out: Place) -> None:
    found = bad_tiles(out, 5)
    assert [(each["input"], each["tile"], each["verdict"]) for each in found] == [
        ("b", 3, "failed"), ("c", 9, "failed"), *(("a", tile, "suspect") for tile in range(3)),
    ]  # fmt: skip
    assert len(bad_tiles(out, 1000)) == 42
    assert all(each["reason"] for each in found)


def test_a_failed_run_names_its_tiles_and_the_report(out: Place) -> None:
    summary = summarised(out, {"good": 1, "suspect": 40, "failed": 2})
    told = str(BadRun(summary, bad_tiles(out, 200)))
    assert "97.7% of the tiles are suspect or failed, allowed are 5.0%" in told
    assert "Look first at tile 3 of 'b' (failed: " in told
    assert told.count("tile ") == NAMED
    assert told.endswith(f"See {out.uri}/report.html.")


def test_few_enough_bad_tiles_are_not_named_where_an_input_failed(out: Place) -> None:
    summary = summarised(out, {"good": 99, "suspect": 1}, failed={"d": "it is truncated"})
    told = str(BadRun(summary, bad_tiles(out, 200)))
    assert "1 input failed, first 'd': it is truncated" in told
    assert "Look first" not in told


def test_a_collection_without_rows_has_no_bad_tiles(tmp_path: Path) -> None:
    assert bad_tiles(Place(str(tmp_path)), 10) == []
