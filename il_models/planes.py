"""A tile's channels as planes in units of their noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.problem import Problem
from il_models.residue import cosines

LEAST = 1e-12


@dataclass(frozen=True)
class Planes:
    """z: the channels through an orthonormal cosine transform, in units of their noise, which stays white between them.

    Of several channels the first plane is their mean, with the noise of one. All planes are shifted to where an image
    of values from 0 to 1 is not negative, as a denoiser without a bias has learned it.
    """

    z: Float[Tensor, "b c h w"]
    sigma: Float[Tensor, "b c 1 1"]
    mix: Float[Tensor, "c c"]
    shift: Float[Tensor, "b c 1 1"]

    def image(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Planes as channels, in the units of the problem."""
        return torch.einsum("dc,bdhw->bchw", self.mix, z + self.shift) * self.sigma


def planes_of(problem: Problem) -> Planes:
    """The measurement's planes. The noise is that of each channel at the tile's mean."""
    levels = problem.y.flatten(2).mean(2)
    sigma = problem.noise.nominal(levels).clamp(min=LEAST)[..., None, None]
    mix = cosines(problem.channels, problem.y)
    shift = torch.einsum("dc,bchw->bdhw", mix.clamp(max=0), 1 / sigma)
    return Planes(torch.einsum("dc,bchw->bdhw", mix, problem.y / sigma) - shift, sigma, mix, shift)
