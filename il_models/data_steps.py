"""How iterative methods hold an image to its measurement: the data steps that they share, over the measured pixels."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.degradations.solving import conjugate_gradients
from il_models.draw import Draw
from il_models.metrics import mean
from il_models.problem import Problem

SALT = 0x1EF7
SMOOTH = 9  # px, side of the box whose mean tells how noisy a pixel is: its weight must not depend on its own noise


def noise_level(problem: Problem) -> Float[Tensor, "b 1 1 1"]:
    """Root mean variance of the noise of each tile, over channels and measured pixels."""
    return mean(problem.noise.nominal(_smooth(problem.y)) ** 2, problem.mask).sqrt().reshape(-1, 1, 1, 1)


def weights(problem: Problem) -> Float[Tensor, "b c h w"]:
    """What each pixel counts: the tile's noise variance over its own, and 0 where nothing was measured."""
    variance = problem.noise.nominal(_smooth(problem.y)) ** 2
    return torch.where(problem.mask, noise_level(problem) ** 2 / variance.clamp(min=1e-24), torch.zeros_like(variance))


def passed(problem: Problem) -> Float[Tensor, "b c"]:
    """Power that A leaves of white noise, tr(A A^T) per measured pixel; exactly 1 where A picks pixels out.

    Along random signs: Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990.
    """
    kept = problem.mask.expand_as(problem.y)
    signs = Draw(problem.seeds ^ SALT).signs(*problem.y.shape[1:]).to(problem.y) * kept
    return problem.A.adjoint(signs).square().flatten(2).sum(2) / kept.flatten(2).sum(2).clamp(min=1)


def prox(
    problem: Problem, weight: Float[Tensor, "b c h w"], z: Float[Tensor, "b c v u"], alpha: Float[Tensor, "b 1 1 1"]
) -> Float[Tensor, "b c v u"]:
    """The x that minimises sum weight (A x - y)^2 + alpha |x - z|^2, by conjugate gradients from z."""
    A = problem.A
    right = A.adjoint(weight * problem.y) + alpha * z
    return conjugate_gradients(lambda x: A.adjoint(weight * A(x)) + alpha * x, right, z)


def damping(problem: Problem, share: float, floor: float) -> Float[Tensor, "b 1 1 1"]:
    """What keeps A+ from raising noise: `share` of its variance, plus `floor`, with noise in units of 0 to 255."""
    return share * (255 * noise_level(problem)) ** 2 + floor


def whitened(
    problem: Problem, off: Float[Tensor, "b c h w"], damp: Float[Tensor, "b 1 1 1"], tolerance: float = 1e-4
) -> Float[Tensor, "b c h w"]:
    """(A A^T + damp)^-1 off over the measured pixels, 0 at the others: what is weakly seen weighs as all the rest.

    A^T of it is A+ off, and its product with `off` is |A+ off|^2, as far as the damping lets them.
    """
    A, mask = problem.A, problem.mask
    off = torch.where(mask, off, torch.zeros_like(off))
    inner = conjugate_gradients(
        lambda v: mask * A(A.adjoint(mask * v)) + damp * v, off, torch.zeros_like(off), tolerance=tolerance
    )
    return mask * inner


def back_projected(
    problem: Problem, z: Float[Tensor, "b c v u"], damp: Float[Tensor, "b 1 1 1"]
) -> Float[Tensor, "b c v u"]:
    """z + A^T (A A^T + damp)^-1 (y - A z): the image nearest to z that agrees with y, the more damped the less.

    Tirer and Giryes, "Image restoration by iterative denoising and backward projections", IEEE TIP 2019, eq. 14.
    """
    return z + problem.A.adjoint(whitened(problem, problem.y - problem.A(z), damp))


def projected_misfit(
    problem: Problem, x: Float[Tensor, "b c v u"], damp: Float[Tensor, "b 1 1 1"], tolerance: float = 1e-2
) -> Float[Tensor, " b"]:
    """Mean over the measured pixels of r (A A^T + damp)^-1 r with r = A x - y: |A+ r|^2 but for the damping."""
    off = problem.A(x) - problem.y
    even = whitened(problem, off.detach(), damp, tolerance)
    # The form is quadratic: its gradient is twice `even`, through which nothing need flow.
    return mean(2 * off * even - (off * even).detach(), problem.mask)


def descended(
    problem: Problem, weight: Float[Tensor, "b c h w"], z: Float[Tensor, "b c v u"], step: float
) -> Float[Tensor, "b c v u"]:
    """z - step A^T weight (A z - y): one step down the data term."""
    return z - step * problem.A.adjoint(weight * (problem.A(z) - problem.y))


def _smooth(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    return functional.avg_pool2d(y, SMOOTH, 1, SMOOTH // 2, count_include_pad=False)
