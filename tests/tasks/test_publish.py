"""Publishing: identity in and identity out, killed anywhere the same, torn shards found, memory bounded."""

import dataclasses
import os
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import zarr
from contracts.publishing import digest, grid_of, image, restored, source
from contracts.tile_grid import grids
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.publish import publish_input
from tasks.stores import disk
from tasks.stores.encoding import axis_names
from tasks.stores.pixels import finished
from tasks.stores.place import Place
from tasks.stores.shards import TornShard, work_array
from tasks.stores.showing import published_facts, published_key, recover
from tasks.tiling import AXES

ROOT = Path(__file__).parents[2]
IMAGES = {"ngff": "0", "geo": "image"}
ROOTS = {"ngff": "zarr.json", "geo": ".zgroup"}


class Killed(BaseException):
    """As if the process had been killed: nothing catches it."""


@pytest.fixture(params=["local", "memory"])
def top(request, tmp_path):
    """Folder of a collection."""
    return Place(str(tmp_path / "liver")) if request.param == "local" else Place(f"memory://{uuid.uuid4().hex}/liver")


def level(place, name="a", number="0"):
    """A published array."""
    return zarr.open_array((place / f"{name}.zarr").store(), path=number, mode="r")


def scene(shape=(60, 100), dtype="uint16", dims=("y", "x"), **attrs):
    """A small input."""
    return source(image(shape, dtype), dims, **attrs)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("dims", [("y", "x"), ("c", "y", "x"), ("z", "y", "x"), ("t", "c", "z", "y", "x")])
@pytest.mark.parametrize(("ramp", "layout"), [(0, "ngff"), (4, "ngff"), (4, "geo")])
def test_identity_in_identity_out(monkeypatch, dtype, dims, ramp, layout):
    monkeypatch.setattr("tasks.stores.image_facts.SCENE_CHUNK", 32)
    top = Place(f"memory://{uuid.uuid4().hex}")
    sizes = {"t": 2, "c": 3, "z": 3, "y": 61, "x": 103}
    opened = scene(tuple(sizes[axis] for axis in dims), dtype, dims, layout=layout)
    done = publish_input(restored(opened, grid_of(opened, ramp=ramp), top))
    found = level(top, number=IMAGES[layout])
    assert found.dtype == opened.dtype
    assert axis_names(found) == tuple("band" if (axis, layout) == ("c", "geo") else axis for axis in dims)
    if dtype == "float32":
        np.testing.assert_allclose(found[:], opened.values, rtol=1e-6)
    else:
        np.testing.assert_array_equal(found[:], opened.values)
    assert set(done.clipped.values()) == {0}
    assert len(done.clipped) == sizes["c"] if "c" in dims else 1
    assert done.bytes_written == (top / "a.zarr").size() > 0


@given(grid=grids(), dtype=st.sampled_from(["uint8", "uint16", "int16"]), chunk=st.sampled_from([16, 32, 100]))
@settings(max_examples=12, deadline=None)
def test_identity_of_any_grid(grid, dtype, chunk):
    opened = scene(grid.shape, dtype, AXES)
    top = Place(f"memory://{uuid.uuid4().hex}")
    publish_input(restored(opened, grid, top, chunk=chunk))
    np.testing.assert_array_equal(level(top)[:], opened.values)


def test_blocks_that_do_not_fit_the_work_shards(top, monkeypatch):
    monkeypatch.setattr("tasks.stores.image_facts.SHARD_SIDE", 64)
    opened = scene((150, 201))
    publish_input(restored(opened, grid_of(opened, shard=48), top))
    assert level(top).shards == (64, 64)
    np.testing.assert_array_equal(level(top)[:], opened.values)


def test_int32_beyond_what_float32_can_count_is_kept_within_its_precision(top):
    opened = scene((40, 40), "int32")
    publish_input(restored(opened, grid_of(opened), top))
    np.testing.assert_allclose(level(top)[:], opened.values, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "change"), [("uint8", 100), ("int16", -20_000), ("uint16", 70_000)])
def test_clipped_pixels_are_counted_per_channel(top, dtype, change):
    opened = scene((2, 40, 50), dtype, ("c", "y", "x"))
    opened.values[1] = 7
    done = publish_input(restored(opened, grid_of(opened), top, change))
    wanted = opened.values.astype(np.int64) + change
    limits = np.iinfo(dtype)
    np.testing.assert_array_equal(level(top)[:], np.clip(wanted, limits.min, limits.max))
    outside = ((wanted < limits.min) | (wanted > limits.max)).sum(axis=(1, 2))
    assert done.clipped == {"band 0": outside[0], "band 1": outside[1]}
    assert published_facts(top, "a")["clipped"] == done.clipped


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int16", "float16"])
def test_the_ends_of_a_type_are_reached_and_not_passed(dtype):
    limits = np.finfo(dtype) if dtype == "float16" else np.iinfo(dtype)
    values = np.array([-3e38, float(limits.min), 0, 3e38], np.float32).reshape(1, 2, 1, 1, 2)
    pixels, clipped = finished(values, np.dtype(dtype), lambda: values)
    assert pixels.ravel().tolist()[:3] == [limits.min, limits.min, 0]
    assert pixels.ravel()[3] == pytest.approx(float(limits.max), rel=1e-6)
    assert clipped.tolist() == [1, 1]


def test_halves_are_rounded_to_even(top):
    opened = source(np.array([[1, 2, 3, 4]], np.uint8), ("y", "x"))
    publish_input(restored(opened, grid_of(opened), top, 0.5))
    assert level(top)[:].tolist() == [[2, 2, 4, 4]]


def test_float_output_of_an_integer_input(top):
    opened = scene((40, 50), "uint16", nodata=3)
    opened.values[5:9, 7:20] = 3
    publish_input(restored(opened, grid_of(opened), top, 0.25, dtype="float32"))
    expected = opened.values + np.where(opened.values == 3, 0, 0.25)
    assert level(top).dtype == np.float32
    np.testing.assert_allclose(level(top)[:], expected, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -999), ("float32", np.nan), ("float32", -9999.0)])
def test_pixels_that_were_not_measured_come_from_the_source(top, monkeypatch, dtype, nodata):
    monkeypatch.setattr("tasks.stores.image_facts.SHARD_SIDE", 32)
    pixels = np.clip(image((3, 70, 90), dtype), -900, 900)
    gap = np.zeros((70, 90), bool)
    gap[10:40, 20:60] = True
    pixels[0, gap] = nodata
    opened = source(pixels, ("c", "y", "x"), nodata=nodata)
    publish_input(restored(opened, grid_of(opened), top, 2))
    np.testing.assert_allclose(level(top)[:], np.where(gap, pixels, pixels + 2), rtol=1e-6 if dtype == "float32" else 0)


def test_the_source_is_read_only_where_something_is_missing(top):
    opened = scene((40, 50))
    job = restored(opened, grid_of(opened), top)

    def unread(_):
        raise AssertionError

    publish_input(dataclasses.replace(job, read_source=unread))
    assert published_key(top, "a") == "key"


@pytest.mark.parametrize("joint", [True, False])
def test_the_verdict_map_has_the_code_of_the_tile_that_owns_a_pixel(top, joint):
    opened = scene((2, 3, 300, 260), "uint8", ("c", "z", "y", "x"))
    grid = grid_of(opened, tile=48, shard=144, joint=joint)
    job = restored(opened, grid, top)
    publish_input(job)
    found = level(top, number="labels/verdict/0")[:]
    assert found.shape == (1 if joint else 2, 3, 300, 260)
    for tile in range(grid.tiles):
        core = grid.tile_core(tile)
        box = (slice(0, 1) if joint else core.slices[1], *core.slices[2:])
        assert (found[box] == job.verdicts[tile]).all()
    np.testing.assert_array_equal(level(top, number="labels/verdict/1")[:], found[..., ::2, ::2])


def test_nothing_is_done_twice(top, monkeypatch):
    opened = scene()
    job = restored(opened, grid_of(opened), top)
    first = publish_input(job)
    before = digest(top)
    job.work.remove("shards")
    monkeypatch.setattr(Place, "write", None)
    assert publish_input(job) == first
    assert digest(top) == before


@pytest.mark.parametrize("layout", ["ngff", "geo"])
def test_publishing_elsewhere_gives_the_same_bytes(tmp_path, layout):
    opened = scene(layout=layout)
    for folder in ("one", "two"):
        publish_input(restored(opened, grid_of(opened), Place(str(tmp_path / folder))))
    assert digest(Place(str(tmp_path / "one"))) == digest(Place(str(tmp_path / "two")))


def test_inputs_whose_arrays_bear_one_name_lie_apart(top):
    opened = {
        name: source(image((40, 50), "uint8", seed), ("y", "x")) for seed, name in enumerate(("0", "plate/0", "plate"))
    }
    for name, each in opened.items():
        publish_input(restored(each, grid_of(each), top, name=name))
    for name, each in opened.items():
        np.testing.assert_array_equal(level(top, name)[:], each.values)


def test_a_torn_shard_is_found_and_nothing_is_shown(top):
    opened = scene()
    grid = grid_of(opened, shard=64)
    assert grid.shards == 2
    for shard in range(grid.shards):
        job = restored(opened, grid, top)
        place = work_array(job.work, "a")
        name = f"c/{shard}/0/0/0/0/0"
        data = place.read(name)
        for bad in (data[: len(data) // 2], data[:50] + b"?" + data[51:], None):
            place.remove(name) if bad is None else place.write(name, bad)
            with pytest.raises(TornShard) as caught:
                publish_input(job)
            assert caught.value.shard == shard
            assert published_key(top, "a") is None
        place.write(name, data)
    publish_input(job)
    np.testing.assert_array_equal(level(top)[:], opened.values)


def test_a_shard_without_a_record_is_torn(top):
    opened = scene()
    job = restored(opened, grid_of(opened), top)
    with pytest.raises(TornShard):
        publish_input(dataclasses.replace(job, checksums={0: job.checksums[0]}))


@pytest.mark.parametrize("layout", ["ngff", "geo"])
@pytest.mark.parametrize(
    ("root", "text"),
    [
        ("zarr.json", b'{"attributes": {"ome": {}}}'),
        ("zarr.json", b'{"attributes": ["selfmend"]}'),
        ("zarr.json", b"{"),
        (".zgroup", b'{"zarr_format": 2}'),
        (".zarray", b'{"zarr_format": 2}'),
    ],
)
def test_what_others_made_is_not_replaced(top, layout, root, text):
    (top / "a.zarr").write(root, text)
    opened = scene(layout=layout)
    with pytest.raises(InputError, match="was not made by selfmend"):
        publish_input(restored(opened, grid_of(opened), top))
    assert (top / "a.zarr").names() == [root]


@pytest.mark.parametrize(("before", "after"), [("ngff", "geo"), ("geo", "ngff"), ("geo", "geo")])
def test_an_image_of_ours_is_replaced_whatever_its_layout(top, before, after):
    old, new = scene((30, 40), layout=before), scene((60, 100), layout=after)
    publish_input(restored(old, grid_of(old), top, key="old"))
    publish_input(restored(new, grid_of(new), top))
    assert published_key(top, "a") == "key"
    np.testing.assert_array_equal(level(top, number=IMAGES[after])[:], new.values)
    fresh = Place(f"memory://{uuid.uuid4().hex}")
    publish_input(restored(new, grid_of(new), fresh))
    assert digest(top) == digest(fresh)


def test_provenance_is_json(top):
    opened = scene()
    with pytest.raises(TypeError, match="JSON"):
        publish_input(restored(opened, grid_of(opened), top, provenance={"recipe": object()}))
    assert (top / "a.zarr").names() == top.names(".work/key/made") == []
    publish_input(restored(opened, grid_of(opened), top, provenance={"noise": ({"sigma": float("nan"), "gain": 1.5},)}))
    assert published_facts(top, "a")["noise"] == [{"sigma": None, "gain": 1.5}]


def killing(monkeypatch, after):
    """Let so many writes, moves and removals happen, and none after; counts what was let happen."""
    count = [0]

    def guarded(do):
        def step(*given, **named):
            if count[0] >= after:
                raise Killed
            count[0] += 1
            return do(*given, **named)

        return step

    monkeypatch.setattr(Place, "write", guarded(Place.write))
    monkeypatch.setattr(Place, "remove", guarded(Place.remove))
    monkeypatch.setattr(Place, "move", guarded(Place.move))
    return count


@pytest.mark.parametrize("layout", ["ngff", "geo"])
def test_killed_anywhere_and_started_again_the_same_bytes(top, monkeypatch, layout):
    monkeypatch.setattr(disk, "sync", lambda path: None)  # a process that dies loses nothing that it wrote
    old, opened = scene((30, 40), layout=layout), scene((60, 300), layout=layout)
    grid = grid_of(opened, tile=64, shard=128)
    publish_input(restored(opened, grid, Place(top.uri + "-whole")))
    wanted = digest(Place(top.uri + "-whole"))
    before = restored(old, grid_of(old), top, key="old")
    job = restored(opened, grid, top)
    publish_input(before)
    shown = digest(top)
    for after in range(1000):
        with monkeypatch.context() as patched:
            count = killing(patched, after)
            try:
                publish_input(job)
            except Killed:
                finished = False
            else:
                finished = True
        if published_key(top, "a") is not None or (top.local and (top / "a.zarr").exists()):
            assert digest(top) in (shown, wanted)
        publish_input(job)
        assert digest(top) == wanted
        assert job.work.names("made") == job.work.names("old") == []
        if finished:
            break
        (top / "a.zarr").remove()
        publish_input(before)
        assert digest(top) == shown
    assert count[0] > 10
    np.testing.assert_array_equal(level(top, number=IMAGES[layout])[:], opened.values)


@pytest.mark.parametrize("layout", ["ngff", "geo"])
def test_the_old_image_stays_readable_until_the_new_one_is_complete(tmp_path, monkeypatch, layout):
    top = Place(str(tmp_path))
    old, new = scene((30, 40), layout=layout), scene((60, 100), layout=layout)
    publish_input(restored(old, grid_of(old), top, key="old"))
    job = restored(new, grid_of(new), top)
    write, seen = Place.write, []

    def watched(place, name, data, lasting=True):
        seen.append(name)
        np.testing.assert_array_equal(level(top, number=IMAGES[layout])[:], old.values)
        assert published_key(top, "a") == "old"
        write(place, name, data, lasting)

    monkeypatch.setattr(Place, "write", watched)
    publish_input(job)
    assert seen[-1] == ROOTS[layout]
    np.testing.assert_array_equal(level(top, number=IMAGES[layout])[:], new.values)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells the name behind a handle")
def test_all_of_an_image_is_durable_before_its_root_says_that_it_is_there(tmp_path, monkeypatch):
    top, opened = Place(str(tmp_path)), scene((60, 100))
    write, sync, synced, before = Place.write, disk.sync, [], []

    def watched(place, name, data, lasting=True):
        if name == "zarr.json":
            before.extend(place.names())
            assert {f"{place.local}/{each}" for each in before} <= set(synced)
        write(place, name, data, lasting)

    monkeypatch.setattr(disk, "sync", lambda path: (synced.append(str(path)), sync(path)))
    monkeypatch.setattr(Place, "write", watched)
    publish_input(restored(opened, grid_of(opened), top))
    assert len(before) > 4


def test_after_a_death_between_the_two_renames_an_image_is_visible_again(tmp_path, monkeypatch):
    top = Place(str(tmp_path))
    old, new = scene((30, 40)), scene((60, 100))
    publish_input(restored(old, grid_of(old), top, key="old"))
    job = restored(new, grid_of(new), top)
    move, moves = Place.move, []

    def dying(place, to):
        moves.append(to)
        if len(moves) == 3:  # made, the old one away, and now into its place
            raise Killed
        move(place, to)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "move", dying)
        with pytest.raises(Killed):
            publish_input(job)
    assert published_key(top, "a") is None
    recover(top, job.work, "a")
    assert published_key(top, "a") == "key"
    np.testing.assert_array_equal(level(top)[:], new.values)


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("where", ["disk", "store"])
def test_two_workers_publish_the_same_image_at_once(tmp_path, monkeypatch, before, where):
    """One was believed dead; it goes on after the other began, and both end well, wherever they meet."""
    top = Place(str(tmp_path / "a")) if where == "disk" else Place(f"memory://{uuid.uuid4().hex}")
    new = scene((60, 100))
    alone = Place(str(tmp_path / "alone"))
    publish_input(restored(new, grid_of(new), alone))
    if before:
        publish_input(restored(scene((130, 140)), grid_of(scene((130, 140))), top, key=before))
    job = restored(new, grid_of(new), top)
    write, seen = Place.write, []

    def meeting(place, name, data, lasting=True):
        seen.append(name)
        if len(seen) == 5:
            publish_input(job)  # from its beginning to its end, while this one has written four objects
        write(place, name, data, lasting)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "write", meeting)
        publish_input(job)
    assert len(seen) > 8
    assert digest(top) == digest(alone)
    assert job.work.names("made") == job.work.names("old") == job.work.names("building") == []


def test_what_is_half_removed_is_never_shown_again(tmp_path, monkeypatch):
    top = Place(str(tmp_path))
    old, new = scene((30, 40)), scene((60, 100))
    publish_input(restored(old, grid_of(old), top, key="old"))
    job = restored(new, grid_of(new), top)
    remove = Place.remove

    def dying(place, name=""):
        if place.uri.endswith("old/a.zarr") and not name and place.exists():
            remove(place, "0")
            raise Killed
        remove(place, name)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "remove", dying)
        with pytest.raises(Killed):
            publish_input(job)
    assert published_key(top, "a") == "key"
    (top / "a.zarr").remove()  # a user, who did not like it
    recover(top, job.work, "a")
    assert not (top / "a.zarr").exists()
    assert job.work.names("old") == []


@pytest.mark.parametrize("layout", ["ngff", "geo"])
def test_an_object_store_shows_nothing_before_all_is_there(monkeypatch, layout):
    top = Place(f"memory://{uuid.uuid4().hex}")
    opened = scene(layout=layout)
    job = restored(opened, grid_of(opened), top)
    write, names = Place.write, []

    def watched(place, name, data, lasting=True):
        assert published_key(top, "a") is None
        with pytest.raises(FileNotFoundError):
            zarr.open_group((top / "a.zarr").store(), mode="r")
        names.append(name)
        write(place, name, data, lasting)

    monkeypatch.setattr(Place, "write", watched)
    publish_input(job)
    zarr.open_group((top / "a.zarr").store(), mode="r")
    assert names[-1] == ROOTS[layout]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("layout", ["ngff", "geo"])
def test_no_time_and_no_place_stand_in_the_image(tmp_path, layout):
    top = Place(str(tmp_path))
    opened = scene(layout=layout)
    publish_input(restored(opened, grid_of(opened), top))
    documents = [name for name in (top / "a.zarr").names() if name.rpartition("/")[2].startswith((".z", "zarr."))]
    assert len(documents) > 4
    for name in documents:
        text = (top / "a.zarr").read(name).decode()
        assert str(tmp_path) not in text
        assert "20" + "2" not in text
    said = {"recipe": "identity", "key": "key", "clipped": {"0": 0}}
    assert published_facts(top, "a") == said
    for consolidated in [None, False]:
        group = zarr.open_group((top / "a.zarr").store(), mode="r", use_consolidated=consolidated)
        assert group.attrs["selfmend"] == said


@pytest.mark.slow
def test_memory_does_not_grow_with_the_image(tmp_path):
    peaks = []
    for rows in (2048, 20480):
        code = f"from publish_large import peak; print(peak({str(tmp_path / str(rows))!r}, {rows}))"
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "contracts")])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout) / 2**20)
    assert peaks[1] < peaks[0] + 40, f"{peaks[0]:.0f} -> {peaks[1]:.0f} MiB"
