"""Smooth surfaces over what was not measured."""

import numpy as np
import scipy  # its parts are loaded when they are used: a second of every process
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

FAR = 48  # px: further from all that was measured a surface is as good as the nearest pixel, and dear


def interpolated(y: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """y where the mask is True, and between these pixels the surface of least bending (biharmonic equation).

    Damelin and Hoang, "On surface completion and image inpainting by biharmonic functions", 2018, as scikit-image
    solves it. Further than FAR from all measured pixels the value of the nearest; without any, y as it is.
    """
    if bool(mask.all()):
        return y
    tiles = [_one(plane.cpu().numpy(), known.cpu().numpy()[0]) for plane, known in zip(y, mask, strict=True)]
    return torch.from_numpy(np.stack(tiles)).to(y)


def nearest(y: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """y (c, h, w), and where the mask (h, w) is False the value of the nearest pixel where it is True."""
    if mask.all() or not mask.any():
        return y
    rows, columns = scipy.ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(y[:, rows, columns])


def _one(y: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    from skimage.restoration import inpaint_biharmonic

    y = nearest(y, mask)
    if mask.all() or not mask.any():
        return y
    unknown = ~mask & (scipy.ndimage.distance_transform_edt(~mask) <= FAR)
    surface = inpaint_biharmonic(np.moveaxis(y, 0, -1).astype(np.float64), unknown, channel_axis=-1)
    return np.moveaxis(surface, -1, 0).astype(y.dtype)
