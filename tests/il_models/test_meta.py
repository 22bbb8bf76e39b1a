"""Learned starts: what every kind of meta-learning promises, for a method's own network and for the shared denoiser."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import pytest
import torch
from contracts.toys import doubled, scenes, toy
from torch import Tensor, nn

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import Status, fit
from il_models.meta.corruption import Spread, corrupted
from il_models.meta.maml import Inner, descended, maml, multitask, outer_losses, parts, repeated, starting_point
from il_models.meta.reptile import reptile
from il_models.meta.starting_point import StartingPoint
from il_models.meta.task import Tasks, halved, judged, measured
from il_models.meta.training import Learned, Schedule
from il_models.method import Fitted
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.nets import Nets, seeded_networks
from il_models.networks.denoiser import SharedDenoiser
from il_models.noise import Noise
from il_models.problem import Problem

SMALL = ZeroShotNoise2Noise(width=6, crop=0)
INNER = Inner(steps=3, rate=0.1)
Trainer = Callable[[nn.Module, Callable[[int], Tasks], Schedule, Learned | None], Iterator[Learned]]


@dataclass(frozen=True, kw_only=True)
class TellsTheNoise(Fitted):
    """A test double for what will adapt the shared denoiser: a quarter of the pixels is hidden and predicted."""

    name: ClassVar[str] = "tells_the_noise"
    summary: ClassVar[str] = "test double"
    source: ClassVar[str] = "none"
    multiple: ClassVar[int] = 8
    steps: int = 3
    rate: float = 1e-3

    @property
    def reach(self) -> None:
        """The whole tile."""
        return None

    def work(self, pixels: int, channels: int) -> float:
        return float(pixels * channels)

    def network(self, problem: Problem) -> nn.Module:
        return SharedDenoiser("lite")

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        hidden = draw.keep(0.25, *problem.y.shape[1:])
        guess = self._denoised(nets, torch.where(hidden, problem.y.roll(1, -1), problem.y), problem)
        return (((guess - problem.y) ** 2) * hidden).flatten(1).mean(1)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        return self._denoised(nets, problem.y, problem)

    def _denoised(self, nets: Nets, y: Tensor, problem: Problem) -> Tensor:
        sigma = problem.noise.sigma(y)
        return nets(y[:, None], sigma[:, None], problem.noise.correlation[:, None])[:, 0]


def tasks_of(method: Fitted, sigma: float, known: bool, count: int = 3) -> Callable[[int], Tasks]:
    """Toy scenes with noise of another seed for each step; the scenes of held-out tasks are other ones."""

    def sample(step: int) -> Tasks:
        clean, problem = toy(count + 2, side=40, sigma=sigma, seed=1 + 7919 * step)
        chosen = torch.arange(count) if step < 10**6 else torch.arange(2, count + 2)
        return halved(problem.take(chosen), method, clean[chosen] if known else None)

    return sample


def network_of(method: Fitted, seed: int = 3) -> nn.Module:
    _, problem = toy(1)
    return seeded_networks(lambda: method.network(problem), torch.tensor([seed]), problem.y.device)[0]


def by_reptile(network: nn.Module, sample: Any, schedule: Schedule, begun: Learned | None) -> Iterator[Learned]:
    return reptile(network, sample, replace(SMALL, steps=3, rate=1e-2), replace(schedule, rate=0.5), begun, every=20)


def by_maml(network: nn.Module, sample: Any, schedule: Schedule, begun: Learned | None) -> Iterator[Learned]:
    return maml(network, sample, SMALL, INNER, schedule, begun, every=20)


def by_fomaml(network: nn.Module, sample: Any, schedule: Schedule, begun: Learned | None) -> Iterator[Learned]:
    return maml(network, sample, SMALL, replace(INNER, first_order=True), schedule, begun, every=20)


def by_multitask(network: nn.Module, sample: Any, schedule: Schedule, begun: Learned | None) -> Iterator[Learned]:
    return multitask(network, sample, SMALL, schedule, begun, every=20)


ALL = [by_reptile, by_fomaml, by_maml, by_multitask]


def held_out(start: StartingPoint, method: Fitted, tasks: Tasks) -> float:
    done = fit(tasks.support, start.adaptation(method), start=start.nets(method, tasks.support))
    assert done.nets is not None
    with torch.no_grad():
        return float(judged(method, done.nets, tasks).mean())


def start_of(state: Learned) -> StartingPoint:
    if any(name.startswith("rate of") for name in state.weights):
        return starting_point(state, INNER)
    return StartingPoint(state.weights, INNER.steps, rate=1e-2)


@cache
def learned(by: Trainer, known: bool) -> Learned:
    (*_, last) = by(network_of(SMALL), tasks_of(SMALL, 0.1, known), Schedule(60, 1e-2), None)
    return last


@pytest.mark.parametrize("by", ALL)
@pytest.mark.parametrize("known", [True, False], ids=["true error", "own loss"])
def test_k_steps_from_a_learned_start_beat_k_steps_from_a_random_one(by: Trainer, known: bool) -> None:
    held = tasks_of(SMALL, 0.1, known)(10**6)
    random = dict(network_of(SMALL).named_parameters())
    scratch = min(held_out(StartingPoint(dict(random), INNER.steps, rate=rate), SMALL, held) for rate in (1e-3, 1e-2))
    assert held_out(start_of(learned(by, known)), SMALL, held) < 0.8 * scratch


def test_what_maml_learned_is_to_be_adapted() -> None:
    held = tasks_of(SMALL, 0.1, known=True)(10**6)
    start = start_of(learned(by_maml, True))
    assert all(size > 0 for size in start.sizes.values())
    assert len(set(start.sizes.values())) == len(start.weights)
    assert held_out(start, SMALL, held) < held_out(replace(start, steps=0), SMALL, held)


@pytest.mark.parametrize("by", ALL)
def test_an_interrupted_training_goes_on_where_it_was(by: Trainer) -> None:
    sample, schedule = tasks_of(SMALL, 0.1, known=True, count=2), Schedule(60, 1e-2)
    whole = list(by(network_of(SMALL), sample, schedule, None))
    resumed = list(by(network_of(SMALL, seed=9), sample, schedule, whole[0]))
    assert [state.steps for state in resumed] == [40, 60]
    assert all(torch.equal(resumed[-1].weights[name], value) for name, value in whole[-1].weights.items())
    assert resumed[-1].loss == whole[-1].loss


def test_training_changes_neither_the_network_nor_the_global_random_state() -> None:
    network = network_of(SMALL)
    before, state = [value.clone() for value in network.parameters()], torch.get_rng_state()
    for by in ALL:
        next(by(network, tasks_of(SMALL, 0.1, known=True), Schedule(20, 1e-2), None))
    assert all(torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def smooth_case() -> tuple[Tasks, nn.Module, dict[str, Tensor], dict[str, Tensor]]:
    """In float64, without kinks that finite differences stumble over."""
    clean, problem = toy(2, side=24)
    tasks = halved(doubled(problem), SMALL, clean.double())
    frame, weights, _ = parts(network_of(SMALL).double())
    for layer in (1, 3):
        frame.layers[layer] = nn.Tanh()
    sizes = {name: torch.tensor(0.2 + 0.1 * i).double().requires_grad_() for i, name in enumerate(weights)}
    return tasks, frame, weights, sizes


def test_the_meta_gradient_is_that_of_finite_differences() -> None:
    tasks, frame, weights, sizes = smooth_case()

    def loss(inner: Inner = INNER) -> Tensor:
        return outer_losses(SMALL, Nets(frame, repeated(weights, 2)), tasks, sizes, inner)[-1].sum()

    leaves = [*weights.values(), *sizes.values()]
    exact = torch.autograd.grad(loss(), leaves)
    rough = torch.autograd.grad(loss(replace(INNER, first_order=True)), leaves)
    for leaf, gradient in zip(leaves, exact, strict=True):
        value, flat = leaf.data.clone(), leaf.data.view(-1)
        for place in {0, flat.numel() // 2}:
            at = []
            for shift in (1e-5, -1e-5):
                leaf.data.copy_(value).view(-1)[place] += shift
                at.append(loss().item())
            leaf.data.copy_(value)
            assert gradient.reshape(-1)[place].item() == pytest.approx((at[0] - at[1]) / 2e-5, rel=1e-5, abs=1e-9)
    assert not torch.allclose(rough[0], exact[0], rtol=0.01)


def test_no_task_sees_another() -> None:
    tasks, frame, weights, sizes = smooth_case()
    support, query = tasks.support.y.requires_grad_(), tasks.query.y.requires_grad_()
    losses = outer_losses(SMALL, Nets(frame, repeated(weights, 2)), tasks, sizes, INNER)[-1]
    for each in torch.autograd.grad(losses[0], [support, query], retain_graph=True):
        assert bool(each[0].any())
        assert not bool(each[1].any())


def test_a_task_is_adapted_as_fit_adapts_it() -> None:
    tasks = tasks_of(SMALL, 0.1, known=True)(0)
    start = start_of(learned(by_maml, True))
    nets = start.nets(SMALL, tasks.support)
    sizes = {name: torch.tensor(size) for name, size in start.sizes.items()}
    *_, adapted = descended(SMALL, nets, tasks.support, sizes, INNER)
    done = fit(tasks.support, start.adaptation(SMALL), start=nets)
    assert done.nets is not None
    for name, value in done.nets.weights.items():
        assert torch.allclose(value, adapted.weights[name], atol=1e-6)


@pytest.mark.parametrize("shape", [(36, 50), (50, 36)])
def test_support_and_query_are_disjoint_and_out_of_reach(shape: tuple[int, int]) -> None:
    place = torch.arange(36.0 * 50).reshape(1, 1, *shape)
    noise = Noise(torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(1, 2))
    problem = Problem(place, Identity(), noise, torch.ones_like(place, dtype=torch.bool), torch.tensor([5]))
    tasks = halved(problem, SMALL, 2 * place)
    where = [torch.stack([y.long() // shape[1], y.long() % shape[1]], -1).reshape(-1, 2) for y in _ys(tasks)]
    apart = (where[0][:, None] - where[1][None]).abs().amax(-1)
    assert int(apart.min()) > 2 * SMALL.reach
    assert tasks.support.y.shape == tasks.query.y.shape == tasks.query.mask.shape
    assert all(side % 2 == 0 for side in tasks.query.y.shape[-2:])
    assert tasks.clean is not None
    assert torch.equal(tasks.clean, 2 * tasks.query.y)
    assert int(tasks.support.seeds) != int(tasks.query.seeds)


def _ys(tasks: Tasks) -> list[Tensor]:
    return [tasks.support.y, tasks.query.y]


def test_tiles_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="use tiles of at least 8 pixels"):
        halved(toy(1, side=6)[1], SMALL)


def test_a_task_of_a_loud_tile_counts_as_much() -> None:
    """Its error is measured by its noise."""
    clean = scenes(2, side=32)
    seen = corrupted(
        clean, Spread(lowest=0.05, highest=0.6, photons=0.0, coloured=0.0), torch.Generator().manual_seed(2)
    )
    problem = measured(seen, torch.arange(2))
    assert torch.allclose(problem.noise.sigma(problem.y)[:, 0, 0, 0], seen.sigma)
    tasks = halved(problem, SMALL, seen.target)
    nets = StartingPoint(dict(network_of(SMALL).named_parameters()), 1).nets(SMALL, tasks.query)
    error = (SMALL.estimate(nets, {}, tasks.query, Draw(tasks.query.seeds)) - tasks.clean).square().flatten(1).mean(1)
    assert torch.allclose(judged(SMALL, nets, tasks), error / (seen.sigma**2 + 0.05**2))


def test_the_shared_denoiser_can_be_meta_learned() -> None:
    method, inner = TellsTheNoise(), Inner(2, 1e-3)
    network = network_of(method)
    sample = tasks_of(method, 0.2, known=True, count=2)
    for states in (
        maml(network, sample, method, inner, Schedule(12, 2e-3), every=4),
        reptile(network, sample, method, Schedule(6, 0.5), every=2),
    ):
        first, *_, last = states
        assert last.loss < first.loss
        assert "level" not in last.weights
        start = start_of_denoiser(last, inner)
        problem = sample(10**6).support
        done = fit(problem, start.adaptation(method), start=start.nets(method, problem))
        assert all(record.status is Status.BUDGET for record in done.records)


def start_of_denoiser(state: Learned, inner: Inner) -> StartingPoint:
    has_sizes = any(name.startswith("rate of") for name in state.weights)
    return starting_point(state, inner) if has_sizes else StartingPoint(state.weights, 2)


def test_a_start_for_another_network_is_refused() -> None:
    start = StartingPoint(dict(network_of(SMALL).named_parameters()), 1)
    problem = toy(1)[1]
    with pytest.raises(ValueError, match=r"another network than that of zs_n2n for 1 channels.*Use a start"):
        start.nets(replace(SMALL, width=8), problem)
    with pytest.raises(ValueError, match="another network than that of zs_n2n for 3 channels"):
        start.nets(SMALL, toy(1, channels=3)[1])
    with pytest.raises(ValueError, match="'gain' has shape"):
        replace(start, weights={**start.weights, "gain": torch.ones(2)}).nets(SMALL, problem)


def test_a_start_is_the_same_in_any_order_of_its_tensors() -> None:
    problem = toy(2)[1]
    start = start_of(learned(by_maml, True))
    turned = replace(start, weights=dict(reversed(start.weights.items())))
    first, other = (fit(problem, one.adaptation(SMALL), start=one.nets(SMALL, problem)).x for one in (start, turned))
    assert torch.equal(first, other)


def test_a_method_with_step_sizes_travels() -> None:
    method = start_of(learned(by_maml, True)).adaptation(SMALL)
    assert isinstance(method, ZeroShotNoise2Noise)
    assert pickle.loads(pickle.dumps(method)) == method
    assert replace(method, steps=7).rate_at(3) == 1.0


def test_a_loss_that_is_not_finite_ends_the_training_with_a_word() -> None:
    with pytest.raises(FloatingPointError, match=r"outer step 0 is not finite.*lower first step size"):
        list(maml(network_of(SMALL), tasks_of(SMALL, 0.1, True), SMALL, Inner(6, 1e6), Schedule(3)))
