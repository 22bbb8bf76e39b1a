"""Lots and groups: everything once, in order, and few enough task runs for Prefect's server."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.grids import balanced, grid_for
from tasks.lots import GROUPS, groups_of, inputs_of, lots_for, window_for
from tasks.plan import ChannelNoise, InputPlan, Survey
from tasks.recipe import load_recipe
from tasks.tiling import Five

RECIPE = load_recipe("identity")
SURVEY = Survey((0.0,), (1.0,), (ChannelNoise(0.0, 1.0),), "estimate", (0.0,), (1.0,), 1.0, 0.0)


def entry(name: str, shape: Five) -> InputPlan:
    grid = grid_for(shape, RECIPE.restoration(), RECIPE)
    return InputPlan(name, name, "f", "k", ("y", "x"), "uint8", grid, SURVEY, False)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([(1, 1, 1, 50, 60), (1, 1, 1, 5000, 3000), (1, 1, 40, 600, 600)]), max_size=60))
def test_every_shard_is_in_one_lot(shapes: list[Five]) -> None:
    entries = [entry(f"i{number}", shape) for number, shape in enumerate(shapes)]
    lots = lots_for(entries, RECIPE.restoration(), RECIPE, batch=4)
    shards = [(part.input, shard) for lot in lots for part in lot.parts for shard in range(part.first, part.stop)]
    assert shards == [(each.name, shard) for each in entries for shard in range(each.grid.shards)]
    assert sum(lot.tiles for lot in lots) == sum(each.grid.tiles for each in entries)
    assert len({lot.id for lot in lots}) == len(lots)


@pytest.mark.parametrize("count", [1, 3, 119, 121, 1000, 20000])
def test_small_inputs_make_few_task_runs(count: int) -> None:
    one = entry("i", (1, 1, 1, 64, 64))
    alike = [replace(one, name=f"i{number:05d}") for number in range(count)]
    _check_task_runs(lots_for(alike, RECIPE.restoration(), RECIPE, 1))


def test_large_inputs_make_few_task_runs() -> None:
    shapes: list[Five] = [(1, 4, 1, 20000, 20000)] * 3 + [(1, 1, 1, 6000, 6000)] * 500
    lots = lots_for([entry(f"i{n:05d}", shape) for n, shape in enumerate(shapes)], RECIPE.restoration(), RECIPE, 1)
    _check_task_runs(lots)


def _check_task_runs(lots: list) -> None:
    groups = groups_of(lots)
    assert [lot for group in groups for handful in group.handfuls for lot in handful] == lots
    assert len(groups) <= GROUPS
    assert len(groups) + sum(len(group.handfuls) for group in groups) <= 500
    owners = [group.name for group in groups for _ in group.inputs]
    assert len({(name, group.name) for group in groups for name in group.inputs}) == len(owners)
    assert set(inputs_of(lots)) == {name for group in groups for name in group.inputs}


@pytest.mark.parametrize("workers", [1, 2, 64, 200])
@pytest.mark.parametrize("count", [3, 300, 2000, 60000])
def test_no_worker_waits_for_lots(count: int, workers: int) -> None:
    shapes: list[Five] = [(1, 1, 1, 64, 64)]
    groups = groups_of(lots_for([entry("i", shapes[0])], RECIPE.restoration(), RECIPE, 1) * count)
    sizes = [len(handful) for group in groups for handful in group.handfuls]
    under_way = sum(sizes[: window_for(groups, workers)])
    assert under_way >= min(count, 2 * workers)
    assert window_for(groups, 1) == 16  # no more task runs at once than there is need for


@given(st.integers(1, 20000), st.integers(16, 512))
def test_balanced_tiles_leave_no_sliver(length: int, wanted: int) -> None:
    core = balanced(length, wanted)
    count = -(-length // core)
    last = length - (count - 1) * core
    assert core <= 1.5 * wanted + 1
    assert last > 0
    assert count == 1 or last >= core - count
