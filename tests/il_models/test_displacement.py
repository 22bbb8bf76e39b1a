"""Sub-pixel shifts between images."""

import pytest
import torch
from contracts.toys import shrunk

from il_models.degradations import Downsample, Subsample, gaussian_psf
from il_models.displacement import displacement


def waves(down: float, across: float) -> torch.Tensor:
    """Two scenes of smooth waves, (2, 1, 40, 50), moved down and right."""
    y, x = torch.arange(40.0)[:, None] - down, torch.arange(50.0) - across
    return torch.stack([torch.sin(y / 4) * torch.cos(x / 5), torch.sin(x / 6 + y / 9) + torch.sin(y / 5 - x / 8)])[
        :, None
    ]


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.5), (-0.25, 1.0), (1.3, 0.0)])
def test_a_shift_is_found_with_its_sign(shift: tuple[float, float]) -> None:
    found = displacement(waves(*shift), waves(0, 0))
    assert torch.allclose(found, torch.tensor(shift).expand(2, 2), atol=0.03)


def test_tiles_do_not_see_each_other_and_flat_ones_say_nothing() -> None:
    x, reference = waves(0.5, 0), waves(0, 0)
    alone = displacement(x[:1], reference[:1])
    assert torch.equal(displacement(x, reference)[:1], alone)
    flat = torch.full((1, 1, 20, 20), 0.3)
    assert bool((displacement(flat, flat).abs() < 1e-6).all())
    assert bool(displacement(flat[..., :6, :6], flat[..., :6, :6]).isnan().all())


def test_a_grid_taken_for_the_other_is_seen_as_half_a_pixel() -> None:
    corner = Subsample(gaussian_psf(3.3), 2, "corner")
    clean, problem = shrunk(2, 30, corner)
    aligned, blind = corner.guess(problem.y), Downsample(2).guess(problem.y)
    found = displacement(blind, aligned)
    assert torch.allclose(found, torch.full_like(found, 0.5), atol=0.05)
    truth = displacement(aligned, clean)
    assert bool((truth.abs() < 0.1).all())
