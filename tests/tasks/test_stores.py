"""The work array: one object per shard, whole shards only, margins readable alone, torn objects found."""

import hashlib
import json
import os
import pickle
import uuid
from pathlib import Path

import numpy as np
import pytest
from contracts.tile_grid import grids
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.stores import disk
from tasks.stores.encoding import open_stored, shard_objects
from tasks.stores.place import Place
from tasks.stores.shards import (
    TornShard,
    check_shard,
    create_work,
    read_part,
    shard_checksum,
    sync_shards,
    work_array,
    write_shard,
)
from tasks.tiling import Box, TileGrid

GRID = TileGrid((1, 2, 1, 75, 90), (1, 2, 1, 16, 16), (0, 0, 0, 6, 6), (0, 0, 0, 4, 4), (1, 2, 1, 32, 48))


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    """A work array of GRID, without shards."""
    top = Place(str(tmp_path)) if request.param == "local" else Place(f"memory://{uuid.uuid4().hex}")
    made = work_array(top, "plate/0")
    create_work(made, GRID)
    return made


def pixels(grid, shard):
    """Different values everywhere."""
    shape = grid.shard_box(shard).shape
    return np.random.default_rng(shard).normal(size=shape).astype(np.float32)


def test_a_shard_is_one_object_and_comes_back(place):
    sums = {shard: write_shard(place, GRID, shard, pixels(GRID, shard)) for shard in range(GRID.shards)}
    assert place.names() == sorted(["zarr.json", *(f"c/{shard}/0/0/0/0/0" for shard in range(GRID.shards))])
    array = open_stored(place)
    for shard in range(GRID.shards):
        assert sums[shard] == hashlib.sha256(place.read(f"c/{shard}/0/0/0/0/0")).hexdigest()
        assert sums[shard] == shard_checksum(place, shard)
        part = read_part(array, GRID, shard, GRID.shard_box(shard))
        np.testing.assert_array_equal(part, pixels(GRID, shard))


@given(grid=grids(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_part_of_any_shard_comes_back(grid, data):
    place = Place(f"memory://{uuid.uuid4().hex}")
    create_work(place, grid)
    shard = data.draw(st.integers(0, grid.shards - 1))
    box = grid.shard_box(shard)
    write_shard(place, grid, shard, pixels(grid, shard))
    start = [data.draw(st.integers(a, b - 1)) for a, b in zip(box.start, box.stop, strict=True)]
    stop = [data.draw(st.integers(a + 1, b)) for a, b in zip(start, box.stop, strict=True)]
    part = Box(tuple(start), tuple(stop))
    found = read_part(open_stored(place), grid, shard, part)
    np.testing.assert_array_equal(found, pixels(grid, shard)[part.within(box)])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_empty_shard_is_stored_too(place, value):
    write_shard(place, GRID, 0, np.full(GRID.shard_box(0).shape, value, np.float32))
    assert shard_checksum(place, 0) is not None
    assert shard_checksum(place, 1) is None


def test_the_same_shard_twice_is_the_same_bytes_even_over_a_torn_one(place):
    first = write_shard(place, GRID, 1, pixels(GRID, 1))
    place.write("c/1/0/0/0/0/0", b"torn")
    assert write_shard(place, GRID, 1, pixels(GRID, 1)) == first == shard_checksum(place, 1)


def test_making_it_twice_leaves_the_shards(place):
    write_shard(place, GRID, 0, pixels(GRID, 0))
    before = place.read("zarr.json")
    create_work(place, GRID)
    assert place.read("zarr.json") == before
    assert shard_checksum(place, 0)


def test_a_work_array_of_another_grid_is_refused(place):
    other = TileGrid((1, 1, 1, 9, 9), (1, 1, 1, 9, 9), (0,) * 5, (0,) * 5, (1, 1, 1, 9, 9))
    with pytest.raises(ValueError, match="made for another grid"):
        create_work(place, other)


@pytest.mark.parametrize(
    "wrong", [np.zeros(GRID.shard_core(1).shape, np.float32), np.zeros(GRID.shard_box(1).shape, np.float64)]
)
def test_what_is_not_one_whole_shard_is_refused(place, wrong):
    with pytest.raises(ValueError, match="whole shards only"):
        write_shard(place, GRID, 1, wrong)
    assert place.names() == ["zarr.json"]


def test_pixels_across_shards_are_refused():
    document = {
        "zarr_format": 3, "node_type": "array", "shape": [100], "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [32]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes"}], "attributes": {},
    }  # fmt: skip
    text = json.dumps(document).encode()
    assert shard_objects(text, (slice(96, 100),), np.ones(4, np.uint8), False).keys() == {"c/3"}
    assert shard_objects(text, (slice(0, 32),), np.zeros(32, np.uint8), False) == {}
    assert shard_objects(text, (slice(0, 32),), np.zeros(32, np.uint8), True).keys() == {"c/0"}
    for at in (slice(0, 16), slice(16, 32), slice(16, 100), slice(32, 99)):
        with pytest.raises(ValueError, match="write whole shards only"):
            shard_objects(text, (at,), np.ones(at.stop - at.start, np.uint8), False)
    with pytest.raises(ValueError, match="cannot hold"):
        shard_objects(text, (slice(0, 32),), np.ones(31, np.uint8), False)
    with pytest.raises(ValueError, match="cannot hold"):
        shard_objects(text, (slice(0, 32),), np.ones(32, np.uint16), False)


def test_torn_missing_and_unrecorded_shards_are_found(place):
    good = write_shard(place, GRID, 0, pixels(GRID, 0))
    check_shard(place, 0, good)
    data = place.read("c/0/0/0/0/0/0")
    for bad in (data[:-1], b"", data[:100] + bytes([data[100] ^ 1]) + data[101:]):
        place.write("c/0/0/0/0/0/0", bad)
        with pytest.raises(TornShard, match=r"Shard 0 at .*done again") as caught:
            check_shard(place, 0, good)
        assert caught.value.shard == 0
        assert pickle.loads(pickle.dumps(caught.value)).shard == 0
    place.write("c/0/0/0/0/0/0", data)
    check_shard(place, 0, good)
    with pytest.raises(TornShard):
        check_shard(place, 0, None)
    with pytest.raises(TornShard):
        check_shard(place, 1, good)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells the name behind a handle")
def test_shards_wait_for_the_disk_together_with_all_that_names_them(tmp_path, monkeypatch):
    work = Place(str(tmp_path / "work"))
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        disk.os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    for name in ("a", "plate/b"):
        create_work(work_array(work, name), GRID)
        write_shard(work_array(work, name), GRID, 1, pixels(GRID, 1))
    assert synced == []
    sync_shards(work, [("a", 1), ("plate/b", 1)])
    files = {tmp_path / "work" / name for name in work.names()}
    assert len(files) == 4
    assert (
        set(map(Path, synced))
        == {folder for file in files for folder in file.parents if folder.is_relative_to(tmp_path)} | files
    )


def test_half_a_document_after_a_power_cut_is_written_again(tmp_path):
    place = work_array(Place(str(tmp_path)), "a")
    place.write("zarr.json", b"")
    create_work(place, GRID)
    write_shard(place, GRID, 0, pixels(GRID, 0))
    np.testing.assert_array_equal(open_stored(place).shape[0], GRID.shards)


def test_work_arrays_of_two_inputs_lie_apart():
    work = Place("/out/.work/key")
    assert work_array(work, "0").uri == "/out/.work/key/shards/0.zarr"
    assert work_array(work, "plate/0").uri == "/out/.work/key/shards/plate/0.zarr"
