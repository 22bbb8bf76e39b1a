"""Linear systems of b tiles, each solved on its own."""

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(
    system: Callable[[Tensor], Tensor], right: Tensor, first: Tensor, iterations: int = 100, tolerance: float = 1e-4
) -> Tensor:
    """x with system(x) = right, for a symmetric, non-negative system that no tile shares with another.

    Hestenes and Stiefel, J. Res. NBS 1952. A tile that is done no longer moves, whatever its batch mates need. One
    whose numbers are too large to be squared is not solved: it gets nan.

    Args:
        system: the map, on tensors of the shape of `right`, (b, ...).
        first: where to begin; what the system cannot see of it stays.
        iterations: at most.
        tolerance: of the residual, relative to `right`.
    """
    x, residual = first, right - system(first)
    direction, power = residual, _dot(residual, residual)
    enough = tolerance**2 * _dot(right, right)
    for _ in range(iterations):
        going = power > enough
        if not bool(going.any()):
            break
        turned = system(direction)
        curvature = _dot(direction, turned)
        step = torch.where(going & (curvature > 0), power / curvature.clamp(min=1e-38), torch.zeros_like(power))
        x = x + step * direction
        residual = residual - step * turned
        before, power = power, torch.where(going, _dot(residual, residual), power)
        direction = residual + torch.where(going, power / before.clamp(min=1e-38), torch.zeros_like(power)) * direction
    return torch.where(enough.isfinite(), x, torch.full_like(x, torch.nan))


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Inner product of each tile, with axes to multiply it by."""
    return (one * other).flatten(1).sum(1).reshape(-1, *[1] * (one.ndim - 1))
