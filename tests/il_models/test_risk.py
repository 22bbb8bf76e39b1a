"""Risk without ground truth against the risk with it."""

from dataclasses import replace

import pytest
import torch
from contracts.method import estimate
from contracts.toys import toy
from torch import Tensor

from il_models.beside import risk_beside
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.method import Method
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import mse
from il_models.mixing import USUAL_SHARE, best_share, mixture
from il_models.noise import Noise, inverse_stabilised
from il_models.noise.few_photons import StabilisedNoise
from il_models.problem import Problem
from il_models.risk import Estimate, held_out, probed, sure


def probes(problem: Problem) -> Draw:
    return Draw(problem.seeds + 1)


def test_exact_for_a_linear_map() -> None:
    """f(y) = y / 2 has the divergence n / 2, whatever the probe."""
    clean, problem = toy(3, side=64)
    risk = sure(problem, probed(problem, problem.y / 2, lambda y: y / 2, probes(problem)))
    by_hand = ((problem.y / 2) ** 2).flatten(1).mean(1) - 0.1**2 + 2 * 0.1**2 / 2
    assert torch.allclose(risk, by_hand, atol=1e-5)
    assert torch.allclose(risk, mse(problem.y / 2, clean, problem.mask), atol=1e-3)


@pytest.mark.parametrize("method", [NonLocalMeans(), ZeroShotNoise2Noise(steps=60)], ids=lambda method: method.name)
def test_close_to_the_true_error(method: Method) -> None:
    clean, problem = toy(3, side=64)
    done = fit(problem, method)
    f = lambda y: estimate(method, done.nets, replace(problem, y=y))  # noqa: E731
    risk = sure(problem, probed(problem, done.x, f, probes(problem)))
    assert torch.allclose(risk, mse(done.x, clean, problem.mask), atol=0.06 * 0.1**2)


def test_channels_have_their_own_sigma() -> None:
    clean, problem = toy(1, channels=2, side=64)
    factor = torch.tensor([1.0, 4.0])
    noise = Noise(problem.noise.gain, problem.noise.variance * factor**2, problem.noise.correlation)
    y = clean + (problem.y - clean) * factor.reshape(1, 2, 1, 1)
    uneven = replace(problem, y=y, noise=noise)
    weight = torch.tensor([0.9, 0.2]).reshape(1, 2, 1, 1)
    risk = sure(uneven, probed(uneven, weight * y, lambda z: weight * z, probes(problem)))
    assert torch.allclose(risk, mse(weight * y, clean, problem.mask), rtol=0.1)


def test_noise_that_grows_with_the_signal() -> None:
    clean, problem = toy(2, side=128)
    noise = Noise(torch.full((2, 1), 0.02), torch.zeros(2, 1), torch.zeros(2, 2))
    y = clean + noise.sigma(clean) * (problem.y - clean) / 0.1
    photons = replace(problem, y=y, noise=noise)
    risk = sure(photons, probed(photons, 0.7 * y + 0.15, lambda z: 0.7 * z + 0.15, probes(problem)))
    assert torch.allclose(risk, mse(0.7 * y + 0.15, clean, problem.mask), rtol=0.1)


def test_masked_pixels_take_no_part() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, :16] = False
    half = replace(problem, mask=mask)
    spoilt = replace(half, y=torch.where(mask, problem.y, torch.full_like(problem.y, 50.0)))
    risks = [sure(p, probed(p, p.y / 2, lambda y: y / 2, probes(problem))) for p in (half, spoilt)]
    assert torch.allclose(*risks)


def test_a_tile_does_not_see_its_mates() -> None:
    _, problem = toy(3, side=32)
    together = sure(problem, probed(problem, problem.y / 2, lambda y: y.sin(), probes(problem), probes=2))
    one = problem.take(torch.tensor([1]))
    alone = sure(one, probed(one, one.y / 2, lambda y: y.sin(), probes(one), probes=2))
    assert torch.allclose(alone[0], together[1])


def smoothed(y: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(y, 5, 1, 2, count_include_pad=False)


def test_a_mixture_has_no_more_risk_than_its_parts() -> None:
    clean, problem = toy(3, side=64)
    maps = (lambda y: 0.6 * y + 0.2, smoothed)
    one, other = (probed(problem, f(problem.y), f, probes(problem)) for f in maps)
    share = best_share(problem, one, other)
    mixed = mixture(one, other, share)
    errors = [mse(each.x, clean, problem.mask) for each in (one, other, mixed)]
    assert (errors[2] <= torch.minimum(errors[0], errors[1]) * 1.02).all()
    told = sure(problem, mixed)
    by_hand = lambda y: sum(w.reshape(-1, 1, 1, 1) * f(y) for w, f in zip((share, 1 - share), maps, strict=True))  # noqa: E731
    assert torch.allclose(told, sure(problem, probed(problem, mixed.x, by_hand, probes(problem))), atol=1e-5)


def test_shares_at_their_ends() -> None:
    clean, problem = toy(2, side=64)
    good = probed(problem, clean, lambda y: clean, probes(problem))
    bad = probed(problem, problem.y, lambda y: y, probes(problem))
    assert (best_share(problem, good, bad) > 0.95).all()
    assert (best_share(problem, bad, good) < 0.05).all()
    assert torch.allclose(best_share(problem, good, good), torch.tensor(USUAL_SHARE))
    silent = replace(problem, noise=replace(problem.noise, variance=torch.zeros(2, 1)))
    quiet = Estimate(problem.y, torch.zeros_like(problem.y))
    assert best_share(silent, quiet, bad).tolist() == pytest.approx([1, 1], abs=0.05)
    broken = Estimate(problem.y, torch.full_like(problem.y, torch.nan))
    assert best_share(problem, broken, bad).tolist() == [1, 1]


def test_pixels_that_were_not_seen_tell_the_risk_of_any_image() -> None:
    clean, problem = toy(3, side=128)
    x = clean + 0.05 * torch.roll(problem.y - clean, 3, -1) / 0.1 + 0.02  # wrong, but not by the pixel's own noise
    unseen = Draw(problem.seeds + 3).keep(0.2, *problem.mask.shape[1:])
    risk = sure(problem, held_out(x, unseen))
    assert torch.allclose(risk, mse(x, clean, problem.mask), atol=0.1 * 0.1**2)
    assert not bool(sure(problem, held_out(x, None)).isfinite().any())


def test_a_mixture_is_judged_where_both_are_known() -> None:
    clean, problem = toy(3, side=128)
    unseen = Draw(problem.seeds + 3).keep(0.2, *problem.mask.shape[1:])
    x = clean + 0.04 * Draw(problem.seeds + 5).normal(1, 128, 128)
    one, other = held_out(x, unseen), probed(problem, problem.y / 2, lambda y: y / 2, probes(problem))
    share = best_share(problem, one, other)
    mixed = mixture(one, other, share)
    assert bool((share > 0.7).all())
    assert mixed.where is unseen
    back = mixture(other, one, 1 - share)
    assert torch.allclose(sure(problem, mixed), mse(mixed.x, clean, problem.mask), atol=0.1 * 0.1**2)
    assert torch.allclose(sure(problem, mixed), sure(problem, back))


def beside(tiles: int, side: int = 64) -> tuple[Tensor, Problem, Estimate, Estimate]:
    """A scene, its problem, an estimate that was made without 2 % of the pixels, and a control that knows them or not.

    What both miss they miss by twice as much at these; besides, each has an error of its own, the control the larger.
    """
    clean, problem = toy(tiles, side=side)
    unseen = Draw(problem.seeds + 3).keep(0.02, *problem.mask.shape[1:])
    both, one, other = (0.03 * Draw(problem.seeds + salt).normal(1, side, side) for salt in (5, 7, 9))
    hard = torch.where(unseen, 2.0, 1.0) * both
    own = held_out(clean + hard + 0.6 * one, unseen)
    x, blind = (clean + missed + 0.8 * other for missed in (both, hard))
    return clean, problem, own, Estimate(x, torch.zeros_like(x), blind=blind)


def test_beside_a_control_withheld_pixels_tell_the_risk_of_all() -> None:
    """Alone they tell of themselves only, and with so few of them their noise is in it."""
    clean, problem, own, control = beside(16)
    true = mse(own.x, clean, problem.mask)
    alone, paired = ((risk_beside(problem, own, each) - true) / 0.1**2 for each in (None, control))
    assert torch.equal(risk_beside(problem, own, None), sure(problem, own))
    assert float(paired.square().mean()) < 0.25 * float(alone.square().mean())
    assert abs(float(paired.mean())) < 0.1
    assert float(alone.mean()) > 0.15  # they are missed by twice as much
    assert torch.allclose(risk_beside(problem, own, replace(control, blind=None)), sure(problem, own))


def test_a_share_is_found_by_what_both_make_of_withheld_pixels() -> None:
    clean, problem, own, control = beside(8, 128)
    fair, unfair = best_share(problem, own, control), best_share(problem, own, replace(control, blind=None))
    assert float(fair.mean()) > 0.45  # the estimate is the better one
    assert float(fair.mean()) > float(unfair.mean()) + 0.1
    mixed = mixture(own, control, fair)
    errors = [float(mse(each.x, clean, problem.mask).mean()) for each in (mixed, own, control)]
    assert errors[0] < min(errors[1:])
    told = risk_beside(problem, mixed, control)
    assert torch.allclose(told, mse(mixed.x, clean, problem.mask), atol=0.1 * 0.1**2)
    assert torch.allclose(risk_beside(problem, mixture(own, control, torch.zeros(8)), control), sure(problem, control))


def test_without_a_risk_nothing_is_mixed_in() -> None:
    _, problem = toy(2, side=64)
    other = probed(problem, problem.y / 2, lambda y: y / 2, probes(problem))
    assert best_share(problem, held_out(problem.y, None), other).tolist() == [1.0, 1.0]


def test_an_estimate_that_knows_the_noise_gets_no_share() -> None:
    clean, problem = toy(2, side=96)
    noise = problem.y - clean
    knows = Estimate(clean - 0.5 * noise, torch.zeros_like(clean))  # its slope is not known to it
    other = probed(problem, problem.y / 2, lambda y: y / 2, probes(problem))
    assert bool((sure(problem, knows) > 0).all())
    assert bool((best_share(problem, knows, other) > 0).all())
    flattered = Estimate(problem.y - 0.5 * noise, torch.zeros_like(clean))  # half of the noise is in it
    assert bool((sure(problem, flattered) < -0.5 * 0.1**2).all())
    assert best_share(problem, flattered, other).tolist() == [0.0, 0.0]
    trusted = best_share(problem, flattered, other, 0.7, knowing=False)  # of weights that cannot know the noise
    assert trusted.tolist() == pytest.approx([0.7, 0.7])


def test_learned_weights_that_are_worse_by_a_tenth_of_the_noise_get_no_share() -> None:
    _, problem = toy(2, side=64)
    control = Estimate(0.9 * problem.y, 0 * problem.y)
    poor = Estimate(problem.y, problem.noise.sigma(problem.y) ** 2)  # the measurement itself: its error is the noise
    worse = sure(problem, poor) - sure(problem, control)
    assert bool((worse > 0.1 * problem.noise.sigma(problem.y).mean() ** 2).all())
    assert float(best_share(problem, poor, control, 0.7, knowing=False).max()) == 0


def test_what_has_no_share_may_be_anything() -> None:
    _, problem = toy(2, side=16)
    spoiled = Estimate(torch.full_like(problem.y, torch.nan), torch.full_like(problem.y, torch.nan))
    control = Estimate(problem.y, 0 * problem.y)
    mixed = mixture(spoiled, control, torch.zeros(2))
    assert torch.equal(mixed.x, control.x)
    assert torch.equal(mixed.slope, control.slope)


def photons(b: int = 2, side: int = 64) -> tuple[Tensor, Problem]:
    """Stabilised counts of unit variance: 9 photons on the left, 400 on the right; and what they are expected to be."""
    one = torch.ones(b, 1)
    raw = Noise(one, 0 * one, torch.zeros(b, 2))
    noise = StabilisedNoise(0 * one, one, torch.zeros(b, 2), raw, 0 * one, one)
    _, problem = toy(b, side=side, sigma=1.0)
    image = torch.full_like(problem.y, 6.0)
    image[..., side // 2 :] = 40.0
    return image, replace(problem, y=image + torch.randn(image.shape, generator=torch.manual_seed(3)), noise=noise)


def test_an_error_counts_as_much_as_it_moves_the_image() -> None:
    image, problem = photons()
    counts, step = problem.noise.importance(image), 1e-2
    assert isinstance(problem.noise, StabilisedNoise)
    moved = inverse_stabilised(image + step, problem.noise.raw) - inverse_stabilised(image - step, problem.noise.raw)
    assert counts is not None
    assert torch.allclose(counts, (moved / (2 * step)) ** 2, rtol=0.03)


def test_learned_weights_are_judged_by_errors_of_the_image() -> None:
    """One estimate misses in the light what the other misses in the dark: stabilised, both are as good."""
    image, problem = photons()
    right = torch.arange(64) >= 32
    light, dark = (image + 0.5 * side for side in (right, ~right))
    one, other = (Estimate(x, torch.zeros_like(x)) for x in (light, dark))
    alike = best_share(problem, one, other, usual=0.5)
    learned = best_share(problem, one, other, usual=0.5, knowing=False)
    assert bool(((alike > 0.4) & (alike < 0.6)).all())
    assert bool((learned < 0.2).all())  # one twentieth, but for the noise
    assert bool((best_share(problem, other, one, usual=0.5, knowing=False) > 0.3).all())


def test_where_nothing_was_stabilised_errors_count_alike() -> None:
    clean, problem = toy(2, side=64)
    one, other = (Estimate(x, torch.zeros_like(x)) for x in (clean + 0.01, clean - 0.01))
    assert problem.noise.importance(clean) is None
    assert torch.allclose(
        best_share(problem, one, other, 0.5, knowing=False), best_share(problem, one, other, 0.5), atol=0.1
    )
