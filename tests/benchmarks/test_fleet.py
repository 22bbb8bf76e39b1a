"""The simulated cluster adds up where the answer is known."""

from dataclasses import replace

import pytest

from benchmarks.fleet import Parts, simulated

FREE = Parts(hand_out=0, read=0, written=0, published=0, fit=10, spread=0, moved=0, storage=1)


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_with_nothing_but_fits_the_devices_are_always_busy(workers: int) -> None:
    night = simulated(FREE, workers, inputs=8, lots_each=workers)
    assert night.seconds == pytest.approx(80)
    assert night.busy == pytest.approx(1)


def test_reading_and_writing_hide_behind_the_fits_but_for_the_first_and_the_last() -> None:
    night = simulated(replace(FREE, read=3, written=4), 1, inputs=1, lots_each=20)
    assert night.seconds == pytest.approx(200 + 3 + 4)


def test_they_do_not_where_they_take_longer() -> None:
    night = simulated(replace(FREE, read=30, written=0), 1, inputs=1, lots_each=20)
    assert night.seconds == pytest.approx(10 * (30 + 10) + 10)  # two slots, half a cycle apart


def test_a_storage_that_all_share_is_the_limit_of_many() -> None:
    slow = replace(FREE, moved=200, storage=100.0)
    assert simulated(slow, 64, inputs=64, lots_each=4).seconds >= 256 * 200 / 100
    assert simulated(slow, 2, inputs=64, lots_each=4).busy > 0.95


def test_handing_out_is_the_limit_of_very_many() -> None:
    night = simulated(replace(FREE, hand_out=1), 64, inputs=64, lots_each=4)
    assert night.seconds == pytest.approx(256 + 10)
    assert night.handing == pytest.approx(256 / 266)


def test_publishing_takes_a_slot_and_no_device() -> None:
    night = simulated(replace(FREE, published=2), 1, inputs=2, lots_each=5)
    assert night.seconds == pytest.approx(100 + 10)  # only the last input's is not hidden
