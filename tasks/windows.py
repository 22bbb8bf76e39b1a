"""Windows of pixels from all over an input: what its scale and its noise are read off."""

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.measured import Valid, measured_pixels, read_box
from tasks.tiling import AXES, Box

if TYPE_CHECKING:
    import xarray as xr

WINDOWS = 24
SIDE = 128  # px


def sampled_windows(array: "xr.DataArray", seed: int, most: int = WINDOWS) -> tuple[NDArray[np.float32], Valid]:
    """Windows from all over an input, a small one whole: raw values (n, c, h, w), and what was measured (n, h, w).

    Args:
        array: the input, lazily opened, as tasks.readers.open_input gives it.
        seed: of the places of the windows.
        most: windows of an input that has more; a single one is of any plane.
    """
    t, c, z, height, width = (array.sizes.get(axis, 1) for axis in AXES)
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    if t * z * rows * columns <= most:
        h, w = -(-height // rows), -(-width // columns)
        corners = list(product(range(t * z), _spread(height - h, rows), _spread(width - w, columns)))
    else:
        h, w = min(SIDE, height), min(SIDE, width)
        random = np.random.default_rng(seed)
        corners = [
            (plane, int(random.integers(height - h + 1)), int(random.integers(width - w + 1)))
            for plane in _planes(t * z, most, random)
        ]
    raws, valids = [], []
    for plane, top, left in corners:
        i, j = divmod(plane, z)
        box = Box((i, 0, j, top, left), (i + 1, c, j + 1, top + h, left + w))
        values = read_box(array, box)
        raws.append(values[0, :, 0].astype(np.float32))
        valids.append(measured_pixels(array, box, values)[0, 0, 0])
    return np.stack(raws), np.stack(valids)


def _planes(count: int, most: int, random: np.random.Generator) -> list[int]:
    """From the first to the last, so that bleaching or depth is seen."""
    return _spread(count - 1, most) if most > 1 else [int(random.integers(count))]


def _spread(last: int, count: int) -> list[int]:
    return [int(place) for place in np.linspace(0, last, count).round()]
