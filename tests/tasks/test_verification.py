"""A published tile can be made again from what its store says, and a changed one is found out."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from contracts.pipeline import restored

from tasks.errors import InputError, RequestError
from tasks.stores.place import Place
from tasks.verification import verify_tiles

QUICK = {"method": "zs_n2n", "method__steps": 20, "tiling__tile": 48, "control": "none"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """120 x 150 photon-limited pixels."""
    scene = 40 + 30 * np.sin(np.arange(120)[:, None] / 9) * np.cos(np.arange(150) / 7)
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(scene).astype(np.uint16))
    return tmp_path / "in.tif"


def collection_of(out: Path) -> Path:
    (folder,) = [each for each in out.iterdir() if each.is_dir()]
    return folder


@pytest.mark.parametrize("scope", [{"scope": "tile"}, {"scope": "input"}, {"scope": "input", "own_steps": 5}])
def test_the_same_bytes_again(source: Path, tmp_path: Path, scope: dict[str, object]) -> None:
    restored(str(source), tmp_path / "out", **QUICK, **scope)
    found = list(verify_tiles(Place(str(collection_of(tmp_path / "out"))), 4))
    assert len(found) == 4
    assert all(each.difference == 0 and each.is_same for each in found)
    assert sum(each.pixels for each in found) > 1000


def test_changed_pixels_are_found(source: Path, tmp_path: Path) -> None:
    restored(str(source), tmp_path / "out", **QUICK, scope="tile")
    collection = collection_of(tmp_path / "out")
    array = zarr.open_group(collection / "in.zarr", mode="r+")["0"]
    array[:] = array[:] + 5  # type: ignore[index, operator]
    found = [each for each in verify_tiles(Place(str(collection)), 12) if each.pixels]
    assert len(found) == 9
    assert all(each.sentence().startswith("BAD in, tile ") for each in found)


def test_a_changed_input_is_told(source: Path, tmp_path: Path) -> None:
    restored(str(source), tmp_path / "out", **QUICK)
    tifffile.imwrite(source, np.zeros((120, 150), np.uint16))
    with pytest.raises(InputError, match="changed since"):
        list(verify_tiles(Place(str(collection_of(tmp_path / "out"))), 1))


def test_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no restored tile"):
        list(verify_tiles(Place(str(tmp_path)), 1))
