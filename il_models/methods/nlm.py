"""Non-local means: the classical control beside which every learned result is judged."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from il_models.method import Direct
from il_models.nonlocal_means import patch_means
from il_models.problem import Problem

H = 0.9  # chosen on Set12 at sigma 15, 25 and 50 and on seven of BSD68 at 25, and never per image
SCALES = (0.6, 0.7, 0.85, 1.0, 1.2, 1.45)  # of the stated noise level, that a calibrated tile chooses from
LEAST_SIDE = 16  # px of a tile that is calibrated


@dataclass(frozen=True, kw_only=True)
class NonLocalMeans(Direct):
    """Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005 (`il_models.nonlocal_means`).

    Each pixel becomes a mean of its neighbourhood, weighted by how alike the surrounding patches are. Needs the noise
    level; the channels decide together.

    h = "calibrated" doubts that level, and asks each tile: of SCALES, by which the level is multiplied, it takes the
    one of least self-supervised loss, over one grid of 16, whose pixels are predicted from the others (Batson and
    Royer, "Noise2Self", ICML 2019; scikit-image's calibrate_denoiser). It is not the default: where the level is right,
    h = 0.9 is better by 0.3 dB in an eighth of the time (benchmarks/results/nonlocal_means.md). Where
    the level is stated 30 % too low or too high, calibration won 2.2 and 0.8 dB on three pictures of Set12, and 1.9 and
    0.65 dB on four real pairs; at the level that is estimated from these, 0.1 dB, all of it on the one whose noise is
    misjudged (these with scikit-image's filter, which was the control before). A risk that is
    probed goes wrong where the probe moves a tile to another scale.
    """

    name: ClassVar[str] = "nlm"
    summary: ClassVar[str] = "non-local means, the classical control: no fit, needs the noise level"
    source: ClassVar[str] = "Buades, Coll and Morel, CVPR 2005; Goossens et al., LNLA 2008 (the weights)"
    assumes_white_noise: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True

    patch_size: int = 5
    patch_distance: int = 6
    h: float | Literal["calibrated"] = H  # cut-off in units of sigma

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
        y = problem.y / sigma
        settings = {"patch_size": self.patch_size, "patch_distance": self.patch_distance}
        if self.h != "calibrated":
            return patch_means(y, h=self.h, scale=1.0, **settings) * sigma
        scales = [_calibrated_scale(one[None], settings) for one in y]
        each = [patch_means(one[None], h=H, scale=scale, **settings) for one, scale in zip(y, scales, strict=True)]
        return torch.cat(each) * sigma


def _calibrated_scale(y: Tensor, settings: dict[str, int]) -> float:
    """The scale of least self-supervised loss for one tile (1, c, *s); 1 where it is too small to tell."""
    from skimage.restoration import calibrate_denoiser

    if min(y.shape[2:]) < LEAST_SIDE:
        return 1.0
    alone = y.shape[1] == 1

    def filtered(image: NDArray[np.floating], **chosen: Any) -> NDArray[np.floating]:
        tile = torch.from_numpy(image).to(y)
        tile = tile[None, None] if alone else tile.movedim(-1, 0)[None]
        found = patch_means(tile, **settings, **chosen)[0]
        return (found[0] if alone else found.movedim(0, -1)).cpu().numpy()

    image = (y[0, 0] if alone else y[0].movedim(0, -1).contiguous()).cpu().numpy()
    _, (tried, losses) = calibrate_denoiser(image, filtered, {"h": [H], "scale": SCALES}, extra_output=True)
    return float(tried[int(np.argmin(losses))]["scale"])
