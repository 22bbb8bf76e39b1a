"""PSNR and SSIM of restored pixels against their clean twin."""

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.metrics import psnr
from tasks.measured import Pixels, Valid

WINDOW = 11  # px of the Gaussian window of SSIM, sigma 1.5


def scores(image: Pixels, clean: Pixels, valid: Valid, peak: float) -> tuple[float, float | None]:
    """PSNR in dB, and SSIM; None where the image is smaller than its window.

    Args:
        image, clean: (c, h, w) in data units. valid: pixels that count. peak: data range.
    """
    mask = torch.from_numpy(valid & np.isfinite(clean).all(0) & np.isfinite(image).all(0))[None, None]
    x, twin = (torch.from_numpy(np.nan_to_num(each).astype(np.float32))[None] for each in (image, clean))
    alike = _ssim(x[0].numpy(), twin[0].numpy(), mask[0, 0].numpy(), peak)
    return float(psnr(x, twin, peak, mask)), alike


def _ssim(x: Pixels, clean: Pixels, mask: NDArray[np.bool_], peak: float) -> float | None:
    """Mean over the measured pixels, as Wang et al. 2004 define it."""
    from skimage.metrics import structural_similarity

    if min(mask.shape) < WINDOW or not mask.any():
        return None
    _, full = structural_similarity(
        x, clean, data_range=peak, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    return float(full[:, mask].mean())
