"""What a survey looks at: all of a small input, windows from all over a large one."""

import numpy as np
import pytest
import xarray as xr

from tasks.catalog.facts import Facts
from tasks.survey import survey_input
from tasks.tiling import AXES
from tasks.windows import SIDE, WINDOWS, sampled_windows


def numbered(t: int, z: int, height: int, width: int) -> xr.DataArray:
    """An input whose values are the numbers of its pixels."""
    values = np.arange(t * z * height * width, dtype=np.float32).reshape(t, 1, z, height, width)
    return xr.DataArray(values, dims=AXES).chunk()


@pytest.mark.parametrize("shape", [(1, 1, 5, 7), (1, 1, 256, 256), (2, 3, 130, 90), (1, 1, 321, 481)])
def test_all_of_a_small_input_is_seen_whatever_the_seed(shape: tuple[int, ...]) -> None:
    array = numbered(*shape)
    raw, valid = sampled_windows(array, 1)
    assert np.array_equal(np.unique(raw), np.unique(array.values))
    assert valid.all()
    assert max(raw.shape[2:]) <= SIDE
    assert np.array_equal(raw, sampled_windows(array, 2)[0])


def test_of_a_large_input_so_many_windows_are_seen_from_the_first_plane_to_the_last() -> None:
    array = numbered(1, 40, 150, 140)
    raw, _ = sampled_windows(array, 1)
    assert raw.shape == (WINDOWS, 1, SIDE, SIDE)
    planes = raw[:, 0, 0, 0] // (150 * 140)
    assert (planes.min(), planes.max()) == (0, 39)
    assert not np.array_equal(raw, sampled_windows(array, 2)[0])
    assert np.array_equal(raw, sampled_windows(array, 1)[0])


def test_the_noise_of_a_small_picture_does_not_hang_on_the_seed() -> None:
    scene = 100 + 40 * np.sin(np.arange(200)[:, None] / 9) * np.cos(np.arange(256) / 11)
    noisy = np.random.default_rng(0).normal(scene, 10).astype(np.float32)
    array = xr.DataArray(noisy[None, None, None], dims=AXES).chunk()
    first, second = (survey_input(array, Facts(title="x", source="x.tif"), seed) for seed in (1, 2))
    assert first == second
    assert first.noise[0].gain * 100 + first.noise[0].variance == pytest.approx(100, rel=0.15)
