"""Clean planes for pretraining, at several sizes, and the random crops of a step."""

from collections.abc import Iterable

import numpy as np
import skimage  # its parts are loaded when they are used
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from il_models.meta.enlarging import gaussians

Plane = NDArray[np.float32]
SIZES = (1.0, 0.7, 0.5, 0.33)  # of the picture: what is small in one is large in another
LEAST_SIDE = 96  # px of a plane that is worth its crops
DIMMEST = 0.4  # contrast that a crop is reduced to at most
SOFT = 1 / 3  # of the crops that are softened
SOFTEST = 9.0  # px^2: variance of what softens them, at most; microscopes sample finer than their optics resolve


def resized(plane: Plane) -> list[Plane]:
    """A plane at all sizes, anti-aliased, its range brought to [0, 1]."""
    low, high = float(plane.min()), float(plane.max())
    plane = (plane - low) / max(high - low, 1e-12)
    sides = [tuple(round(side * size) for side in plane.shape) for size in SIZES]
    return [
        np.ascontiguousarray(skimage.transform.resize(plane, shape, anti_aliasing=True), np.float32)
        if shape != plane.shape
        else plane
        for shape in sides
        if min(shape) >= LEAST_SIDE
    ]


def crops(planes: list[Plane], count: int, side: int, random: torch.Generator) -> Float[Tensor, "n 1 side side"]:
    """Random crops, flipped, turned, and of random contrast; a plane's chance is the root of its pixels."""
    chance = torch.tensor([plane.size**0.5 for plane in planes])
    chosen = torch.multinomial(chance, count, replacement=True, generator=random)
    return torch.stack([_crop(planes[i], side, random) for i in chosen.tolist()])[:, None]


def _crop(plane: Plane, side: int, random: torch.Generator) -> Float[Tensor, "side side"]:
    u = torch.rand(7, generator=random).tolist()
    crop = turned(plane, side, u)
    contrast = DIMMEST + (1 - DIMMEST) * u[4]
    crop = (1 - crop) if u[6] < 0.25 else crop
    return contrast * crop + u[5] * (1 - contrast)


def softened(clean: Float[Tensor, "n 1 h w"], random: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """A third of the crops behind a round Gaussian, for photographs are sharper than what optics leave elsewhere."""
    u = torch.rand(2, len(clean), generator=random)
    variance = (SOFTEST * u[1]).clamp(min=0.25)
    kernels = gaussians(variance, variance, torch.zeros(len(clean)), 1)
    reach = kernels.shape[-1] // 2
    padded = functional.pad(clean[:, 0][None], (reach,) * 4, mode="reflect")
    soft = functional.conv2d(padded, kernels, groups=len(clean))[0][:, None]
    return torch.where((u[0] < SOFT)[:, None, None, None], soft, clean)


def turned(plane: Plane, side: int, u: list[float]) -> Float[Tensor, "side side"]:
    """The crop that four numbers from [0, 1) stand for: its row, its column, how it is turned, and whether flipped."""
    top, left = (int(u[axis] * (plane.shape[axis] - side + 1)) for axis in (0, 1))
    crop = torch.from_numpy(plane[top : top + side, left : left + side].copy())
    return crop.rot90(int(u[2] * 4)) if u[3] < 0.5 else crop.rot90(int(u[2] * 4)).flip(0)


def greys(picture: NDArray[np.generic]) -> Iterable[Plane]:
    """The grey plane of a picture, and each colour of one in colour: (h, w) or (h, w, 3)."""
    values = np.asarray(picture, np.float32)
    if values.ndim == 2:
        return [values]
    return [values @ np.array([0.2125, 0.7154, 0.0721], np.float32), *(values[..., c] for c in range(3))]
