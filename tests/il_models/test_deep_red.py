"""DeepRED: how its second image moves, what takes no part, and what it reaches."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, gapped
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import Budget, fit
from il_models.method import Fitted
from il_models.methods import deep_red
from il_models.methods.bp_dip import BackProjectionPrior
from il_models.methods.deep_red import DeepRed
from il_models.methods.pnp_dip import PlugAndPlayDeepImagePrior
from il_models.metrics import mse
from il_models.problem import Problem

TINY = DeepRed(widths=(8, 8), code=4, jitter=0.0, withheld=0.0)


def begun(problem: Problem, x: Tensor) -> dict[str, Tensor]:
    """The inputs of a fit in the midst of it."""
    inputs = TINY.prepare(problem, Draw(problem.seeds))
    return {**inputs, "x": x, "cleaned": x - 0.1, "dual": torch.full_like(x, 0.02), "begun": inputs["begun"] + 1}


def test_the_second_image_moves_as_in_the_paper() -> None:
    """x = (beta D(x) + mu (T + u)) / (beta + mu), u = u + T - x, with D(x) as it stands between its turns."""
    _, problem = gapped(2, side=24)
    x, made = problem.y + 0.05, problem.y - 0.05
    found = TINY.moved(begun(problem, x), made, problem, 0)
    wanted = (0.02 * (x - 0.1) + 0.04 * (made + 0.02)) / 0.06
    assert torch.allclose(found["x"], wanted)
    assert torch.allclose(found["dual"], 0.02 + made - wanted)
    assert torch.equal(found["cleaned"], x - 0.1)


def test_the_denoiser_has_its_turn_and_sees_the_second_image(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(deep_red, "patch_means", lambda plane, **settings: seen.append(settings) or 0 * plane)
    _, problem = gapped(2, side=24)
    inputs = begun(problem, problem.y)
    turns = {step: float(TINY.moved(inputs, problem.y, problem, step)["cleaned"].abs().max()) for step in (8, 9, 10)}
    assert turns[9] == 0
    assert min(turns[8], turns[10]) > 0
    assert [each["scale"] for each in seen] == [TINY.level]


def test_at_first_nothing_pulls_and_then_the_second_image_does() -> None:
    _, problem = gapped(1, side=24)
    draw = Draw(problem.seeds)
    inputs = TINY.prepare(problem, draw)
    made = problem.y
    changed = {**inputs, **TINY.moved(inputs, made, problem, 0)}
    assert torch.allclose(changed["x"] - changed["dual"], made, atol=1e-6)
    assert float(inputs["begun"].max()) == 0


def test_the_loop_moves_the_second_image_between_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = gapped(1, side=24)
    seen = []

    def moved(self: DeepRed, inputs: dict[str, Tensor], made: Tensor, problem: Problem, step: int) -> dict[str, Tensor]:
        seen.append((step, float(inputs["x"].mean()), made.requires_grad))
        return {"x": torch.full_like(made, 1.0 + step), "dual": inputs["dual"]}

    monkeypatch.setattr(DeepRed, "moved", moved)
    fit(problem, replace(TINY, steps=5, inner=2))
    assert seen == [(1, 0.0, False), (3, 2.0, False)]


@pytest.mark.parametrize("kind", [BackProjectionPrior, DeepRed, PlugAndPlayDeepImagePrior])
def test_pixels_that_were_not_measured_take_no_part_in_a_fit(kind: type[Fitted]) -> None:
    _, problem = blurred(1, side=16)
    mask = problem.mask.clone()
    mask[..., 3:9, 5:8] = False
    method = kind(widths=(8, 8), code=4, withheld=0.0, steps=4)  # type: ignore[call-arg]
    one, other = (
        fit(replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.tensor(fill))), method).x
        for fill in (0.0, 9.0)
    )
    assert torch.equal(one, other)


def test_it_fills_gaps() -> None:
    clean, problem = gapped(1, side=24)
    done = fit(problem, replace(TINY, steps=80, rate=0.03, inner=5), stopper=Budget(80))
    assert float(mse(done.x, clean, ~problem.mask)) < 0.5 * float(mse(problem.y, clean, ~problem.mask))


def test_an_iteration_that_never_moves_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        DeepRed(inner=0)
