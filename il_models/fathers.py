"""Random crops of a tile, turned, flipped, squeezed and sheared: what zero-shot super-resolution learns from."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from il_models.draw import Draw


def sampled(
    x: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 v u"], grid: Float[Tensor, "b n m 2"]
) -> tuple[Float[Tensor, "b c n m"], Bool[Tensor, "b 1 n m"]]:
    """The crop of each tile at these places, by cubic interpolation, and which of its pixels were measured.

    x may be finer than the mask, of the same field.
    """
    found = functional.grid_sample(x, grid, "bicubic", "reflection", align_corners=False)
    known = functional.grid_sample(mask.to(x), grid, "bilinear", "reflection", align_corners=False)
    return found, known > 1 - 1e-3


def places(
    whole: tuple[int, int], draw: Draw, sides: tuple[int, int], squeeze: float, turns: bool
) -> Float[Tensor, "b n m 2"]:
    """Where each pixel of a crop of these sides lies in its tile of the sides `whole`, in the units of grid_sample.

    Half of the crops are squeezed by a scale of `squeeze` to 1, another one along each axis, sheared and turned by any
    angle; the others are flipped and turned by right angles. Without `turns` they are neither turned nor sheared.
    """
    chance, scale = draw.uniform(2), draw.uniform(1)
    uneven, shear, angle = 0.25 * draw.normal(2), 0.1 * draw.normal(2), draw.uniform(1)
    flips, corner = draw.integers(8, 1), draw.uniform(2)
    squeezed = (chance[:, :1] < 0.5) & (squeeze < 1)
    size = (squeeze + (1 - squeeze) * scale) * torch.ones(2, device=scale.device)
    size = (size * (1 + uneven * size)).clamp(squeeze, 1)
    turn = 2 * torch.pi * angle if turns else torch.zeros_like(angle)
    shear = shear if turns else torch.zeros_like(shear)
    any_way = _matrix(turn, shear, 1 / size)
    upright = _flips(flips[:, 0]) if turns else torch.eye(2, device=scale.device).expand_as(any_way)
    matrix = torch.where(squeezed[..., None], any_way, upright)
    rows, columns = (torch.arange(side, device=scale.device) - (side - 1) / 2 for side in sides)
    offset = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    placed = torch.stack([(offset * matrix[:, None, axis]).sum(-1) for axis in (0, 1)], -1)
    half = placed.abs().amax(1)
    extent = torch.tensor(whole, device=scale.device)
    room = (extent - 1 - 2 * half).clamp(min=0)
    middle = torch.where(room > 0, half + (corner * (room + 1)).floor().clamp(max=room), (extent - 1) / 2)
    place = placed + middle[:, None]
    unit = (2 * place + 1) / extent - 1
    return unit.flip(-1).reshape(len(unit), *sides, 2)


def _matrix(turn: Tensor, shear: Tensor, size: Tensor) -> Float[Tensor, "b 2 2"]:
    cos, sin = torch.cos(turn[:, 0]), torch.sin(turn[:, 0])
    turned_by = torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)
    one = torch.ones_like(cos)
    sheared = torch.stack([one, shear[:, 0], shear[:, 1], one], -1).reshape(-1, 2, 2)
    return (turned_by[..., None] * sheared[:, None]).sum(2) * size[:, None]


def _flips(which: Tensor) -> Float[Tensor, "b 2 2"]:
    """The eight flips and right-angle turns."""
    sign = 1.0 - 2 * torch.stack([which & 1, (which >> 1) & 1], -1)
    swapped = (which & 4 > 0)[:, None, None]
    plain = torch.diag_embed(sign)
    return torch.where(swapped, plain.flip(-1), plain)
