"""Light that is kept, and ripples: told without ground truth of an image that undoes a degradation."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, shrunk, toy
from torch import Tensor

from il_models.degradations import Blur, gaussian_psf
from il_models.methods.wiener import Wiener
from il_models.problem import Problem
from il_models.risk import Estimate
from tasks.sharpened import ringing, sharpened_columns
from tasks.tolerance import TOLERANCE


class Affine:
    """10 units a count, on a pedestal of 100; a test double."""

    def backward(self, x: Tensor) -> Tensor:
        return 10 * x + 100


def told(problem: Problem, image: Tensor, owned: Tensor | None = None) -> list[dict]:
    """The columns of an image."""
    x = problem.A(image)
    own = Estimate(x, torch.zeros_like(x), image=image)
    return sharpened_columns(problem, Affine(), own, problem.mask if owned is None else owned)  # type: ignore[arg-type]


def test_a_denoised_image_has_neither() -> None:
    clean, problem = toy(2)
    assert sharpened_columns(problem, Affine(), Estimate(clean, clean), problem.mask) == [{}, {}]  # type: ignore[arg-type]


def test_flux_is_the_light_that_is_too_much_in_data_units() -> None:
    clean, problem = blurred(2, side=96, sigma=1e-4)
    more = clean * torch.tensor([1.0, 1.05]).reshape(2, 1, 1, 1)
    first, second = (each["flux"] for each in told(problem, more))
    measured = 10 * float(problem.y[1].mean())
    assert abs(first) < 1e-4
    assert second == pytest.approx(0.05 * measured / (measured + 100), rel=0.01)


def test_flux_is_not_told_where_noise_hides_it() -> None:
    clean, problem = blurred(2, side=16, sigma=0.6)
    assert [each["flux"] for each in told(problem, clean)] == [None, None]


def test_what_was_not_measured_or_is_not_owned_does_not_count() -> None:
    clean, problem = blurred(2, side=64, sigma=1e-4)
    mask = problem.mask.clone()
    mask[..., :20, :] = False
    spoiled, y = clean.clone(), problem.y.clone()
    spoiled[..., :10, :] += 5
    y[..., :10, :] = -7
    owned = torch.ones_like(mask)
    kept, also = told(replace(problem, mask=mask), clean, owned), told(replace(problem, mask=mask, y=y), spoiled, owned)
    assert also[0] == pytest.approx(kept[0], abs=1e-6)
    assert told(problem, clean, mask)[0]["flux"] == pytest.approx(kept[0]["flux"], abs=1e-6)


def test_a_psf_that_is_too_wide_rings() -> None:
    _, problem = blurred(2, side=96, width=3.0, sigma=0.004)
    right = Wiener().estimate(problem)
    wide = replace(problem, A=Blur(gaussian_psf(4.5)))
    wrong = Wiener().estimate(wide)
    good, bad = (ringing(seen, image, problem.mask) for seen, image in ((problem, right), (wide, wrong)))
    assert bool((bad > 1.5 * good).all())
    assert bool((bad > TOLERANCE.ringing).all())


def test_an_enlarged_image_is_held_against_the_measured_pixels_around() -> None:
    clean, problem = shrunk(2)
    ripples = clean.clone()
    ripples[..., ::2] += 0.3
    ripples[..., 1::2] -= 0.3
    quiet, loud = (ringing(problem, image, problem.mask) for image in (clean, ripples))
    assert bool((loud > quiet + 0.2).all())
