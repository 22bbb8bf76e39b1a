"""What lies between image and measurement, as far as a recipe undoes it: a blur, coarser pixels, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.degradations import Blur, Degradation, Downsample, Guided, Identity, Mask, Subsample
from il_models.methods import known_methods
from tasks.catalog.companions import GaussianPsf, Optics, PsfPlanes, SampledPsf
from tasks.catalog.facts import Facts
from tasks.errors import InputError, RequestError
from tasks.optics import pixel_nanometres, psf_of_optics, stated_pixel
from tasks.psf import psf_from_file, psf_of_width
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.recipe_parts import Zoom

WORDS: dict[type[Degradation], str] = {  # what methods do that serve one of these
    Identity: "removes noise",
    Blur: "sharpens",
    Downsample: "enlarges",
    Subsample: "enlarges",
    Mask: "fills gaps",
    Guided: "sharpens bands by finer ones",
}


@dataclass(frozen=True)
class Instrument:
    """What a method undoes. Measurement and image have the same borders, whatever their pixels are.

    psf: (channels or 1, k, l), sampled on the grid of the image; None: none. zoom: how much finer the image's grid is,
    and what a measured pixel sees of it; None: it is that of the measurement.
    """

    psf: torch.Tensor | None = None
    zoom: Zoom | None = None

    @property
    def enlarges(self) -> bool:
        """Whether the image has more pixels than were measured."""
        return self.zoom is not None

    def degradation(self, name: str, channels: Sequence[slice], device: torch.device) -> Degradation:
        """A of some tiles, each of whose channels has its own PSF, or all the same.

        Args:
            name: of an input, for the sentence. channels: of each tile.

        Raises:
            InputError: the PSF is of another number of channels.
        """
        if self.psf is None:
            assert self.zoom is not None
            assert self.zoom.kernel != "psf"
            return Downsample(self.zoom.factor, self.zoom.kernel)
        planes = self._planes(self.psf, name, channels).to(device)
        return Blur(planes) if self.zoom is None else Subsample(planes, self.zoom.factor, "centre")

    @staticmethod
    def _planes(psf: torch.Tensor, name: str, channels: Sequence[slice]) -> torch.Tensor:
        if len(psf) == 1:
            return psf[None]
        if len(psf) < max(each.stop for each in channels):
            raise InputError(
                f"'{name}' has more channels than the {len(psf)} of its PSF; give one plane for all "
                "channels, or one for each."
            )
        return torch.stack([psf[each] for each in channels])


def undone_by(recipe: Recipe, facts: Facts) -> type[Degradation]:
    """The kind of degradation that a recipe undoes: what it enlarges, or the blur of the facts if its method can."""
    if recipe.zoom is not None and facts.guide is not None and Guided in recipe.restoration().serves:
        return Guided
    if recipe.zoom is not None:
        return Subsample if recipe.zoom.kernel == "psf" else Downsample
    return Blur if facts.psf is not None and Blur in recipe.restoration().serves else Identity


def instrument_of(recipe: Recipe, facts: Facts) -> Instrument | None:
    """What a recipe's method undoes of what settled facts say; None: only noise."""
    kind = undone_by(recipe, facts)
    if kind is Identity:
        return None
    planes = facts.psf.values if isinstance(facts.psf, PsfPlanes) and _through_psf(recipe, kind) else None
    return Instrument(None if planes is None else torch.tensor(planes, dtype=torch.float32), recipe.zoom)


def _through_psf(recipe: Recipe, kind: type[Degradation]) -> bool:
    return kind is Blur or (recipe.zoom is not None and recipe.zoom.kernel == "psf")


def looked_at(recipe: Recipe, facts: Facts) -> Facts:
    """The facts without a guide, where the recipe's method looks at none: then it is as if there were none."""
    if facts.guide is None or Guided in recipe.restoration().serves:
        return facts
    return facts.model_copy(update={"guide": None})


def border_of(recipe: Recipe, facts: Facts) -> int:
    """Measured pixels that a tile must borrow, so that all light of what it owns is in its window; 0 without a PSF."""
    instrument = instrument_of(recipe, facts)
    if instrument is None or instrument.psf is None:
        return 0
    return -(-(max(instrument.psf.shape[1:]) // 2) // recipe.factor)


def with_psf(collection: str, facts: Facts, recipe: Recipe, example: str | None = None) -> Facts:
    """The facts with the pixels of their PSF on the grid of the image, where the recipe undoes it; else as they are.

    Args:
        example: URI of an input, which is opened where the PSF needs a pixel size that the facts do not state.

    Raises:
        RequestError: the method undoes something else, or needs a PSF and there is none, or it cannot be read.
    """
    kind, method = undone_by(recipe, facts), recipe.restoration()
    if kind not in method.serves:
        raise RequestError(_unserved(collection, recipe, kind))
    if kind is not Identity and getattr(facts.noise, "kind", None) == "speckle":
        does = "enlarge" if recipe.zoom else "sharpen"
        raise RequestError(f"'{collection}' has speckle, which {method.name} cannot {does} yet; denoise it instead.")
    if not _through_psf(recipe, kind) or isinstance(facts.psf, PsfPlanes):
        return facts
    if facts.psf is None:
        raise RequestError(
            f"The recipe's zoom takes pixels to see through a point spread function (kernel: psf), and '{collection}' "
            f"states none; {_PSF}, or set zoom.kernel: bicubic."
        )
    if isinstance(facts.psf, Optics):
        return _with_optics(facts.psf, f"The PSF of '{collection}'", facts, recipe, example)
    if isinstance(facts.psf, GaussianPsf):
        planes = psf_of_width(facts.psf.fwhm, recipe.factor)
    else:
        planes = psf_from_file(facts.psf, f"The PSF of '{collection}', {facts.psf},", recipe.factor)
    return facts.model_copy(update={"psf": PsfPlanes(values=_told(planes))})


def _with_optics(optics: Optics, what: str, facts: Facts, recipe: Recipe, example: str | None) -> Facts:
    pixel = stated_pixel(facts, what)
    if pixel is None:
        try:
            pixel = pixel_nanometres({} if example is None else open_input(example, facts).attrs, what)
        except InputError as error:
            raise RequestError(
                f"{what} needs the size of a pixel, and the first input does not open: {error}"
            ) from None
    planes = psf_of_optics(optics, pixel, what, recipe.factor)
    return facts.model_copy(update={"psf": SampledPsf(values=_told(planes), pixel=pixel)})


def _told(planes: NDArray[np.float64]) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(float(f"{v:.9g}") for v in row) for row in plane) for plane in planes)


_PSF = (
    "give its entry in the catalogue `psf: FILE`, `psf: {kind: gaussian, fwhm: PIXELS}`, or `psf: {kind: optics, na: "
    "NUMBER, wavelength: NANOMETRES}`"
)


def _unserved(collection: str, recipe: Recipe, kind: type[Degradation]) -> str:
    """Why method, zoom and facts do not go together."""
    name = recipe.method.name
    if recipe.restoration().serves == (Guided,):
        if kind is Identity:
            return f"{name} sharpens bands by finer ones, and the recipe does not say by how much; set zoom: 2."
        return (
            f"{name} sharpens bands by finer ones of the same scene, and '{collection}' states none; give its entry in "
            "the catalogue `guide: {source: FILES}`, or take a method that needs none, such as zssr."
        )
    if recipe.zoom is not None:
        others = ", ".join(each for each, method in known_methods().items() if kind in method.serves)
        return (
            f"The recipe enlarges images (zoom), which {name} cannot; leave `zoom` out, or take one of these: {others}."
        )
    if recipe.restoration().serves == (Mask,):
        return (
            f"{name} fills gaps and does nothing else; name it in the recipe as fill: {{method: {{name: {name}}}}}, "
            "beside a method that removes noise, or `identity`."
        )
    if Blur in recipe.restoration().serves:
        return f"{name} sharpens by a known point spread function, and '{collection}' states none; {_PSF}."
    return f"{name} enlarges images, and the recipe does not say by how much; set zoom: 2, or take --recipe zoom_x2."
