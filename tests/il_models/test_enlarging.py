"""Starts of the network that enlarges: what a task is, which kernels were seen, and what is told one scale lower."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import scenes, shrunk

from il_models.degradations import Downsample, Subsample
from il_models.draw import Draw
from il_models.meta.enlarging import Shrinking, gaussians, transfers
from il_models.meta.enlarging import shrunk as tasks_of
from il_models.meta.maml import Inner, maml, multitask, starting_point
from il_models.meta.task import Tasks, judged
from il_models.meta.training import Schedule
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.nets import Nets
from il_models.networks.residual_stack import ResidualStack
from il_models.sons import errors_of, kept_apart

ONE = torch.ones(1)
KERNELS, BICUBIC = Shrinking(2, 1.0, 5.0), Shrinking(2)
SMALL = ZeroShotSuperResolution(**{**ZeroShotSuperResolution.presets["mzsr"], "projections": 0, "width": 8, "depth": 3})


def gaussian(variance: float) -> Subsample:
    return Subsample(gaussians(variance * ONE, variance * ONE, 0 * ONE, 2), 2)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> ResidualStack:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return ResidualStack(1, SMALL.width, SMALL.depth)


@pytest.mark.parametrize("variance", [1.0, 2.0, 5.0])
def test_kernels_within_the_spread_were_seen(variance: float) -> None:
    assert KERNELS.covers(gaussian(variance), 2).tolist() == [True, True]
    assert KERNELS.covers(KERNELS.drawn(5, random(1)), 5).all()
    assert BICUBIC.covers(Downsample(2), 1).all()


@pytest.mark.parametrize("A", [gaussian(0.2), gaussian(8.0), Downsample(2), Downsample(2, "average")], ids=repr)
def test_kernels_beyond_the_spread_were_not(A: Subsample | Downsample) -> None:
    assert not KERNELS.covers(A, 1).any()
    if not isinstance(A, Downsample) or A.kernel == "average":
        assert not BICUBIC.covers(A, 1).any()


def test_a_transfer_is_that_of_a_gaussian() -> None:
    expected = torch.exp(-2 * torch.pi**2 * 2.0 * torch.tensor([1 / 4, 1 / 8]) ** 2).repeat(2)
    assert torch.allclose(transfers(gaussian(2.0), 1)[0].float(), expected, atol=2e-3)


@pytest.mark.parametrize("shrinking", [KERNELS, BICUBIC], ids=["kernels", "bicubic"])
def test_a_task_is_a_measurement_and_its_image(shrinking: Shrinking) -> None:
    clean = scenes(3, 1, 48)
    once, again = (tasks_of(clean, shrinking, random(5)) for _ in range(2))
    assert torch.equal(once.support.y, again.support.y)
    assert once.clean is clean
    assert once.query.y.shape == (3, 1, 24, 24)
    assert float((once.query.A(clean) - once.query.y).abs().max()) <= 0.5 / 255 + 1e-6


def test_a_start_learned_plainly_and_one_that_adapts_are_better_than_interpolation() -> None:
    def sample(step: int) -> Tasks:
        clean, _ = shrunk(2, 16)
        return tasks_of(clean.roll(step, -1), KERNELS, random(step))

    held = tasks_of(shrunk(2, 16)[0].flip(-1), KERNELS, random(10**6))
    plain = (held.query.A.guess(held.query.y) - held.clean).square().flatten(1).mean(1)
    *_, joint = multitask(network(), sample, SMALL, Schedule(25, 1e-2))
    own = network()
    own.load_state_dict(joint.weights)
    inner = Inner(2, 0.02, first_order=True, annealed=0.5)
    *_, meta = maml(own, sample, SMALL, inner, Schedule(4, 1e-3, 0.5))
    start = starting_point(meta, inner)
    assert set(start.sizes) == set(start.weights)
    with torch.no_grad():
        after = judged(SMALL, start.nets(SMALL, held.query), held)
        nothing = judged(SMALL, replace(start, weights=_silent(start.weights)).nets(SMALL, held.query), held)
    assert torch.allclose(nothing, plain / nothing.new_tensor(0.0025 + (1 / 255) ** 2 / 12), rtol=1e-3)
    assert float(after.mean()) < 0.9 * float(nothing.mean())


def _silent(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(value) for name, value in weights.items()}


def test_a_network_that_adds_nothing_is_as_good_as_interpolation_one_scale_lower() -> None:
    _, problem = shrunk(2, 25)
    learned, kept = kept_apart(problem)
    assert not bool((learned.mask & kept).any())
    assert 0.05 < float(kept.float().mean()) < 0.3
    nets = _nets()
    silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
    plain = errors_of(problem, SMALL, None, kept)
    assert torch.allclose(errors_of(problem, SMALL, silent, kept), plain)
    assert bool((plain > 0).all())
    father = problem.y[..., :24, :24]
    off = (problem.A.guess(problem.A(father)) - father).abs()
    assert torch.allclose(plain[0], off[0][kept[0, :, :24, :24]].mean())


def _nets() -> Nets:
    return Nets.stacked([network(), network()])


def test_the_preset_learns_from_the_whole_pair() -> None:
    """What a step sees does not depend on what is drawn, where the kernel allows one view alone."""
    _, problem = shrunk(2, 24, gaussian(2.0))
    nets = _nets()
    first, other = (SMALL.loss(nets, {}, problem, Draw(problem.seeds + i), 0) for i in (0, 9))
    assert torch.equal(first, other)
