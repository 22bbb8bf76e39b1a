"""How far pixels are from their clean twin: PSNR on the scale of the input."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from il_models.metrics import affine_match, psnr
from tasks.measured import Pixels, Valid
from tasks.tiles import Tile


def on_scale_of(image: Pixels, clean: Pixels, valid: Valid) -> Pixels:
    """A clean twin with the gain and offset per channel that bring it closest to an image, where the two are valid.

    For captures that do not share an intensity scale. The twin is moved and not the image, for the peak of a PSNR, its
    noise and its risk are on the scale of the input; and what is fitted is the noisy to the clean, so that noise does
    not lower the gain.

    Args:
        image: (c, h, w) in data units; the measurement, or where that is blurred or coarse its restoration.
        clean: of the same shape, in any units. valid: (h, w).
    """
    mask = torch.from_numpy(valid & np.isfinite(clean).all(0) & np.isfinite(image).all(0))[None, None]
    anchor, twin = (torch.from_numpy(np.nan_to_num(each).astype(np.float32))[None] for each in (image, clean))
    return np.where(np.isfinite(clean), affine_match(twin, anchor, mask)[0].numpy(), np.float32(np.nan))


def peak_of(tile: Tile) -> float:
    """Of every PSNR of a tile, in data units: the scale of its input, mean of the tile's channels."""
    return float(np.mean(tile.entry.survey.scale[tile.window.channels]))


def true_psnr(tile: Tile, estimate: Pixels, control: Pixels | None, clean: Pixels) -> dict[str, Any]:
    """True PSNR in dB of measurement, estimate and control against a clean twin over the pixels that the tile owns.

    Args:
        estimate, control, clean: (c, h, w) in data units, on the grid of the image.
    """
    named = {"psnr_noisy": tile.measured, "psnr": estimate} | ({} if control is None else {"psnr_control": control})
    return {name: _psnr(tile, pixels, clean, tile.valid) for name, pixels in named.items()}


def psnr_where(tile: Tile, image: Pixels, clean: Pixels, where: NDArray[np.bool_]) -> float | None:
    """True PSNR in dB against a clean twin over those (h, w) that a tile owns, and None where there are none."""
    return _psnr(tile, image, clean, where) if bool(_compared(tile, clean, where).any()) else None


def _psnr(tile: Tile, image: Pixels, clean: Pixels, where: NDArray[np.bool_]) -> float | None:
    x, twin = (torch.from_numpy(np.where(where, pixels, np.float32(0)))[None] for pixels in (image, clean))
    value = float(psnr(x, twin, peak_of(tile), _compared(tile, clean, where)))
    return value if np.isfinite(value) else None


def _compared(tile: Tile, clean: Pixels, where: NDArray[np.bool_]) -> Tensor:
    """Of some pixels (h, w) those that the tile owns and the twin knows, (1, 1, h, w)."""
    owned = np.zeros_like(where)
    owned[tile.image_core] = where[tile.image_core]
    return torch.from_numpy(owned & np.isfinite(clean).all(0))[None, None]
