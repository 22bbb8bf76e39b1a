"""Figures of b tiles, shape (b,), over the pixels that were measured."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ROBUST = 3.0  # deviations beyond so many robust standard deviations are pulled in


def mean(x: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]) -> Float[Tensor, " b"]:
    """Mean over channels and measured pixels; 0 for a tile without any."""
    kept = mask.expand_as(x)
    return torch.where(kept, x, torch.zeros_like(x)).flatten(1).sum(1) / kept.flatten(1).sum(1).clamp(min=1)


def std(x: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]) -> Float[Tensor, " b"]:
    """Standard deviation over channels and measured pixels, around one mean."""
    centred = x - mean(x, mask).reshape(-1, *[1] * (x.ndim - 1))
    return mean(centred**2, mask).sqrt()


def standard_error(x: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]) -> Float[Tensor, " b"]:
    """Standard error of the mean over channels and measured pixels, for values that are independent of each other."""
    return std(x, mask) / (mask.flatten(1).sum(1) * x.shape[1]).clamp(min=1).sqrt()


def mse(
    x: Float[Tensor, "b c *s"], reference: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]
) -> Float[Tensor, " b"]:
    """Mean squared error over channels and measured pixels."""
    return mean((x - reference) ** 2, mask)


def psnr(
    x: Float[Tensor, "b c *s"],
    reference: Float[Tensor, "b c *s"],
    peak: float | Float[Tensor, " b"],
    mask: Bool[Tensor, "b 1 *s"],
) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio in dB; peak is the data range, one for all or one per tile."""
    level = torch.as_tensor(peak, dtype=x.dtype, device=x.device)
    return 10 * torch.log10(level**2 / mse(x, reference, mask).clamp(min=1e-30))


def affine_match(
    x: Float[Tensor, "b c *s"], reference: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]
) -> Float[Tensor, "b c *s"]:
    """gain * x + offset, per tile and channel the closest to the reference; for captures on different scales."""
    kept = mask.expand_as(x)
    count = kept.flatten(2).sum(2).clamp(min=1)

    def average(values: Tensor) -> Tensor:
        total = torch.where(kept, values, torch.zeros_like(values)).flatten(2).sum(2) / count
        return total.reshape(*total.shape, *[1] * (x.ndim - 2))

    dx, dr = x - average(x), reference - average(reference)
    gain = average(dx * dr) / average(dx**2).clamp(min=1e-30)
    return gain * dx + average(reference)


def autocorrelation(residual: Float[Tensor, "b c *s"], mask: Bool[Tensor, "b 1 *s"]) -> Float[Tensor, " b"]:
    """Lag-1 autocorrelation of a residual, the mean of the last two axes; 0 where no two neighbours were measured.

    Each channel's deviations from its median are pulled in to 3 robust standard deviations (1.4826 times the median
    deviation), so that a few edges, hot pixels or cosmic rays do not decide it.
    """
    kept = mask.expand_as(residual)
    flat = residual.masked_fill(~kept, torch.nan).flatten(2)
    centred = flat - flat.nanmedian(2, keepdim=True).values
    reach = ROBUST * 1.4826 * centred.abs().nanmedian(2, keepdim=True).values
    pulled = torch.where(reach > 0, centred.clamp(-reach, reach), centred).nan_to_num().reshape(residual.shape)
    count = kept.flatten(2).sum(2).clamp(min=1).reshape(*reach.shape[:2], *[1] * (residual.ndim - 2))
    pulled = torch.where(kept, pulled - pulled.flatten(2).sum(2).reshape(count.shape) / count, torch.zeros_like(pulled))
    power = mean(pulled**2, mask).clamp(min=1e-30)
    axes = [axis for axis in (-1, -2) if residual.shape[axis] > 1 and residual.ndim + axis > 1]
    lagged = [_lag_product(pulled, mask, axis) for axis in axes]
    return torch.stack(lagged).mean(0) / power if lagged else torch.zeros_like(power)


def _lag_product(x: Tensor, mask: Tensor, axis: int) -> Tensor:
    length = x.shape[axis] - 1
    both = mask.narrow(axis, 0, length) & mask.narrow(axis, 1, length)
    return mean(x.narrow(axis, 0, length) * x.narrow(axis, 1, length), both)
