"""What comes back of a residual: hardly any noise, nearly all of what noise cannot explain."""

import pytest
import torch
from contracts.toys import SIGMA

from il_models.draw import Draw
from il_models.noise import Noise
from il_models.residue import REACH, regained


def noise_of(b: int, correlation: float = 0.0) -> Noise:
    return Noise(torch.zeros(b, 1), torch.full((b, 1), SIGMA**2), torch.full((b, 2), correlation))


def coloured(b: int, side: int) -> torch.Tensor:
    """Noise of SIGMA whose neighbours are correlated by 0.57 along both axes, as after a Gaussian blur."""
    place = torch.arange(-4, 5).float()
    blur = torch.exp(-(place**2) / (2 * 0.67**2))
    blur = torch.outer(blur, blur)
    white = Draw(torch.arange(b)).normal(1, side + 8, side + 8)
    return SIGMA * torch.nn.functional.conv2d(white, (blur / blur.square().sum().sqrt())[None, None])


@pytest.mark.parametrize("correlation", [0.0, 0.57])
def test_noise_does_not_come_back(correlation: float) -> None:
    residual = coloured(3, 64) if correlation else SIGMA * Draw(torch.arange(3)).normal(1, 64, 64)
    found = regained(residual, noise_of(3, correlation))
    assert bool((found.std((1, 2, 3)) < 0.25 * SIGMA).all())


def test_fine_detail_comes_back_from_under_smooth_noise() -> None:
    """Stripes of sigma's own height, 2 px wide: smooth noise has nothing there, white noise has."""
    stripes = SIGMA * ((torch.arange(64) // 2) % 2 * 2.0 - 1).expand(1, 1, 64, 64)
    found = regained(stripes + coloured(1, 64), noise_of(1, 0.57))
    assert float((found - stripes).square().mean() / stripes.square().mean()) < 0.3


def test_it_is_local_and_knows_no_batch() -> None:
    residual = coloured(2, 40)
    noise = noise_of(2, 0.57)
    far = residual.clone()
    far[:, :, 0, 0] += 1
    change = (regained(far, noise) - regained(residual, noise)).abs()
    assert float(change[..., REACH + 1 :, :].max()) == 0
    alone = regained(residual[1:], noise.take(torch.tensor([1])))
    assert torch.allclose(regained(residual, noise)[1:], alone, atol=1e-7)


@pytest.mark.parametrize("sides", [(1, 1), (17, 3)])
def test_tiny_tiles(sides: tuple[int, int]) -> None:
    residual = torch.ones(1, 2, *sides)
    noise = Noise(torch.zeros(1, 2), torch.full((1, 2), 1e-4), torch.zeros(1, 2))
    assert torch.allclose(regained(residual, noise), residual, atol=0.05)
