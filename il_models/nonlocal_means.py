"""Each pixel as a mean of those whose surroundings look alike: a method of its own, and the prior of others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def patch_means(image: NDArray[np.floating], *, h: float, scale: float, **settings: Any) -> NDArray[np.floating]:
    """Non-local means of an image whose noise has the standard deviation `scale`, with the cut-off in units of it.

    Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005, in the fast form of scikit-image.

    Args:
        image: (h, w), or with an axis of channels, which then decide together.
        h: cut-off.
        settings: patch_size, patch_distance and channel_axis of scikit-image.
    """
    from skimage.restoration import denoise_nl_means

    found = denoise_nl_means(image, h=h * scale, sigma=scale, fast_mode=True, preserve_range=True, **settings)
    return np.asarray(found)
