"""Resampling: where samples lie, and how heavy they are."""

import numpy as np
import pytest
import torch
from skimage.transform import downscale_local_mean

from il_models.degradations import Downsample, Subsample, gaussian_psf
from il_models.resampling import resampling, resized


def ramp(height: int, width: int) -> torch.Tensor:
    rows, columns = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    return (rows[:, None] + 10 * columns)[None, None]


@pytest.mark.parametrize("kernel", ["bicubic", "average"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_ramp_shrinks_to_the_ramp_at_the_middles_of_cells(factor: int, kernel: str) -> None:
    """Image pixel (i + 1/2) factor - 1/2: half a pixel beside the first of a 2 x 2 cell."""
    y = Downsample(factor, kernel)(ramp(12 * factor, 12 * factor))[0, 0, 3:-3, 3:-3]  # type: ignore[arg-type]
    place = (torch.arange(12, dtype=torch.float64) + 0.5) * factor - 0.5
    assert torch.allclose(y, (place[:, None] + 10 * place)[3:-3, 3:-3], atol=1e-9)


@pytest.mark.parametrize(("grid", "offset"), [("centre", 0.5), ("corner", 0.0)])
def test_a_ramp_tells_the_grid_of_direct_subsampling(grid: str, offset: float) -> None:
    kernel = gaussian_psf(3.0).double()
    kernel = kernel if grid == "corner" else torch.nn.functional.avg_pool2d(kernel, 2, 1) * 4
    kernel = kernel / kernel.sum()
    y = Subsample(kernel, 2, grid)(ramp(48, 48))[0, 0, 6:-6, 6:-6]  # type: ignore[arg-type]
    place = 2 * torch.arange(24, dtype=torch.float64) + offset
    assert torch.allclose(y, (place[:, None] + 10 * place)[6:-6, 6:-6], atol=1e-6)


def test_a_point_lands_in_its_own_cell() -> None:
    point = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    point[..., 6, 8] = 1
    for A in (Downsample(2), Downsample(2, "average"), Subsample(torch.ones(1, 1, 2, 2) / 4, 2)):
        y = A(point)[0, 0]
        assert divmod(int(y.argmax()), 8) == (3, 4)
    corner = Subsample(torch.ones(1, 1, 1, 1), 2, "corner")(point)[0, 0]
    assert float(corner[3, 4]) == 1
    assert float(corner.sum()) == 1


@pytest.mark.parametrize("grid", ["centre", "corner"])
def test_interpolation_lies_on_the_grid_that_it_is_told(grid: str) -> None:
    x = resized(ramp(12, 12), (24, 24), 2.0, grid=grid)[0, 0, 6:-6, 6:-6]  # type: ignore[arg-type]
    place = torch.arange(24, dtype=torch.float64) / 2 - (0.25 if grid == "centre" else 0)
    assert torch.allclose(x, (place[:, None] + 10 * place)[6:-6, 6:-6], atol=1e-9)


def test_weights_of_imresize() -> None:
    """Enlarged by 2: the classical -9 111 29 -3 of 128; shrunk by 2: symmetric, eight wide, sum 1."""
    up = resampling(8, 16, 2.0).matrix(8)
    assert torch.allclose(up[8, 2:6] * 128, torch.tensor([-3.0, 29.0, 111.0, -9.0]).double())
    down = resampling(16, 8, 0.5).matrix(16)
    assert torch.allclose(down[4, 5:13], down[4, 5:13].flip(0))
    assert torch.allclose(down.sum(1), torch.ones(8).double())


def test_averages_are_pooling() -> None:
    x = torch.rand(1, 1, 12, 18, dtype=torch.float64)
    expected = downscale_local_mean(x[0, 0].numpy(), (3, 3))
    assert np.allclose(Downsample(3, "average")(x)[0, 0].numpy(), expected)


def test_a_factor_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="must divide both"):
        Downsample(2)(torch.zeros(1, 1, 5, 4))
    with pytest.raises(ValueError, match="must divide both"):
        Subsample(torch.ones(1, 1, 1, 1), 3, "corner")(torch.zeros(1, 1, 6, 4))
    with pytest.raises(ValueError, match="1 or more"):
        Downsample(0)


def test_a_kernel_that_contradicts_its_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="half a pixel beside"):
        Subsample(torch.ones(1, 1, 3, 3) / 9, 2)
    with pytest.raises(ValueError, match="half a pixel beside"):
        Subsample(torch.ones(1, 1, 4, 4) / 16, 2, "corner")


def test_the_closed_pseudo_inverse_agrees_with_its_definition() -> None:
    A, damp, y = Downsample(2), 0.05, torch.rand(1, 1, 5, 6, dtype=torch.float64)
    x = A.pinv(y, damp)
    assert torch.allclose(A.adjoint(A(x)) + damp * x, A.adjoint(y), atol=1e-9)
