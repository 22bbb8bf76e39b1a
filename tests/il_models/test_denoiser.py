"""The shared denoiser: homogeneous, of three sizes, and what it is pretrained on."""

import pytest
import torch

from il_models.meta.corruption import Corrupted, Spread, corrupted
from il_models.meta.joint import Learned, Schedule, joint
from il_models.networks.denoiser import SharedDenoiser, Size


@pytest.mark.parametrize(("size", "weights"), [("lite", 75e3), ("small", 428e3), ("base", 4.1e6)])
def test_sizes(size: Size, weights: float) -> None:
    assert sum(weight.numel() for weight in SharedDenoiser(size).parameters()) == pytest.approx(weights, rel=0.01)


def test_it_does_not_matter_in_which_units_an_image_is() -> None:
    torch.manual_seed(0)
    network = SharedDenoiser("lite").double()
    y, sigma = torch.randn(2, 1, 24, 40).double(), torch.rand(2, 1, 24, 40).double()
    correlation = torch.tensor([[0.0, 0.3], [0.5, 0.5]]).double()
    x = network(y, sigma, correlation)
    assert x.shape == y.shape
    assert torch.allclose(network(700 * y, 700 * sigma, correlation), 700 * x)


def test_it_hears_level_colour_and_factor() -> None:
    torch.manual_seed(0)
    network = SharedDenoiser("lite")
    y, sigma, white = torch.randn(1, 1, 16, 16), torch.full((1, 1, 16, 16), 0.1), torch.zeros(1, 2)
    x = network(y, sigma, white)
    assert not torch.equal(network(y, 2 * sigma, white), x)
    assert not torch.equal(network(y, sigma, white + 0.5), x)
    with torch.no_grad():
        network.level.fill_(2.0).log_()
    assert torch.allclose(network(y, sigma, white), network_with_factor_one(network, y, 2 * sigma), atol=1e-5)


def network_with_factor_one(network: SharedDenoiser, y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    kept = network.level.clone()
    with torch.no_grad():
        network.level.zero_()
        x = network(y, sigma, torch.zeros(1, 2))
        network.level.copy_(kept)
    return x


def clean_crops(n: int, random: torch.Generator) -> torch.Tensor:
    coarse = torch.rand(n, 1, 6, 6, generator=random)
    return torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")


def test_measurements_have_the_level_and_the_colour_that_is_told() -> None:
    random = torch.Generator().manual_seed(1)
    clean = clean_crops(200, random)
    seen = corrupted(clean, Spread(misstated=0.0), random)
    noise = (seen.y - seen.target) / seen.sigma[:, None, None, None]
    assert float(noise.std()) == pytest.approx(1.0, abs=0.05)
    alike = (noise[..., 1:, :] * noise[..., :-1, :]).mean((1, 2, 3)) / noise.var((1, 2, 3))
    assert float((alike - seen.correlation[:, 0]).abs().mean()) < 0.07
    assert 0.1 < float((seen.correlation[:, 0] > 0.15).float().mean()) < 0.4


def learned(steps: int, begun: Learned | None = None, stop: int | None = None) -> list[Learned]:
    def sample(step: int) -> Corrupted:
        random = torch.Generator().manual_seed(step)
        return corrupted(clean_crops(4, random), Spread(), random)

    torch.manual_seed(3)
    found = []
    for state in joint(SharedDenoiser("lite"), sample, Schedule(steps, 2e-3), begun, every=10):
        found.append(state)
        if state.steps == stop:
            break
    return found


def test_training_lowers_the_loss_and_goes_on_where_it_was_interrupted() -> None:
    whole = learned(40)
    assert whole[-1].loss < 0.8 * whole[0].loss
    half = learned(40, stop=20)[-1]
    resumed = learned(40, begun=half)
    assert [state.steps for state in resumed] == [30, 40]
    assert all(torch.equal(resumed[-1].weights[name], value) for name, value in whole[-1].weights.items())
