"""A cheap subset of benchmarks/planted_starts.py: no spoiled start costs a tile a tenth of a decibel."""

import pytest

from benchmarks.planted_starts import WORSE, photographs, planted, through_default


@pytest.mark.parametrize("kind", ["takes nothing", "one number not finite"])
def test_a_spoiled_start_spoils_no_tile(kind: str) -> None:
    (sample,) = photographs(1, side=128)
    for tile in through_default(sample, planted(kind)):
        assert tile.gain > -WORSE
