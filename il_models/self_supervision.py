"""What a denoiser can be adapted by without a clean image: objectives on planes whose noise has unit variance."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from il_models.diagonals import diagonals, measured_cells
from il_models.draw import Draw
from il_models.metrics import mean
from il_models.networks.denoiser import MULTIPLE
from il_models.noise import Noise, coloured

Run = Callable[[Float[Tensor, "b c h w"], float], Float[Tensor, "b c h w"]]  # of a noise level
STEP = 0.1  # of the noise: that of the difference by which a slope is probed


def recorrupted(
    run: Run, z: Float[Tensor, "b c h w"], noise: Noise, draw: Draw, strength: float = 0.5
) -> Float[Tensor, "b c h w"]:
    """Squared distance of f(z + a w) from z - w / a, two measurements whose noises are independent.

    Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021. In the mean that is the squared error at noise
    sqrt(1 + a^2), and a constant.
    """
    more = coloured(draw.normal(*z.shape[1:]).to(z), noise)
    return (run(z + strength * more, math.sqrt(1 + strength**2)) - (z - more / strength)) ** 2


def stein(run: Run, z: Float[Tensor, "b c h w"], noise: Noise, draw: Draw) -> Float[Tensor, "b c h w"]:
    """Stein's unbiased estimate of the squared error, with a fresh probe.

    Metzler et al., "Unsupervised learning with Stein's unbiased risk estimator", arXiv 1805.10531.
    """
    probe = coloured(draw.signs(*z.shape[1:]).to(z), noise)
    x = run(z, 1.0)
    return (x - z) ** 2 - 1 + 2 * probe * (run(z + STEP * probe, 1.0) - x) / STEP


def neighbours(run: Run, z: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    """Squared distance of a half-resolution copy from the image of the other, both ways; for white noise of any level.

    The residual loss of Mansour and Heckel, "Zero-Shot Noise2Noise", CVPR 2023, eq. 7.
    """
    pair, cells = diagonals(z), measured_cells(mask)
    height, width = pair.shape[-2:]
    below, right = -height % MULTIPLE, -width % MULTIPLE
    padded = functional.pad(pair.flatten(0, 1), (0, right, 0, below), mode="replicate").unflatten(0, pair.shape[:2])
    seen = torch.stack([run(padded[:, i], math.sqrt(0.5)) for i in (0, 1)], 1)[..., :height, :width]
    return mean(((seen - pair.flip(1)) ** 2).mean(1), cells)
