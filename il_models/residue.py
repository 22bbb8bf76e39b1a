"""What an estimate missed and the measurement still shows: the part of the residual that is more than noise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, fold, pad, unfold

from il_models.noise import Noise
from il_models.problem import Problem
from il_models.views import in_strips

SIDE = 6  # px of the windows whose cosine coefficients are judged
AROUND = 9  # windows on a side whose energies are averaged
STRICT = 1.5  # how many times the noise's energy is taken off at first
FLOOR = 0.05  # of sigma^2: no coefficient's noise is believed to be less
STRIP = 2**17  # pixels whose coefficients are held at once: more than these do not fit into a processor's cache
REACH = 2 * (SIDE - 1) + AROUND // 2  # px away a pixel of the residual can change what is regained


def missed(problem: Problem, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """What an estimate x of each tile missed, as `regained` from its residual; nothing where nothing was measured."""
    residual = torch.where(problem.mask, problem.y - x, torch.zeros_like(x))
    return in_strips(lambda piece: regained(piece, problem.noise), residual, REACH, strip=STRIP)


def regained(residual: Float[Tensor, "b c h w"], noise: Noise, stride: int = 1) -> Float[Tensor, "b c h w"]:
    """The part of y - x that the noise cannot explain, for x from a fit that missed detail.

    Two Wiener filters of the cosine coefficients of all windows of 6 x 6. The first keeps of each the share by which
    its energy, averaged over neighbouring windows, exceeds that of the noise; the second takes what the first found for
    the energy of the missed detail, as the second stage of BM3D does (Dabov et al., IEEE TIP 2007). Coloured noise has
    little energy at high frequencies, so these come back almost unharmed. The noise's correlation r of neighbours is
    taken to be r^(d^2) at distance d.

    Args:
        residual: y - x, or y for an estimate of nothing yet.
        noise: of y.
        stride: every so many windows along y and x, a divisor of 6; 2 takes a quarter of the time.
    """
    b, c, height, width = residual.shape
    edge, around = SIDE - stride, AROUND // stride // 2 * 2 + 1
    borders = (edge, edge + -width % stride, edge, edge + -height % stride)
    basis = cosines(SIDE, residual)
    kernels = torch.einsum("uy,vx->uvyx", basis, basis).reshape(SIDE**2, SIDE**2)
    expected = _energy(noise, basis, residual).reshape(b * c, SIDE**2, 1, 1)
    sides = (height + borders[2] + borders[3], width + borders[0] + borders[1])
    counts = ((sides[0] - SIDE) // stride + 1, (sides[1] - SIDE) // stride + 1)

    # As products of matrices, coefficients last in memory: a third of the time of convolutions, and closer to float64.
    def windows(x: Tensor) -> Tensor:
        cut = unfold(pad(x, borders, mode="replicate"), SIDE, stride=stride)
        return (cut.transpose(1, 2) @ kernels.T).transpose(1, 2).unflatten(2, counts)

    def joined(coefficients: Tensor) -> Tensor:
        whole = fold(kernels.T @ coefficients.flatten(2), sides, SIDE, stride=stride) / (SIDE // stride) ** 2
        return whole[..., edge : edge + height, edge : edge + width]

    found = windows(residual.reshape(b * c, 1, height, width))
    rows = avg_pool2d(found**2, (around, 1), 1, (around // 2, 0), count_include_pad=False)
    energy = avg_pool2d(rows, (1, around), 1, (0, around // 2), count_include_pad=False)
    share = energy.clamp_(min=1e-30).reciprocal_().mul_(-STRICT * expected).add_(1).clamp_(min=0)
    detail = windows(joined(share.mul_(found))).square_()
    share = detail.div_(detail + expected)
    return joined(share.mul_(found)).reshape(b, c, height, width)


def cosines(length: int, like: Tensor) -> Float[Tensor, "u y"]:
    """The orthonormal cosine transform of so many values."""
    place = torch.arange(length, dtype=like.dtype, device=like.device)
    basis = torch.cos(math.pi * (place + 0.5) * place[:, None] / length) * math.sqrt(2 / length)
    basis[0] /= math.sqrt(2)
    return basis


def _energy(noise: Noise, basis: Tensor, like: Tensor) -> Float[Tensor, "b c uv"]:
    """Mean square of each coefficient of the noise, at the middle of the range."""
    place = torch.arange(SIDE, dtype=like.dtype, device=like.device)
    apart = (place - place[:, None]) ** 2
    alike = noise.correlation.to(like).clamp(min=0)[..., None, None] ** apart  # 0^0 is 1
    axes = torch.einsum("uy,bayx,ux->bau", basis, alike, basis)
    shares = (axes[:, 0, :, None] * axes[:, 1, None, :]).flatten(1)
    level = noise.nominal(torch.full_like(like[:, :, 0, 0], 0.5)) ** 2
    return level[..., None] * shares.clamp(min=FLOOR)[:, None]
