"""Places: atomic and durable writes, names that stay inside, one run at a time."""

import errno
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tasks.errors import RequestError
from tasks.stores import disk
from tasks.stores.leases import locked
from tasks.stores.place import Place

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    """An empty place of each kind."""
    return Place(str(tmp_path / "out")) if request.param == "local" else Place(f"memory://{uuid.uuid4().hex}/out")


def test_what_is_written_is_read(place):
    place.write("lots/a.parquet", b"one")
    place.write("lots/a.parquet", b"two")
    assert place.read("lots/a.parquet") == b"two"
    assert place.checksum("lots/a.parquet") == hashlib.sha256(b"two").hexdigest()
    assert (place / "lots").read("a.parquet") == b"two"
    assert place.exists("lots/a.parquet")
    assert place.exists("lots")
    assert not place.exists("lots/b.parquet")


def test_names_are_relative_sorted_and_deep(place):
    for name in ("b", "a/2", "a/10/x", "ab/c"):
        place.write(name, b"12")
    assert place.names() == ["a/10/x", "a/2", "ab/c", "b"]
    assert place.names("a") == ["10/x", "2"]
    assert place.names("nothing/here") == []
    assert place.size() == 8
    assert place.size("a") == 4


def test_folders_are_those_directly_below(place):
    for name in ("b", "a/2", "a/10/x", "ab/c"):
        place.write(name, b"12")
    assert place.folders() == ["a", "ab"]
    assert (place / "a").folders() == ["10"]
    assert (place / "nothing").folders() == []


def test_nothing_there(place):
    with pytest.raises(FileNotFoundError):
        place.read("a")
    with pytest.raises(FileNotFoundError):
        place.checksum("a")
    place.remove("a")
    place.remove()
    assert place.names() == []
    assert not place.exists()


def test_remove_takes_a_file_or_a_folder_and_no_more(place):
    for name in ("a/1", "a/2/3", "ab", "c"):
        place.write(name, b"")
    place.remove("c")
    place.remove("a")
    assert place.names() == ["ab"]


@pytest.mark.parametrize("name", ["..", "a/../b", "/etc", "a//b", "./a", "a/", "a\n", "a\x00", "a\\b", "a::b", "\x7f"])
@pytest.mark.parametrize("verb", ["read", "exists", "remove", "names", "checksum", "__truediv__"])
def test_names_that_leave_the_place_are_refused(place, verb, name):
    with pytest.raises(RequestError, match="is not a name below a folder"):
        getattr(place, verb)(name)
    with pytest.raises(RequestError):
        place.write(name, b"")


@pytest.mark.parametrize("name", ["plate 3/B07 (µm)", "*", "a?b[c]", "#1", "100 %"])
def test_odd_names_are_taken_literally(place, name):
    place.write("other", b"kept")
    place.write(name, b"1")
    assert place.read(name) == b"1"
    assert name in place.names()
    place.remove(name)
    assert place.names() == ["other"]


def test_places_travel(place):
    assert pickle.loads(pickle.dumps(place)) == place


def test_local_paths_are_written_out_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Place("out").local == tmp_path / "out"
    assert Place(f"file://{tmp_path}/out/") == Place("./out")
    assert Place("~/x").local == Path.home() / "x"
    assert Place("s3://bucket/out/").local is None
    assert (Place("s3://bucket/out/") / "a/b").uri == "s3://bucket/out/a/b"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_breaks_leaves_the_old_bytes_and_no_rubbish(tmp_path, monkeypatch, step):
    place = Place(str(tmp_path))
    place.write("plan.json", b"old")

    def broken(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(disk.os, step, broken)
        with pytest.raises(OSError, match=r"No space is left for '.*plan\.json'.*what is done stays done") as caught:
            place.write("plan.json", b"new")
    assert caught.value.errno == errno.ENOSPC
    assert place.read("plan.json") == b"old"
    assert os.listdir(tmp_path) == ["plan.json"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells the name behind a handle")
def test_a_write_waits_for_the_disk_before_and_after_the_rename(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        disk.os, "fsync", lambda handle: (steps.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    monkeypatch.setattr(disk.os, "replace", lambda a, b: (steps.append("rename"), replace(a, b)))
    Place(str(tmp_path)).write("lots/a", b"1")
    at = steps.index("rename")
    assert steps[at - 1].endswith(".partial")
    assert steps[at + 1] == str(tmp_path / "lots")
    assert str(tmp_path) in steps[:at]  # the name of the new folder


def test_files_in_the_making_are_not_listed(tmp_path):
    (tmp_path / f".x{disk.PARTIAL}").write_bytes(b"half")
    assert Place(str(tmp_path)).names() == []


def test_sync_reaches_files_and_all_folders(tmp_path, monkeypatch):
    file = tmp_path / "out" / "c" / "0" / "1"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    synced = []
    monkeypatch.setattr(disk, "sync", synced.append)
    Place(str(tmp_path / "out")).sync(["c/0/1"])
    assert set(synced) == {file, file.parent, tmp_path / "out" / "c", tmp_path / "out", tmp_path}
    Place("memory://x").sync(["c/0/1"])


def test_move_renames_whole_folders(tmp_path):
    place = Place(str(tmp_path))
    place.write("made/a.zarr/0", b"1")
    (place / "made/a.zarr").move(place / "plate/a.zarr")
    assert place.names() == ["plate/a.zarr/0"]
    place.write("made/a.zarr/0", b"2")
    with pytest.raises(OSError, match="cannot be written"):
        (place / "made/a.zarr").move(place / "plate/a.zarr")
    with pytest.raises(OSError, match="only local folders"):
        place.move(Place("memory://x"))


def test_an_output_that_cannot_be_written_is_told_before_the_work(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RequestError, match="cannot be written"):
        Place(str(tmp_path / "file" / "out")).require_writable()
    with pytest.raises(RequestError, match="cannot be written"):
        Place("nosuchprotocol://bucket/out").require_writable()
    Place(str(tmp_path / "new")).require_writable()
    assert not (tmp_path / "new").exists()


def test_free_bytes_of_a_folder_to_come(tmp_path):
    free = Place(str(tmp_path / "not" / "yet")).free_bytes()
    assert free is not None
    assert free > 0
    assert Place("memory://x").free_bytes() is None


def test_a_second_run_is_told_who_is_at_work(tmp_path):
    place = Place(str(tmp_path / "out"))
    with locked(place):
        for _ in range(2):
            with (
                pytest.raises(RequestError, match=rf"Another run \(process {os.getpid()}, since 20.* UTC\) is at work"),
                locked(place),
            ):
                pass
    with locked(place):
        pass


def test_a_trial_leaves_no_folder_behind_and_work_stays(tmp_path):
    place = Place(str(tmp_path / "out" / "cells"))
    place.require_writable()
    with locked(place):
        assert place.local.is_dir()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RequestError), locked(place):
        raise RequestError("refused")
    assert list(tmp_path.iterdir()) == []
    with locked(place):
        place.write("pixels", b"1")
    assert place.names() == [".lock", "pixels"]
    with locked(place):
        place.remove()
    with locked(place):
        place.remove()  # of a folder that the lock made
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_run_that_died_holds_nobody_back(tmp_path):
    place = Place(str(tmp_path))
    code = (
        "import time\nfrom tasks.stores.leases import locked\nfrom tasks.stores.place import Place\n"
        f"with locked(Place({str(tmp_path)!r})):\n    time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        facts = tmp_path / ".lock.json"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not (facts.exists() and facts.read_text().endswith("}")):
            time.sleep(0.05)
        assert json.loads(facts.read_text())["pid"] == other.pid
        with pytest.raises(RequestError, match=f"process {other.pid}"), locked(place):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with locked(place):
        pass


def test_importing_places_is_cheap():
    heavy = "('zarr', 'xarray', 'torch', 'fsspec', 'prefect')"
    code = f"import sys, tasks.stores.place; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_place_is_a_zarr_store(place):
    import zarr

    place.write("0/zarr.json", b"")
    array = zarr.create_array((place / "0").store(), shape=(4,), dtype="u1", overwrite=True)
    array[:] = 7
    assert place.exists("0/c/0")
    assert zarr.open_array((place / "0").store(), mode="r")[:].tolist() == [7] * 4
