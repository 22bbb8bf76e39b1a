"""Numbers with the colour of a noise, and the risk that is probed with them."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy

from il_models.draw import Draw
from il_models.metrics import mse
from il_models.noise import Noise, coloured
from il_models.risk import probed, sure


@pytest.mark.parametrize("r", [(0.0, 0.0), (0.5, 0.0), (0.3, 0.7), (-0.2, 0.9)])
def test_neighbours_are_as_alike_as_they_should_be(r: tuple[float, float]) -> None:
    white = Draw(torch.tensor([5])).normal(2, 256, 256)
    x = coloured(white, Noise(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([r])))
    inner = x[..., 16:-16, 16:-16]
    assert float(inner.var()) == pytest.approx(1, abs=0.08)
    down, across = (inner[..., 1:, :] * inner[..., :-1, :]).mean(), (inner[..., 1:] * inner[..., :-1]).mean()
    assert float(down / inner.var()) == pytest.approx(max(r[0], 0), abs=0.03)
    assert float(across / inner.var()) == pytest.approx(max(r[1], 0), abs=0.03)


def test_white_tiles_and_tiles_beside_coloured_ones_are_left_alone() -> None:
    white = Draw(torch.tensor([5, 6])).normal(1, 3, 20)
    noise = Noise(torch.zeros(2, 1), torch.ones(2, 1), torch.tensor([[0.1, 0.0], [0.5, 0.5]]))
    together = coloured(white, noise)
    assert torch.equal(together[0], white[0])
    assert torch.equal(together[1], coloured(white, noise.take(torch.tensor([1, 0])).take(torch.tensor([1, 0])))[1])
    assert torch.equal(coloured(white[1:], noise.take(torch.tensor([1])))[0], together[1])


def test_the_risk_of_a_blur_under_coloured_noise() -> None:
    """White probes would miss how much of a coloured noise passes a blur."""
    clean, problem = toy(2, side=192)
    noise = replace(problem.noise, correlation=torch.full((2, 2), 0.6))
    y = clean + 0.1 * coloured(Draw(problem.seeds + 1).normal(1, 192, 192), noise)

    def blur(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    told = {}
    for name, known in {"knowing": noise, "blind": problem.noise}.items():
        seen = replace(problem, y=y, noise=known)
        told[name] = sure(seen, probed(seen, blur(y), blur, Draw(problem.seeds + 9), probes=4))
    true = mse(blur(y), clean, problem.mask)
    assert torch.allclose(told["knowing"], true, rtol=0.1)
    assert bool((told["blind"] < 0.6 * true).all())
