"""A learned denoiser as a step of an iteration, whatever the degradation is."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.from_start import REACH
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE
from il_models.views import in_strips, turned, undone

SHIFTS = ((0, 0), (1, 0), (0, 1), (1, 1))  # px by which the network's grid of cells moves


def looks() -> Iterator[tuple[int, tuple[int, int]]]:
    """How the denoiser sees the image at each step of an iteration: one of eight turns and of four shifts, in a cycle.

    A small denoiser that sees it always the same way adds the same small error at every step, and the iteration drifts
    away: Terris et al., "Equivariant plug-and-play image reconstruction", CVPR 2024, who draw the turn at random.
    """
    step = 0
    while True:
        yield step % 8, SHIFTS[step // 2 % 4]
        step += 1


def cleaned(
    nets: Nets, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, "b 1 1 1"], look: tuple[int, tuple[int, int]]
) -> Float[Tensor, "b c h w"]:
    """x without white noise of standard deviation sigma, by each tile's network, plane by plane.

    Sides are filled up to what the network takes by repeating the border.
    """
    view, (down, across) = look
    z = turned(x / sigma, view)
    height, width = z.shape[-2:]
    below, right = -(height + down) % MULTIPLE, -(width + across) % MULTIPLE
    z = functional.pad(z, (across, right, down, below), mode="replicate")
    z = in_strips(lambda part: _denoised(nets, part), z, REACH, MULTIPLE)
    return undone(z[..., down : down + height, across : across + width], view) * sigma


def _denoised(nets: Nets, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    white = z.new_zeros(*z.shape[:2], 2)
    return nets(z[:, :, None], torch.ones_like(z)[:, :, None], white)[:, :, 0]
