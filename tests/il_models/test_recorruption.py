"""Pairs of one noisy image: the same image in both, noise that is independent, and the level that is told."""

import pytest
import torch

from il_models.meta.recorruption import Split, recorrupted


def test_recorrupted_pairs_have_independent_noise_of_the_level_that_is_told() -> None:
    random = torch.Generator().manual_seed(0)
    sigma = torch.linspace(0.05, 0.2, 50)
    noisy = 0.5 + sigma[:, None, None, None] * torch.randn(50, 1, 64, 64, generator=random)
    seen = recorrupted(noisy, sigma, Split(misstated=0.0), random)
    first, second = seen.y - 0.5, seen.target - 0.5
    assert (first.std((1, 2, 3)) / seen.sigma).mean() == pytest.approx(1.0, abs=0.01)
    together = (first * second).mean((1, 2, 3)) / (first.std((1, 2, 3)) * second.std((1, 2, 3)))
    assert abs(float(together.mean())) < 0.01
