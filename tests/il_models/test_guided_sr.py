"""Guided super-resolution and its controls: what they promise beyond the contract."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import banded

from il_models.degradations import Downsample, Guided, Subsample, gaussian_psf
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.method import Method
from il_models.methods.bicubic import Bicubic
from il_models.methods.glp import LaplacianPyramid
from il_models.methods.gsa import GramSchmidt
from il_models.methods.guided_sr import GuidedSuperResolution
from il_models.metrics import mse
from il_models.problem import Problem
from il_models.scale_below import below, kept_back, rehearsal, share_by_kept

SMALL = GuidedSuperResolution(steps=80, width=16, depth=2, crop=24, rate=5e-3)
METHODS = {"gsa": GramSchmidt(), "glp": LaplacianPyramid(), "guided_sr": SMALL}
OPERATORS = {"average": Downsample(2, "average"), "kernel": Subsample(gaussian_psf(2.0), 3)}


def error(problem: Problem, method: Method, clean: torch.Tensor) -> torch.Tensor:
    return mse(fit(problem, method).x, clean, torch.ones_like(clean[:, :1], dtype=torch.bool))


@pytest.mark.parametrize(
    ("name", "operator"),
    [(name, each) for name in METHODS for each in OPERATORS if (name, each) != ("guided_sr", "kernel")],
)
def test_finer_bands_tell_what_interpolation_cannot_know(name: str, operator: str) -> None:
    clean, problem = banded(1, A=OPERATORS[operator])
    known = error(problem, Bicubic(projections=3), clean)
    assert bool((error(problem, METHODS[name], clean) < (0.7 if name == "guided_sr" else 0.4) * known).all())


@pytest.mark.parametrize("name", ["glp", "guided_sr"])
def test_what_comes_out_is_what_was_measured(name: str) -> None:
    _, problem = banded(1)
    x = fit(problem, METHODS[name]).x
    assert float(mse(problem.A(x), problem.y, problem.mask)) < 1e-5


@pytest.mark.parametrize("name", METHODS)
def test_tiles_with_guides_do_not_see_each_other(name: str) -> None:
    _, problem = banded(3, 18)
    method = replace(SMALL, steps=4) if name == "guided_sr" else METHODS[name]
    together, alone = fit(problem, method).x, fit(problem.take(torch.tensor([1])), method).x
    assert torch.equal(together[1:2], alone)


@pytest.mark.parametrize("name", METHODS)
def test_where_the_guide_is_missing_it_is_interpolation(name: str) -> None:
    """And its values there, whatever they are, change nothing."""
    _, problem = banded(1)
    assert isinstance(problem.A, Guided)
    known = problem.A.known.clone()
    known[..., 10:31, 20:40] = False
    method = replace(SMALL, steps=4, projections=0) if name == "guided_sr" else METHODS[name]
    method = replace(method, projections=0)
    some = fit(replace(problem, A=replace(problem.A, known=known)), method).x
    plain = fit(problem, Bicubic()).x
    assert torch.allclose(some[..., 10:31, 20:40], plain[..., 10:31, 20:40], atol=1e-5)
    assert not torch.allclose(some[..., 40:, 40:], plain[..., 40:, 40:], atol=1e-2)


def test_pixels_that_are_kept_back_are_not_learned() -> None:
    _, problem = banded(1)
    lower = below(problem)
    assert not bool((lower.kept & lower.learned).any())
    assert bool((lower.kept | lower.learned).all())
    inputs = SMALL.prepare(problem, Draw(problem.seeds))
    assert torch.equal(inputs["learned"], lower.learned)


def test_the_same_pixels_are_kept_back_by_all_tiles() -> None:
    whole = kept_back(0, 0, 96, 120)
    assert torch.equal(whole[37:80, 11:100], kept_back(37, 11, 43, 89))
    assert float(whole.double().mean()) == pytest.approx(1 / 8, abs=0.01)


def test_one_scale_lower_the_measurement_is_the_truth() -> None:
    """Also where the factor does not divide its sides; what is not wholly measured takes no part."""
    _, problem = banded(1, 17)
    mask = problem.mask.clone()
    mask[..., 4, 9] = False
    lower = below(replace(problem, mask=mask))
    assert lower.truth.shape[-2:] == (18, 18)
    assert torch.equal(lower.truth[..., :17, :17], problem.y)
    taking = (lower.learned | lower.kept)[0, 0]
    assert not bool(taking[4:6, 8:10].any())
    assert not bool(taking[16:].any())
    assert int(taking.sum()) == 16 * 16 - 4
    assert rehearsal(problem, below(problem), LaplacianPyramid()).shape == lower.truth.shape


def test_the_share_is_the_one_that_was_best_where_nobody_had_looked() -> None:
    _, problem = banded(2)
    lower = below(problem)
    noise = 0.1 * torch.randn(lower.truth.shape, generator=torch.Generator().manual_seed(1))
    near, far = lower.truth + noise, lower.truth + 2 * noise.flip(-1)
    share = share_by_kept(lower, near, far)
    assert bool(((share - 0.8).abs() < 0.05).all())
    assert torch.equal(share_by_kept(lower, near, near), torch.full((2,), 0.5))
