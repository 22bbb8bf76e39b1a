"""Random crops: where they lie, and that they look for what was measured."""

import pytest
import torch
from contracts.toys import toy

from il_models.crops import counted, crop_sides, cut, random_crop
from il_models.draw import Draw
from il_models.problem import Problem


def test_crops_are_pieces_at_even_places() -> None:
    _, problem = toy(3, side=64)
    place = torch.arange(64 * 64).reshape(1, 1, 64, 64).float().expand(3, 1, 64, 64)
    numbered = Problem(place, problem.A, problem.noise, problem.mask, problem.seeds)
    measured, draw, corners = counted(problem.mask), Draw(problem.seeds), set()
    for _ in range(60):
        y, mask = random_crop(numbered, measured, draw, 16, 16)
        assert y.shape == mask.shape == (3, 1, 16, 16)
        corner = y[:, :, :1, :1]
        assert torch.equal(y - corner, (place - place[:, :, :1, :1])[..., :16, :16])
        corners |= {(int(n) // 64, int(n) % 64) for n in corner.flatten()}
    assert {row % 2 for row, _ in corners} == {column % 2 for _, column in corners} == {0}
    assert min(row for row, _ in corners) == 0
    assert max(column for _, column in corners) == 48


def test_crops_go_where_something_was_measured() -> None:
    _, problem = toy(1, side=128)
    mask = torch.zeros_like(problem.mask)
    mask[..., :64] = True
    half = Problem(problem.y, problem.A, problem.noise, mask, problem.seeds)
    measured, draw = counted(mask), Draw(half.seeds)
    shares = [float(random_crop(half, measured, draw, 16, 16)[1].float().mean()) for _ in range(100)]
    assert sum(shares) / len(shares) > 0.85  # a blind crop would find a half


def test_measurement_and_mask_are_of_one_place() -> None:
    _, problem = toy(2, channels=3, side=32)
    problem = Problem(problem.y, problem.A, problem.noise, problem.y[:, :1] > 0.5, problem.seeds)
    y, mask = random_crop(problem, counted(problem.mask), Draw(problem.seeds), 8, 12)
    assert y.shape == (2, 3, 8, 12)
    assert torch.equal(y[:, :1] > 0.5, mask)


def test_cut_is_a_slice_of_each_tile() -> None:
    x = torch.arange(2 * 3 * 6 * 5).reshape(2, 3, 6, 5)
    pieces = cut(x, torch.tensor([1, 3]), torch.tensor([0, 2]), 3, 2)
    assert torch.equal(pieces, torch.stack([x[0, :, 1:4, 0:2], x[1, :, 3:6, 2:4]]))


@pytest.mark.parametrize(("crop", "sides"), [(0, None), (8, (8, 8)), (16, (12, 16)), (20, None), (32, None)])
def test_sides(crop: int, sides: tuple[int, int] | None) -> None:
    _, problem = toy(1, side=20)
    wide = Problem(problem.y[..., :12, :], problem.A, problem.noise, problem.mask[..., :12, :], problem.seeds)
    assert crop_sides(wide, crop) == sides
