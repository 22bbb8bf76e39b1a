"""Pixel2Pixel and its bank of similar pixels: what is found, what is never used, pairs, windows, and a picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.toys import toy
from PIL import Image
from torch import Tensor, nn

from il_models.bank import similar_pixels, values_at
from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods import pixel2pixel
from il_models.methods.pixel2pixel import Pixel2Pixel
from il_models.metrics import mse, psnr
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

FAST = Pixel2Pixel(**Pixel2Pixel.presets["fast"])
SMALL = replace(FAST, layers=2, width=8, steps=3, crop=16)


def everywhere(y: Tensor) -> Tensor:
    return torch.ones_like(y[:, :1], dtype=torch.bool)


def steps_between(place: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns from each pixel of a tile to those that were found for it."""
    h, w = place.shape[-2:]
    own = torch.arange(h * w).reshape(h, w)
    return place // w - own // w, place % w - own % w


def test_a_periodic_scene_repeats_where_it_should() -> None:
    """A random texture of period 5 x 6: the nearest patches are whole periods away, nearest of all the true repeats."""
    texture = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    y = texture.repeat(1, 1, 6, 5)
    place, known, distance = similar_pixels(y, everywhere(y), 3, radius=10, patch=5)
    down, across = steps_between(place)
    assert bool(known.all())
    assert float(distance.max()) < 1e-6
    assert bool((down % 5 == 0).all() & (across % 6 == 0).all())
    assert bool(((down != 0) | (across != 0)).all())
    assert torch.equal(values_at(y, place), y[:, None].expand(-1, 3, -1, -1, -1))


@pytest.mark.parametrize("centre", [True, False])
def test_the_bank_is_that_of_an_exhaustive_search(centre: bool) -> None:
    y = torch.rand(2, 2, 7, 9, generator=torch.Generator().manual_seed(1))
    mask = everywhere(y)
    mask[:, :, 2, 3] = False
    place, known, distance = similar_pixels(y, mask, 4, radius=3, patch=3, centre=centre)
    for tile in range(2):
        for row in range(7):
            for column in range(9):
                if mask[tile, 0, row, column]:
                    expected = _nearest(y[tile], mask[tile, 0], (row, column), centre)[:4]
                    assert place[tile, :, row, column].tolist() == [at for _, at in expected]
                    assert distance[tile, :, row, column].tolist() == pytest.approx([d for d, _ in expected], rel=1e-3)
                    assert bool(known[tile, :, row, column].all())


def _nearest(y: Tensor, mask: Tensor, at: tuple[int, int], centre: bool) -> list[tuple[float, int]]:
    (row, column), (h, w) = at, mask.shape
    found = []
    for r in range(max(0, row - 3), min(h, row + 4)):
        for k in range(max(0, column - 3), min(w, column + 4)):
            terms = [
                float((y[:, row + i, column + j] - y[:, r + i, k + j]).square().mean())
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                if all(0 <= a < h for a in (row + i, r + i))
                and all(0 <= a < w for a in (column + j, k + j))
                and bool(mask[row + i, column + j] & mask[r + i, k + j])
                and (centre or (i, j) != (0, 0))
            ]
            if (r, k) != (row, column) and bool(mask[r, k]):
                found.append((sum(terms) / len(terms), r * w + k))
    return sorted(found)


def test_what_was_not_measured_is_never_found_and_changes_nothing() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 5:14, 8:20] = False
    banks = []
    for fill in (0.0, 7.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        place, known, _ = similar_pixels(filled.y, mask, 7, radius=8, patch=7)
        assert bool(mask.flatten(1).gather(1, place.flatten(1)).reshape(place.shape)[known & mask].all())
        assert not bool((known & ~mask).any())
        banks.append(place)
    assert torch.equal(*banks)


def test_a_loss_without_what_was_not_measured() -> None:
    """Far from the hole, or with a network that sees nothing, the fill is of no account."""
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 5:14, 8:20] = False
    losses = []
    for fill in (0.0, 7.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        nets = nets_of(SMALL, filled)
        silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
        draw = Draw(filled.seeds)
        losses.append(SMALL.loss(silent, SMALL.prepare(filled, draw), filled, draw, 0).detach())
    assert torch.equal(*losses)


def nets_of(method: Pixel2Pixel, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def test_a_fair_bank_of_a_flat_tile_has_noise_of_its_own() -> None:
    """The paper's bank takes pixels whose noise is like the pixel's own."""
    _, problem = toy(2, side=48)
    noise = 0.1 * Draw(problem.seeds).normal(1, 48, 48)
    alike = []
    for fair in (False, True):
        method = Pixel2Pixel(fair=fair)
        flat = replace(problem, y=0.5 + noise)
        bank = method.prepare(flat, Draw(problem.seeds))["bank"][:, 0, 1:] - 0.5
        alike.append(float((bank * noise[:, None]).mean() / noise.square().mean()))
    assert alike[0] > 0.2
    assert abs(alike[1]) < 0.05


def test_the_images_of_a_bank_keep_the_mean_of_the_scene() -> None:
    """Within a percent of the range: no image of the bank is lighter than the measurement."""
    _, problem = toy(2, side=48)
    bank = Pixel2Pixel().prepare(problem, Draw(problem.seeds))["bank"][:, 0]
    assert bank.shape == (2, 8, 1, 48, 48)
    assert torch.equal(bank[:, 0], problem.y)
    assert float((bank - bank[:, :1]).mean((2, 3, 4)).abs().max()) < 0.01


def test_a_flat_tile() -> None:
    _, problem = toy(2, side=32)
    noise = 0.1 * Draw(problem.seeds).normal(1, 32, 32)
    flat = replace(problem, y=0.5 + noise)
    done = fit(flat, replace(FAST, steps=100, width=16, layers=2, crop=16))
    assert bool((mse(done.x, torch.full_like(flat.y, 0.5), flat.mask) < 0.4 * noise.square().mean((1, 2, 3))).all())
    still = fit(replace(problem, y=torch.full_like(problem.y, 0.5)), SMALL)
    assert bool(still.x.isfinite().all())


@pytest.mark.parametrize("sides", [(3, 5), (1, 2), (40, 4)])
def test_tiles_with_fewer_pixels_than_a_bank(sides: tuple[int, int]) -> None:
    _, problem = toy(2, 3, side=40)
    cut = replace(problem, y=problem.y[..., : sides[0], : sides[1]], mask=problem.mask[..., : sides[0], : sides[1]])
    known = Pixel2Pixel(used=30).prepare(cut, Draw(cut.seeds))["known"]
    assert int(known.max()) == min(30, sides[0] * sides[1])
    done = fit(cut, replace(SMALL, used=30))
    assert done.x.shape == cut.y.shape
    assert bool(done.x.isfinite().all())


@pytest.mark.parametrize("target", ["another", "mean"])
def test_a_pair_is_never_twice_the_same_image(target: str) -> None:
    """Of two images one is always mapped to the other: a network that copies pays their difference."""
    _, problem = toy(2, 2, side=24)
    losses = {}
    for used in (2, 3):
        method = replace(SMALL, used=used, crop=0, target=target)  # type: ignore[arg-type]
        inputs = method.prepare(problem, Draw(problem.seeds))
        copies = Nets.stacked([Copies() for _ in range(2)])
        losses[used] = method.loss(copies, inputs, problem, Draw(problem.seeds), 0).detach()
        bank = inputs["bank"][:, 0]
        if used == 2:
            assert torch.allclose(losses[2], (bank[:, 0] - bank[:, 1]).square().mean((1, 2, 3)), rtol=1e-5)
    # three images at mutual distance v: another one is v away, the mean of two others three quarters of it
    ratio = losses[3] / (bank[:, :, None] - bank[:, None]).square().sum((1, 2)).mean((1, 2, 3)) * 6
    assert torch.allclose(ratio, torch.full((2,), 1.0 if target == "another" else 0.75), rtol=0.1)


class Copies(nn.Module):
    """Returns what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.one * x


def test_whole_inputs_are_searched_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel2pixel, "WINDOW", 24)
    _, problem = toy(2, side=64)
    shared = replace(SMALL, radius=6).on_input()
    assert shared.windows == 32
    shared = replace(shared, windows=3)
    inputs = shared.prepare(problem, Draw(problem.seeds))
    assert inputs["bank"].shape == (2, 3, 8, 1, 24, 24)
    pieces = problem.y.unfold(2, 24, 2).unfold(3, 24, 2)[:, 0].flatten(1, 2)
    assert all((pieces[tile] == window[0, 0]).all((1, 2)).any() for tile in range(2) for window in inputs["bank"][tile])
    assert bool(fit(problem, shared).x.isfinite().all())
    assert shared.own_steps(4).prepare(problem, Draw(problem.seeds))["bank"].shape == (2, 1, 8, 1, 64, 64)


def test_schedules() -> None:
    paper = Pixel2Pixel()
    assert [paper.rate_at(step) / paper.rate for step in (0, 1499, 1500, 2000, 2500)] == [1, 1, 0.5, 0.25, 0.125]
    assert FAST.rate_at(0) == FAST.rate
    assert FAST.rate_at(FAST.steps - 1) == pytest.approx(FAST.last_rate)
    assert FAST.own_steps(50).rate_at(0) == FAST.own_rate


def test_refuses_banks_without_pairs() -> None:
    for wrong in ({"used": 1}, {"patch": 4}):
        with pytest.raises(ValueError, match="a pair takes"):
            Pixel2Pixel(**wrong)
    with pytest.raises(ValueError, match="radius = 23"):
        Pixel2Pixel(radius=23)


@pytest.mark.data
def test_a_short_fit_of_cameraman(shared_data: Path) -> None:
    """Noisy + 5 dB in seconds, as the collapse of a method would not allow."""
    x = torch.from_numpy(np.asarray(Image.open(shared_data / "classic/set12/01.png"), np.float32) / 255)
    x = x[None, None, 64:192, 64:192]
    y = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), (25 / 255) ** 2), torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(1))
    done = fit(problem, replace(FAST, steps=400))
    assert float(psnr(done.x.clamp(0, 1), x, 1.0, problem.mask)) > 25.2
