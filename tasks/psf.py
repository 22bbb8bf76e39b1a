"""The point spread function of a collection, from its facts: read once, checked, and carried with the plan."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.degradations import Blur, Degradation, Identity, Mask, gaussian_psf
from il_models.method import Method
from tasks.catalog.facts import Facts, GaussianPsf, PsfPlanes
from tasks.errors import InputError, RequestError
from tasks.readers import open_input
from tasks.stores.place import Place

LARGEST = 129  # px a side
FLUX = 0.01  # by which a PSF's sum may miss 1; what is less is rounding, and is divided away
DARK = 1e-3  # of the largest value: what may lie below zero


def inverts_blur(method: Method, facts: Facts) -> bool:
    """Whether a method undoes the collection's blur: it can, and the facts say what the blur is."""
    return facts.psf is not None and Blur in method.serves


def with_psf(collection: str, facts: Facts, method: Method) -> Facts:
    """The facts with the pixels of their PSF, where the method will undo it; otherwise as they are.

    Raises:
        RequestError: the method needs a PSF and there is none, it cannot be read, or it is none.
    """
    if set(method.serves) == {Mask}:
        raise RequestError(
            f"{method.name} fills gaps and does nothing else; name it in the recipe as fill: {{method: {{name: "
            f"{method.name}}}}}, beside a method that removes noise, or `identity`."
        )
    if not {Blur, Identity} & set(method.serves):
        raise RequestError(
            f"{method.name} enlarges images, which the pipeline cannot do yet; docs/zoom.md shows it in Python."
        )
    if not inverts_blur(method, facts):
        if Identity not in method.serves:
            raise RequestError(
                f"{method.name} sharpens by a known point spread function, and '{collection}' states none; give its "
                "entry in the catalogue `psf: FILE`, or `psf: {kind: gaussian, fwhm: PIXELS}`."
            )
        return facts
    if getattr(facts.noise, "kind", None) == "speckle":
        raise RequestError(f"'{collection}' has speckle, which {method.name} cannot sharpen yet; denoise it instead.")
    if isinstance(facts.psf, GaussianPsf):
        planes = gaussian_psf(facts.psf.fwhm)[0].numpy()
    elif isinstance(facts.psf, str):
        planes = checked_psf(_read(facts.psf), f"The PSF of '{collection}', {facts.psf},")
    else:
        return facts
    values = tuple(tuple(tuple(float(f"{v:.9g}") for v in row) for row in plane) for plane in planes)
    return facts.model_copy(update={"psf": PsfPlanes(values=values)})


def checked_psf(found: NDArray[np.generic], what: str) -> NDArray[np.float64]:
    """Planes (channels or 1, height, width) of odd sides that sum to 1.

    Args:
        found: as read. what: for the sentences.

    Raises:
        RequestError: it is no PSF.
    """
    planes = np.asarray(found, dtype=np.float64)
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.ndim != 3 or min(planes.shape) < 1:
        raise RequestError(
            f"{what} has {found.ndim} axes of {found.shape}; expected one plane (y, x), or one per channel (c, y, x). "
            "Planes of a stack are sharpened one by one: give the PSF of a plane in focus."
        )
    if max(planes.shape[1:]) > LARGEST:
        raise RequestError(
            f"{what} is {planes.shape[1]} x {planes.shape[2]} px, more than {LARGEST}; cut it to where its light is, "
            "and see that it is sampled as the images are."
        )
    if not np.isfinite(planes).all() or planes.min() < -DARK * planes.max():
        raise RequestError(f"{what} holds values below zero, or none at all; take its background off.")
    sums = planes.sum((1, 2))
    if np.abs(sums - 1).max() > FLUX:
        raise RequestError(
            f"{what} sums to {sums[np.abs(sums - 1).argmax()]:.4g}, not to 1, so that brightness would change; divide "
            "it by its sum."
        )
    planes = np.pad(planes.clip(min=0), ((0, 0), *((0, 1 - side % 2) for side in planes.shape[1:])))
    return planes / planes.sum((1, 2), keepdims=True)


def border_of(method: Method, facts: Facts) -> int:
    """Pixels that a tile must borrow, so that all light of what it owns is in its window; 0 if no PSF is undone."""
    if not isinstance(facts.psf, PsfPlanes) or not inverts_blur(method, facts):
        return 0
    plane = facts.psf.values[0]
    return max(len(plane), len(plane[0])) // 2


def psf_of(method: Method, facts: Facts) -> torch.Tensor | None:
    """The planes of the PSF that a method is to undo, (channels or 1, k, l); None: none."""
    if not isinstance(facts.psf, PsfPlanes) or not inverts_blur(method, facts):
        return None
    return torch.tensor(facts.psf.values, dtype=torch.float32)


def degradation_of(psf: torch.Tensor | None, name: str, channels: Sequence[slice], device: torch.device) -> Degradation:
    """That of some tiles, each of whose channels has its own PSF, or all the same.

    Args:
        psf: as `psf_of` gives it. name: of an input, for the sentence. channels: of each tile.

    Raises:
        InputError: the PSF is of another number of channels.
    """
    if psf is None:
        return Identity()
    if len(psf) == 1:
        return Blur(psf[None].to(device))
    if len(psf) < max(each.stop for each in channels):
        raise InputError(
            f"'{name}' has more channels than the {len(psf)} of its PSF; give one plane for all "
            "channels, or one for each."
        )
    return Blur(torch.stack([psf[each] for each in channels]).to(device))


def _read(uri: str) -> NDArray[np.generic]:
    try:
        if uri.endswith(".npy"):
            folder, _, name = uri.rpartition("/")
            return np.asarray(np.load(io.BytesIO(Place(folder or ".").read(name)), allow_pickle=False))
        return np.asarray(open_input(uri, Facts(title="psf", source=uri)).compute(scheduler="synchronous"))
    except (InputError, OSError, ValueError) as error:
        raise RequestError(f"The PSF '{uri}' cannot be read: {error}") from None
