"""Flips, turns and strips."""

import pytest
import torch
from torch import Tensor, nn

from il_models import views
from il_models.views import in_strips, mean_over_views, turned, undone


def test_eight_different_planes_each_undone() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    planes = [turned(x, view) for view in range(8)]
    assert len({tuple(t.flatten().tolist()) + tuple(t.shape) for t in planes}) == 8
    assert all(torch.equal(undone(t, view), x) for view, t in enumerate(planes))


def test_the_mean_over_views_forgets_direction() -> None:
    """The left neighbour, over eight views, is the mean of the four neighbours, each seen twice."""
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    mean = mean_over_views(lambda y: y.roll(1, -1), x, 8, 1)
    expected = sum((x.roll(by, axis) for by in (-1, 1) for axis in (-1, -2)), torch.zeros(())) / 4
    assert torch.equal(mean, expected)


@pytest.mark.parametrize("multiple", [1, 4])
def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch, multiple: int) -> None:
    x = torch.rand(2, 3, 32, 8, generator=torch.Generator().manual_seed(0))

    def run(y: Tensor) -> Tensor:
        assert y.shape[-2] % multiple == 0
        mean = nn.functional.avg_pool2d(y, 5, 1, 2)
        return nn.functional.interpolate(nn.functional.avg_pool2d(mean, multiple), scale_factor=multiple)

    whole = in_strips(run, x, 6, multiple)
    assert torch.equal(whole, run(x))
    for rows in (1, 5, 9, 32):
        monkeypatch.setattr(views, "STRIP", rows * 8)
        assert torch.allclose(in_strips(run, x, 6, multiple), whole, atol=1e-6)
