"""Roughness: noise is no part of it, unknown pixels neither, and it is that of the place."""

import pytest
import torch

from il_models.roughness import BARE, roughness


def around(rows: slice) -> torch.Tensor:
    """A strip of pixels in question in the middle of 64 columns."""
    where = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    where[..., rows, 20:44] = True
    return where


def test_noise_is_taken_off_and_structure_stays() -> None:
    draw = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, 2, 64, 64, generator=draw)
    stripes = noise + 0.3 * torch.sign(torch.sin(torch.arange(64.0) * 1.5))
    known, level = torch.ones(1, 1, 64, 64, dtype=torch.bool), torch.tensor([0.01])
    assert float(roughness(noise, known, around(slice(30, 34)), level)) == pytest.approx(0.001, abs=2e-4)
    assert float(roughness(stripes, known, around(slice(30, 34)), level)) == pytest.approx(0.09, rel=0.15)


def test_it_is_of_the_place_and_of_known_pixels_alone() -> None:
    y = torch.zeros(2, 1, 64, 64)
    y[:, :, :24] = torch.arange(64.0).remainder(2)
    known = torch.ones(2, 1, 64, 64, dtype=torch.bool)
    known[:, :, 28:36] = False
    y[:, :, 28:36] = torch.nan
    where = torch.cat([around(slice(10, 12)), around(slice(48, 50))])
    rough, smooth = roughness(y, known, where, torch.zeros(2)).tolist()
    assert rough > 0.2
    assert smooth == pytest.approx(BARE)
