"""The half-resolution pair of Zero-Shot Noise2Noise, and the loss that networks learn from it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.metrics import mean


def diagonals(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 c h2 w2"]:
    """The means of the two diagonals of each 2x2 cell: two half-size images whose noise is independent.

    Mansour and Heckel, "Zero-Shot Noise2Noise", CVPR 2023, eq. 5.
    """
    main = (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2
    anti = (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2
    return torch.stack([main, anti], 1)


def measured_cells(mask: Bool[Tensor, "b 1 h w"]) -> Bool[Tensor, "b 1 h2 w2"]:
    """Which 2x2 cells were measured wholly."""
    return diagonals(mask.float()).amin(1) == 1


def pair_loss(
    pair: Float[Tensor, "b 2 c h2 w2"],
    clean: Float[Tensor, "b 2 c h2 w2"],
    whole: Float[Tensor, "b c h w"],
    cells: Bool[Tensor, "b 1 h2 w2"],
) -> Float[Tensor, " b"]:
    """Residual and consistency loss, eq. 7 and 8, over some cells.

    pair: the diagonals of the measurement. clean, whole: what the network makes of them, and of the measurement.
    """
    residual = (clean - pair.flip(1)) ** 2
    consistency = (clean - diagonals(whole)) ** 2
    return 0.5 * mean((residual + consistency).sum(1), cells)
