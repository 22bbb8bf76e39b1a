"""Zero-Shot Noise2Noise: its loss, its crops, its mask, its schedule, and what it reaches on a picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.toys import toy
from PIL import Image
from torch import Tensor

from il_models import views
from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import mse, psnr
from il_models.nets import Nets, seeded_networks
from il_models.networks.three_layers import ThreeLayers
from il_models.noise import Noise
from il_models.problem import Problem

PAPER = ZeroShotNoise2Noise(steps=2000, crop=0, rate=1e-3, squares=0.999, decay="halving")


def nets_of(problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: ThreeLayers(problem.channels), problem.seeds, torch.device("cpu")))


def loss_of(method: ZeroShotNoise2Noise, problem: Problem, nets: Nets | None = None) -> Tensor:
    draw = Draw(problem.seeds)
    return method.loss(nets or nets_of(problem), method.prepare(problem, draw), problem, draw, 0).detach()


def test_sizes_of_the_network() -> None:
    """The paper's 21,313 and 22,275 weights."""
    assert [sum(w.numel() for w in ThreeLayers(channels).parameters()) for channels in (1, 3)] == [21_313, 22_275]


def test_the_loss_is_that_of_the_paper() -> None:
    """Equations 7 and 8 written out for one image, with mean squares for squared norms."""
    _, problem = toy(1, side=16)
    network = seeded_networks(lambda: ThreeLayers(1), problem.seeds, torch.device("cpu"))[0]
    y = problem.y

    def d1(x: Tensor) -> Tensor:
        return (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2

    def d2(x: Tensor) -> Tensor:
        return (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2

    def g(x: Tensor) -> Tensor:
        return x - network(x)

    residual = ((g(d1(y)) - d2(y)) ** 2).mean() + ((g(d2(y)) - d1(y)) ** 2).mean()
    consistency = ((g(d1(y)) - d1(g(y))) ** 2).mean() + ((g(d2(y)) - d2(g(y))) ** 2).mean()
    expected = (residual + consistency) / 2
    assert torch.allclose(loss_of(PAPER, problem, Nets.stacked([network]))[0], expected.detach(), rtol=1e-5)


def test_cells_that_were_not_measured_wholly_take_no_part() -> None:
    """Far from the hole the loss is the same whatever fills it; half of the fill's own error would dwarf it."""
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:12, 9:12] = False
    losses = []
    for fill in (0.0, 0.5):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        nets = nets_of(problem)
        silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
        losses.append(loss_of(PAPER, filled, silent))
    assert torch.equal(*losses)


@pytest.mark.parametrize("sides", [(64, 12), (12, 64), (32, 34)])
def test_tiles_narrower_than_a_crop(sides: tuple[int, int]) -> None:
    _, problem = toy(2, side=64)
    cut = replace(problem, y=problem.y[..., : sides[0], : sides[1]], mask=problem.mask[..., : sides[0], : sides[1]])
    done = fit(cut, ZeroShotNoise2Noise(steps=3, crop=32))
    assert done.x.shape[-2:] == sides
    assert bool(done.x.isfinite().all())


def test_random_crops_are_the_same_in_any_batch() -> None:
    _, problem = toy(3, side=48)
    method = ZeroShotNoise2Noise(steps=5, crop=16)
    together = fit(problem, method)
    alone = fit(problem.take(torch.tensor([2])), method)
    assert torch.equal(alone.x[0], together.x[2])


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = toy(2, side=64)
    nets = nets_of(problem)
    whole = PAPER.estimate(nets, {}, problem, Draw(problem.seeds))
    for rows in (1, 7, 64):
        monkeypatch.setattr(views, "STRIP", rows * 64)
        strips = PAPER.estimate(nets, {}, problem, Draw(problem.seeds))
        assert torch.allclose(strips, whole, atol=1e-5)


def test_views() -> None:
    """A network that ignores direction gives the same from all."""
    _, problem = toy(2, side=16)
    nets = nets_of(problem)
    level = nets.replaced({name: value.mean((-1, -2), keepdim=True).expand_as(value) if value.ndim == 5 else value
                           for name, value in nets.weights.items()})  # fmt: skip
    one, eight = (replace(PAPER, views=n).estimate(level, {}, problem, Draw(problem.seeds)) for n in (1, 8))  # type: ignore[arg-type]
    assert torch.allclose(one, eight, atol=1e-5)


def test_schedules() -> None:
    assert [PAPER.rate_at(step) for step in (0, 1499, 1500, 3000)] == [1e-3, 1e-3, 5e-4, 2.5e-4]
    cosine = ZeroShotNoise2Noise(steps=100)
    rates = [cosine.rate_at(step) for step in range(100)]
    assert rates[0] == cosine.rate
    assert rates[-1] == pytest.approx(cosine.last_rate)
    assert rates == sorted(rates, reverse=True)
    assert ZeroShotNoise2Noise(steps=1).rate_at(0) == cosine.rate


def test_own_steps_are_gentle() -> None:
    own = ZeroShotNoise2Noise(own_rate=2e-4).own_steps(50)
    assert own.steps == 50
    assert own.rate_at(0) == 2e-4


def test_bands_are_restored_jointly() -> None:
    """Two bands of one scene, the second far noisier: together it gets more of the first one's structure."""
    clean, problem = toy(1, channels=1, side=64, sigma=0.05)
    second = clean + 0.3 * Draw(problem.seeds + 5).normal(1, 64, 64)
    noise = Noise(torch.zeros(1, 2), torch.tensor([[0.05**2, 0.3**2]]), torch.zeros(1, 2))
    both = Problem(torch.cat([problem.y, second], 1), Identity(), noise, problem.mask, problem.seeds)
    method = ZeroShotNoise2Noise(steps=200)
    together = fit(both, method).x[:, 1:]
    apart = fit(replace(problem, y=second), method).x
    assert float(mse(together, clean, problem.mask)) < 0.8 * float(mse(apart, clean, problem.mask))


def test_half_precision_convolutions_cost_little_quality() -> None:
    clean, problem = toy(2, side=64)
    errors = [
        mse(fit(problem, ZeroShotNoise2Noise(steps=120, precision=precision)).x, clean, problem.mask)
        for precision in ("float32", "bfloat16")
    ]
    assert torch.allclose(errors[1] / errors[0], torch.ones(2), atol=0.25)


def test_the_mean_is_kept() -> None:
    """At most 0.2 % of the range (scratch.md 2.3)."""
    _, problem = toy(2, side=64)
    done = fit(problem, ZeroShotNoise2Noise(steps=250))
    assert float((done.x - problem.y).mean((1, 2, 3)).abs().max()) < 0.006


@pytest.mark.data
def test_a_short_fit_of_cameraman(shared_data: Path) -> None:
    """Noisy + 5 dB in seconds, as the collapse of a method would not allow."""
    x = torch.from_numpy(np.asarray(Image.open(shared_data / "classic/set12/01.png"), np.float32) / 255)
    x = x[None, None, 64:192, 64:192]
    y = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), (25 / 255) ** 2), torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(1))
    done = fit(problem, ZeroShotNoise2Noise(steps=700))
    assert float(psnr(done.x.clamp(0, 1), x, 1.0, problem.mask)) > 25.2
