"""Pictures inside the wheels of scikit-image and scikit-learn: what the starts that ship were learned from."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import RequestError
from tasks.learning.material import Material, clean_material
from tasks.learning.planes import Plane, greys, resized
from tasks.learning.trials import Trial, clean_trials
from tasks.readers.picture import stored_picture
from tasks.registry.card import TrainingInput

# In this order, for a step draws its planes by their place.
SCIKIT_IMAGE = (
    "astronaut.png", "brick.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "motorcycle_left.png", "motorcycle_right.png", "page.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip
SCIKIT_LEARN = ("china.jpg", "flower.jpg")
HELD_OUT = ("camera.png", "cell.png", "ihc.png", "microaneurysms.png", "moon.png")  # in the demonstration, and in tests
# By what the docstrings of skimage.data and the README of sklearn.datasets.images say.
LICENCE = (
    "Weights: BSD-3-Clause. Pictures: public domain, CC0 or no known copyright restrictions, but china and flower, "
    "which are CC BY 2.0 (danielbuechele and vultilion on Flickr), and page and motorcycle_* (Middlebury stereo 2014), "
    "of which scikit-image states no licence."
)


def packaged_material() -> Material:
    """All pictures but those that are held out, at several sizes, in grey and colour by colour.

    Raises:
        RequestError: scikit-learn is not installed.
    """
    planes, inputs = packaged_planes()
    told = f"{', '.join(Path(name).stem for name in HELD_OUT)} of scikit-image, grey, the middle 256 x 256 px"
    return clean_material(planes, packaged_trials(), inputs, told, LICENCE)


def packaged_planes() -> tuple[list[Plane], list[TrainingInput]]:
    """The planes of all pictures but those that are held out, and what the card says of them.

    Raises:
        RequestError: scikit-learn is not installed.
    """
    pictures = {file.stem: picture(file) for file in _files()}
    planes = [plane for each in pictures.values() for grey in greys(each) for plane in resized(grey)]
    return planes, [made_from(name, each) for name, each in pictures.items()]


def held_out_planes() -> dict[str, Plane]:
    """The pictures that are held out, in grey, by name."""
    folder = _folder("skimage", "scikit-image") / "data"
    return {Path(name).stem: resized(next(iter(greys(picture(folder / name)))))[0] for name in HELD_OUT}


def packaged_trials() -> list[Trial]:
    """Measurements of the pictures that are held out."""
    return [trial for name, plane in held_out_planes().items() for trial in clean_trials(name, plane)]


def picture(file: Path) -> NDArray[np.generic]:
    """The pixels of a picture, (h, w) or (h, w, 3)."""
    stored = stored_picture(str(file)).pixels
    return np.ascontiguousarray(stored[tuple(slice(0, n) for n in stored.shape)])


def made_from(name: str, pixels: NDArray[np.generic]) -> TrainingInput:
    """What the card says of pixels."""
    return TrainingInput(name, pixels.shape, hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest())


def _files() -> list[Path]:
    images = _folder("skimage", "scikit-image") / "data"
    samples = _folder("sklearn", "scikit-learn") / "datasets" / "images"
    return [*(images / name for name in SCIKIT_IMAGE), *(samples / name for name in SCIKIT_LEARN)]


def _folder(package: str, distribution: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RequestError(
            f"The packaged pictures need {distribution}, which is not installed: pip install 'selfmend[starts]'; or "
            "name a collection to learn from."
        )
    return Path(spec.origin).parent
