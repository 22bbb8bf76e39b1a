"""What every reader promises: dimensions named and in order, lazy, cheap windows, two reads equal, facts complete, and
one clear error for a broken file. Run over everything in tasks/readers by tests/tasks/readers/test_contract.py."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.errors import InputError
from tasks.readers import known_readers, open_input, reader_for

ORDER = ("t", "c", "z", "y", "x")
COUNTERS = Path("/proc/self/io")


@dataclass(frozen=True)
class Case:
    """One format.

    write: puts pixels (axes as in `dims`) into a folder and returns their URI. cut: breaks what `write` made.
    whole: the format can only be decoded as a whole, so that windows are not cheap. ahead: bytes that the library below
    reads at open whatever the size of the file.
    """

    reader: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    write: Callable[[Path, NDArray[Any]], str]
    cut: Callable[[str], None]
    whole: bool = False
    ahead: int = 0

    def pixels(self) -> NDArray[Any]:
        """Noise, so that no compression makes the file small."""
        draw = np.random.default_rng(7)
        if np.dtype(self.dtype).kind == "f":
            return draw.normal(0, 100, self.shape).astype(self.dtype)
        return draw.integers(0, np.iinfo(self.dtype).max, self.shape, self.dtype, endpoint=True)


def facts(**known: Any) -> Facts:
    """Facts of a collection of which nothing is known but what is given."""
    return Facts.model_validate({"title": "a test", "source": "nowhere", **known})


def window(image: xr.DataArray, **where: slice) -> NDArray[Any]:
    """Pixels of a window, as a lot reads them."""
    return np.asarray(image.isel(where).data.compute(scheduler="synchronous"))


def check_one_reader_claims(case: Case, folder: Path) -> None:
    """A file is claimed by one reader, whichever is asked first."""
    uri = case.write(folder, case.pixels())
    assert [name for name, reader in known_readers().items() if reader.claims(uri)] == [case.reader]
    assert reader_for(uri, facts()) == case.reader


def check_complete(case: Case, folder: Path) -> None:
    """Dimensions in order, pixels as written, all attributes there."""
    pixels = case.pixels()
    image = open_input(case.write(folder, pixels), facts())
    assert image.dims == case.dims
    assert list(image.dims) == [axis for axis in ORDER if axis in image.dims]
    assert image.dtype == np.dtype(case.dtype)
    assert image.dtype.isnative
    np.testing.assert_array_equal(window(image), pixels)
    check_attributes(image)


def check_attributes(image: xr.DataArray) -> None:
    """Attributes and coordinates that the pipeline relies on."""
    assert image.attrs["layout"] in ("geo", "ngff")
    for name in ("pixel_size", "unit", "source_chunks"):
        assert set(image.attrs[name]) <= set(image.dims), name
    assert set(image.attrs["source_chunks"]) == set(image.dims)
    assert image.attrs["nodata"] is None or isinstance(image.attrs["nodata"], float)
    assert all(isinstance(note, str) and note.endswith(".") for note in image.attrs["notes"])
    if "c" in image.dims:
        assert len(image.coords["c"]) == image.sizes["c"]
        assert image.coords["c"].dtype.kind == "U"
    if image.attrs["layout"] == "geo":
        assert "spatial_ref" in image.coords


def check_lazy(case: Case, folder: Path) -> None:
    """Opening reads the metadata only; a window reads little more than itself."""
    if not COUNTERS.exists():
        pytest.skip("the system does not count the bytes a process reads")
    uri = case.write(folder, case.pixels())
    size = int(np.prod(case.shape)) * np.dtype(case.dtype).itemsize
    open_input(uri, facts()).isel(y=slice(0, 1), x=slice(0, 1)).data.compute(scheduler="synchronous")
    before = _bytes_read()
    image = open_input(uri, facts())
    opened = _bytes_read()
    assert opened - before - case.ahead < size / 20, "pixels were read at open"
    window(image, **{str(dim): slice(0, 8 if dim in ("y", "x") else 1) for dim in image.dims})
    if not case.whole:
        assert _bytes_read() - opened < size / 3, "a small window read a large part of the image"


def check_two_reads_equal(case: Case, folder: Path) -> None:
    """Windows are parts of the whole, whatever the steps, and do not change."""
    uri = case.write(folder, case.pixels())
    image = open_input(uri, facts())
    whole = window(image)
    part = {"y": slice(3, image.sizes["y"] - 2), "x": slice(1, image.sizes["x"], 3)}
    expected = whole[..., part["y"], part["x"]]
    np.testing.assert_array_equal(window(image, **part), expected)
    np.testing.assert_array_equal(window(open_input(uri, facts()), **part), expected)
    first = image.isel(dict.fromkeys(image.dims[:-2], 0)).data.compute(scheduler="synchronous")
    np.testing.assert_array_equal(first, whole[(0,) * (whole.ndim - 2)])


def check_threads(case: Case, folder: Path) -> None:
    """Two lots of one worker may read one image at the same time."""
    pixels = case.pixels()
    image = open_input(case.write(folder, pixels), facts())
    rows = [slice(row, row + 40) for row in range(0, image.sizes["y"], 40)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda part: window(image, y=part), rows))
    np.testing.assert_array_equal(np.concatenate(parts, axis=-2), pixels)


def check_broken(case: Case, folder: Path) -> None:
    """A file that is broken, missing, or not as the facts say, gives one sentence with its name."""
    uri = case.write(folder, case.pixels())
    with pytest.raises(InputError, match=r"axes 'yx' name 2 axes|axes 'zyx' name 3 axes"):
        open_input(uri, facts(axes="zyx" if len(case.shape) == 2 else "yx"))
    with pytest.raises(InputError, match="channel"):
        open_input(uri, facts(channels=["a"] * 9))
    case.cut(uri)
    with pytest.raises(InputError) as caught:
        window(open_input(uri, facts()))
    check_sentence(str(caught.value))


def check_sentence(text: str) -> None:
    """One line, no traceback, ends like a sentence."""
    assert "\n" not in text
    assert "Traceback" not in text
    assert text.rstrip().endswith((".", "?"))
    assert len(text) < 600


def _bytes_read() -> int:
    rows = dict(line.split(": ") for line in COUNTERS.read_text().splitlines())
    return int(rows["rchar"])
