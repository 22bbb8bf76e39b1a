"""Random crops of tiles, at even places and where something was measured."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from il_models.draw import Draw
from il_models.problem import Problem

CANDIDATES = 4  # places among which a crop goes where most was measured


def crop_sides(problem: Problem, crop: int) -> tuple[int, int] | None:
    """Height and width of a crop whose side is to be `crop`; None where the tile is not larger, or for crop 0."""
    height, width = problem.y.shape[-2:]
    return (min(crop, height), min(crop, width)) if 0 < crop < max(height, width) else None


def counted(mask: Bool[Tensor, "b 1 h w"]) -> Int[Tensor, "b h1 w1"]:
    """How many pixels were measured above and left of each corner of a pixel, to know it of any crop."""
    sums = mask[:, 0].int().cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
    return torch.nn.functional.pad(sums, (1, 0, 1, 0))


def random_crop(
    problem: Problem, measured: Int[Tensor, "b h1 w1"], draw: Draw, high: int, wide: int
) -> tuple[Float[Tensor, "b c high wide"], Bool[Tensor, "b 1 high wide"]]:
    """The measurement and the mask of one crop of each tile, of the sides of `crop_sides`.

    `measured` is that of `counted(problem.mask)`. Of a few random places at even rows and columns, so that a grid of
    2 x 2 cells stays where it is, each tile takes the one of which most was measured.
    """
    rows, columns = random_corners(measured, draw, high, wide)
    return cut(problem.y, rows, columns, high, wide), cut(problem.mask, rows, columns, high, wide)


def random_corners(
    measured: Int[Tensor, "b h1 w1"], draw: Draw, high: int, wide: int
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Top row and left column of a random crop of each tile, both even."""
    height, width = measured.shape[1] - 1, measured.shape[2] - 1
    rows = 2 * draw.integers((height - high) // 2 + 1, CANDIDATES)
    columns = 2 * draw.integers((width - wide) // 2 + 1, CANDIDATES)
    tile = torch.arange(len(measured), device=rows.device)
    at = (tile[:, None], rows, columns)
    count = measured[at] + measured[at[0], rows + high, columns + wide]
    count = count - measured[at[0], rows + high, columns] - measured[at[0], rows, columns + wide]
    best = count.argmax(1)
    return rows[tile, best], columns[tile, best]


def cut(
    x: Shaped[Tensor, "b c h w"], rows: Int[Tensor, " b"], columns: Int[Tensor, " b"], high: int, wide: int
) -> Shaped[Tensor, "b c high wide"]:
    """The piece of each stack of planes, of any type, that begins at its tile's corner."""
    down = (rows[:, None] + torch.arange(high, device=rows.device))[:, :, None]
    across = (columns[:, None] + torch.arange(wide, device=rows.device))[:, None, :]
    tile = torch.arange(len(rows), device=rows.device)[:, None, None]
    return x.movedim(1, -1)[tile, down, across].movedim(-1, 1)
