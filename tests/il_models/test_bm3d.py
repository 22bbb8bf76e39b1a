"""BM3D, the second control. Its package is not free for every use, so a machine may well do without it."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from contracts.toys import toy

from il_models.methods import bm3d, known_methods
from il_models.methods.bm3d import BlockMatching
from il_models.methods.nlm import NonLocalMeans
from il_models.metrics import mse
from il_models.noise import Noise
from tasks.errors import RequestError
from tasks.recipe import load_recipe

needs_package = pytest.mark.skipif(find_spec("bm3d") is None, reason="the optional package bm3d is not installed")


@pytest.mark.parametrize("settings", [{"method.name": "bm3d"}, {"control": "bm3d"}])
def test_without_the_package_a_recipe_is_refused_with_what_to_do(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bm3d, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"non-commercial .*pip install 'selfmend\[bm3d\]'.* nlm") as told:
        load_recipe(None, settings)
    assert "\n" not in str(told.value)


def test_the_list_of_methods_says_the_licence_with_or_without_the_package() -> None:
    kind = known_methods()["bm3d"]
    assert "NON-COMMERCIAL" in kind.summary
    assert "non-commercial" in kind.source


@needs_package
def test_channels_with_noise_of_their_own_are_restored_jointly() -> None:
    clean, problem = toy(1, channels=3, side=64)
    factor = torch.tensor([1.0, 5.0, 0.2]).reshape(1, 3, 1, 1)
    noise = Noise(problem.noise.gain, problem.noise.variance * factor.reshape(1, 3) ** 2, problem.noise.correlation)
    x = BlockMatching().estimate(replace(problem, y=problem.y * factor, noise=noise)) / factor
    assert torch.allclose(x, BlockMatching().estimate(problem), atol=1e-4)
    assert bool((mse(x, clean, problem.mask) < 0.3 * mse(problem.y, clean, problem.mask)).all())


@needs_package
def test_beats_non_local_means() -> None:
    clean, problem = toy(2, side=64)
    ours, control = (
        mse(method.estimate(problem), clean, problem.mask) for method in (BlockMatching(), NonLocalMeans())
    )
    assert bool((ours < control).all())


@needs_package
def test_without_noise_nothing_is_changed() -> None:
    _, problem = toy(1, side=32)
    quiet = replace(problem, noise=Noise(problem.noise.gain, 0 * problem.noise.variance, problem.noise.correlation))
    assert torch.allclose(BlockMatching().estimate(quiet), problem.y, atol=1e-3)  # the package computes in float32
