"""Non-local means: the classical control beside which every learned result is judged."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.method import Direct
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class NonLocalMeans(Direct):
    """Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005, in the fast form of scikit-image.

    Each pixel becomes a mean of its neighbourhood, weighted by how alike the surrounding patches are. Needs the noise
    level; the channels decide together.
    """

    name: ClassVar[str] = "nlm"
    summary: ClassVar[str] = "non-local means, the classical control: no fit, needs the noise level"
    source: ClassVar[str] = "Buades, Coll and Morel, CVPR 2005; scikit-image (BSD-3)"
    assumes_white_noise: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True

    patch_size: int = 5
    patch_distance: int = 6
    h: float = 0.7  # cut-off in units of sigma; chosen on three of Set12 at sigma 15, 25 and 50, and never per image

    @property
    def reach(self) -> int:
        """The furthest patch that is compared, and half a patch more."""
        return self.patch_distance + self.patch_size // 2

    def work(self, pixels: int, channels: int) -> float:
        """One running sum per displacement; the fast form does not depend on the patch."""
        return 10.0 * (2 * self.patch_distance + 1) ** 2 * pixels * channels

    def estimate(self, problem: Problem) -> Float[Tensor, "b c *s"]:
        """Weighted means, tile by tile; channels count in units of their noise at the tile's mean."""
        levels = problem.y.flatten(2).mean(2)
        # Nominal: where photons are few, smoothing more than the noise asks for is better by up to 0.2 dB.
        sigma = problem.noise.nominal(levels).reshape(*levels.shape, *[1] * (problem.y.ndim - 2))
        return torch.stack([self._one(y) for y in problem.y / sigma]) * sigma

    def _one(self, y: Tensor) -> Tensor:
        """One tile (c, *s) whose noise has unit variance."""
        from skimage.restoration import denoise_nl_means

        alone = len(y) == 1
        image = y[0] if alone else y.movedim(0, -1).contiguous()
        result = denoise_nl_means(
            image.cpu().numpy(),
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.h,
            sigma=1.0,
            fast_mode=True,
            preserve_range=True,
            channel_axis=None if alone else -1,
        )
        # scikit-image drops axes of length 1
        restored = torch.from_numpy(result.reshape(image.shape)).to(y)
        return restored[None] if alone else restored.movedim(-1, 0)
