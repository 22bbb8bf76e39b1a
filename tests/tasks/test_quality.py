"""What speaks against a tile, and how a tile is judged whose networks do not read the measurement."""

import math
from dataclasses import replace

import pytest
import torch
from contracts.toys import toy

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import Fit
from il_models.method import Direct
from il_models.methods import known_methods
from il_models.metrics import mse, psnr
from il_models.noise import Affine, Anscombe, Logarithm, Noise
from il_models.problem import Problem
from il_models.risk import Estimate, held_out
from tasks.problems import Intensity
from tasks.quality import control_of, estimate_of, estimated_psnr, judge, skill, spread_over_noise
from tasks.verdicts import verdict

SEEDS = torch.zeros(2, dtype=torch.int64)
SOUND = {"status": "budget", "residual_ratio": 0.95, "residual_correlation": 0.0, "residual_mean": 0.0, "skill": 0.0}


def test_a_method_that_needs_the_noise_level_says_when_there_is_none() -> None:
    nlm, learned = (known_methods()[name]() for name in ("nlm", "zs_n2n"))
    found, why = verdict({**SOUND, "noise_sigma": 0.0}, nlm)
    assert found == "suspect"
    assert "state the noise in the catalogue" in why
    assert verdict({**SOUND, "noise_sigma": 3.0}, nlm)[0] == "good"
    assert verdict({**SOUND, "noise_sigma": 0.0}, learned)[0] == "good"


@pytest.mark.parametrize("withheld", [True, False])
def test_withheld_pixels_judge_what_no_probe_can(withheld: bool) -> None:
    clean, problem = toy(2, side=96)
    x = clean + 0.03
    unseen = torch.zeros_like(problem.mask)
    unseen[..., ::3, ::3] = withheld
    done = Fit(x, [], None, None, unseen if withheld else None)
    method = known_methods()["zs_n2n"]()
    blind = type("Blind", (type(method),), {"reads_measurement": False})()
    own = estimate_of(problem, done, blind)
    control = replace(own, x=clean + 0.06)
    rows = judge(problem, own, control, torch.ones_like(problem.mask))
    true = mse(x, clean, problem.mask) / 0.1**2
    for row, risk in zip(rows, true.tolist(), strict=True):
        if not withheld:
            assert row["risk"] is None
            assert row["skill"] is None
        else:
            assert row["risk"] == pytest.approx(risk, abs=0.15)
            assert row["skill"] == pytest.approx(6.0, abs=3.0)


def test_skill_is_what_is_beyond_chance() -> None:
    """In dB; risks below 0.03 count as that."""
    control = torch.tensor([0.20, 0.20, 0.20, 0.20, 0.01])
    own = torch.tensor([0.40, 0.25, 0.10, 0.19, -0.10])
    told = skill(control, own, torch.tensor([0.0, 0.06, 0.02, 0.02, 0.02]))
    assert told.tolist() == pytest.approx([-3.01, 0.0, 10 * math.log10(0.20 / 0.12), 0.0, 0.0], abs=0.01)


def test_a_few_withheld_pixels_do_not_make_a_tile_suspect() -> None:
    """As good as its control, and judged at 1 % of the pixels beside it; a much worse one is found."""
    clean, problem = toy(12, side=96)
    unseen = Draw(problem.seeds + 1).keep(0.01, *problem.mask.shape[1:])
    one, other = (0.04 * Draw(problem.seeds + salt).normal(1, 96, 96) for salt in (5, 7))
    control = Estimate(clean + other, torch.zeros_like(clean), blind=clean + other)
    alike, worse = (
        [row["skill"] for row in judge(problem, held_out(clean + times * one, unseen), control, problem.mask)]
        for times in (1.0, 3.0)
    )
    assert sum(value < -0.5 for value in alike) <= 1
    assert sum(value < -0.5 for value in worse) == 12


def test_what_a_control_makes_without_withheld_pixels_does_not_know_them() -> None:
    _, problem = toy(2, side=64)
    unseen = Draw(problem.seeds + 1).keep(0.02, *problem.mask.shape[1:])
    nlm = known_methods()["nlm"]()
    assert isinstance(nlm, Direct)
    other = replace(problem, y=torch.where(unseen, problem.y + 5, problem.y))
    found, spoiled = (control_of(each, [nlm], unseen) for each in (problem, other))
    assert found.blind is not None
    assert spoiled.blind is not None
    assert torch.equal(found.blind, spoiled.blind)
    assert float((found.x - spoiled.x).abs().max()) > 0.5
    assert control_of(problem, [nlm]).blind is None


def test_spread_is_told_in_units_of_the_noise() -> None:
    _, problem = toy(2)
    assert spread_over_noise(problem, torch.full_like(problem.y, 0.05), torch.ones_like(problem.mask)) == [
        pytest.approx(0.5),
        pytest.approx(0.5),
    ]


def test_a_tile_in_the_light_is_promised_what_its_own_photons_allow() -> None:
    # one transform and scale for a dark and a bright tile, whose noise in data units differs by 12 dB
    draw = torch.Generator().manual_seed(0)
    light = torch.tensor([20.0, 320.0]).reshape(2, 1, 1, 1).expand(2, 1, 96, 96)
    ones = torch.ones(2, 1)
    camera = Noise(2 * ones, 0 * ones, torch.zeros(2, 2))
    intensity = Intensity(Anscombe(camera, ones), 0 * ones, 30 * ones)
    y = intensity.forward(2 * torch.poisson(light, generator=draw))
    problem = Problem(y, Identity(), intensity.noise(torch.zeros(2, 2)), torch.ones_like(y, dtype=torch.bool), SEEDS)
    wrong = 0.6 * torch.randn(y.shape, generator=draw) / 30
    own = Estimate(intensity.forward(2 * light) + wrong, torch.zeros_like(y))
    told = estimated_psnr(problem, own, problem.mask, intensity, [1000.0, 1000.0])
    true = psnr(intensity.backward(own.x), 2 * light, 1000.0, problem.mask)
    assert told == pytest.approx(true.tolist(), abs=0.6)
    assert true[0] - true[1] > 11
    assert estimated_psnr(problem, replace(own, image=own.x), problem.mask, intensity, [1.0, 1.0]) == [None, None]


def test_no_more_is_promised_than_noise_is_known() -> None:
    clean, problem = toy(2, side=64)  # noise of 0.1
    flawless = Estimate(clean, torch.zeros_like(clean))
    plain = Intensity(Affine(problem.noise), torch.zeros(2, 1), torch.ones(2, 1))
    sure, vague = estimated_psnr(problem, flawless, problem.mask, plain, [1.0, 1.0], [False, True])
    assert sure == pytest.approx(20 - 10 * math.log10(0.03), abs=0.01)
    assert vague == pytest.approx(20 - 10 * math.log10(0.1), abs=0.01)


def test_a_tile_of_speckle_is_promised_what_its_brightness_allows() -> None:
    draw = torch.Generator().manual_seed(0)
    light = torch.tensor([20.0, 320.0]).reshape(2, 1, 1, 1).expand(2, 1, 96, 96)
    looks, everywhere = 4 * torch.ones(2, 1), torch.ones(2, 1, 96, 96, dtype=torch.bool)
    raw = light * (torch.randn(8, 2, 1, 96, 96, generator=draw) ** 2).mean(0)
    intensity = Intensity(Logarithm(looks, 0.01 * torch.ones(2, 1), raw, everywhere), torch.zeros(2, 1), looks)
    y = intensity.forward(raw)
    problem = Problem(y, Identity(), intensity.noise(torch.zeros(2, 2)), everywhere, SEEDS)
    sigma = problem.noise.sigma(y)
    own = Estimate(y.mean((2, 3), keepdim=True) + 0.3 * sigma * torch.randn(y.shape, generator=draw), 0 * y)
    told = estimated_psnr(problem, own, everywhere, intensity, [1000.0, 1000.0])
    assert told == pytest.approx(psnr(intensity.backward(own.x), light, 1000.0, everywhere).tolist(), abs=1.0)
