"""Non-local means: the same as when every pair of patches is looked at by itself, and no worse than scikit-image's."""

from itertools import product

import numpy as np
import pytest
import torch
from contracts.toys import SIGMA, toy
from skimage.restoration import denoise_nl_means
from torch import Tensor

from il_models.metrics import mse
from il_models.nonlocal_means import patch_means

SETTINGS = {"patch_size": 3, "patch_distance": 2}


def plainly(image: Tensor, h: float, scale: float, size: int, far: int) -> Tensor:
    """(c, *s), pixel by pixel in double precision."""
    reach, axes = far + size // 2, image.ndim - 1
    widths = [(0, 0)] + [(reach, reach)] * axes
    wide = np.pad(image.double().numpy(), widths, mode="reflect")
    half = size // 2
    found = np.zeros(image.shape)

    def patch(place: tuple[int, ...]) -> np.ndarray:
        return wide[(slice(None), *(slice(at - half, at + half + 1) for at in place))]

    for pixel in np.ndindex(*image.shape[1:]):
        here = tuple(at + reach for at in pixel)
        total, weights = np.zeros(len(image)), 0.0
        for offset in product(range(-far, far + 1), repeat=axes):
            there = tuple(a + b for a, b in zip(here, offset, strict=True))
            apart = ((patch(here) - patch(there)) ** 2).mean() - (2 * scale**2 if any(offset) else 0)
            weight = (1 - min(1, max(0, apart / (2 * h * scale) ** 2))) ** 4
            total += weight * wide[(slice(None), *there)]
            weights += weight
        found[(slice(None), *pixel)] = total / weights
    return torch.from_numpy(found)


@pytest.mark.parametrize("shape", [(1, 9, 12), (3, 7, 5), (1, 4, 5, 6), (1, 1, 1)])
def test_it_is_the_plain_sum_over_all_pairs(shape: tuple[int, ...]) -> None:
    y = torch.randn(2, *shape, generator=torch.Generator().manual_seed(2))
    found = patch_means(y, h=0.9, scale=0.8, **SETTINGS)
    for image, one in zip(y, found, strict=True):
        torch.testing.assert_close(one.double(), plainly(image, 0.9, 0.8, 3, 2), atol=1e-5, rtol=0)


def test_on_a_scene_it_is_no_worse_than_that_of_scikit_image() -> None:
    clean, problem = toy(1, side=96)
    own = patch_means(problem.y, h=0.9, scale=SIGMA, patch_size=5, patch_distance=6)
    theirs = denoise_nl_means(
        problem.y[0, 0].numpy(), patch_size=5, patch_distance=6, h=0.7 * SIGMA, sigma=SIGMA, fast_mode=True
    )
    errors = [mse(x, clean, problem.mask) for x in (own, torch.from_numpy(theirs)[None, None].float())]
    assert bool(errors[0] < 1.05 * errors[1])
