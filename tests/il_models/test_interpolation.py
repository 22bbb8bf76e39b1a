"""Surfaces over gaps."""

import numpy as np
import torch

from il_models.interpolation import FAR, interpolated, nearest


def test_a_plane_is_continued_exactly_and_what_was_measured_stays() -> None:
    place = torch.arange(40.0)
    plane = (2 * place[:, None] - 3 * place)[None, None].repeat(2, 3, 1, 1) / 40
    mask = torch.ones(2, 1, 40, 40, dtype=torch.bool)
    mask[0, :, 12:18, 10:30] = False
    mask[1, :, 9:30:3, 8:31:2] = False
    found = interpolated(torch.where(mask, plane, torch.full_like(plane, 7.0)), mask)
    assert torch.allclose(found, plane, atol=1e-3)
    assert torch.equal(torch.where(mask, found, plane), plane)


def test_far_from_all_that_was_measured_it_is_the_nearest_value() -> None:
    y, mask = torch.zeros(1, 1, 4, 3 * FAR), torch.zeros(1, 1, 4, 3 * FAR, dtype=torch.bool)
    mask[..., :4] = True
    y[..., :4] = 0.25
    assert torch.equal(interpolated(y, mask)[..., 2 * FAR :], torch.full((1, 1, 4, FAR), 0.25))


def test_without_a_measured_pixel_nothing_is_changed() -> None:
    y = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    assert nearest(y, np.zeros((3, 4), bool)) is y
    assert torch.equal(
        interpolated(torch.from_numpy(y)[None], torch.zeros(1, 1, 3, 4, dtype=torch.bool)), torch.from_numpy(y)[None]
    )
