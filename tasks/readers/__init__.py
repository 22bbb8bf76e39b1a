"""Readers, one format per file: the folder is the registry.

A reader is a module with
    SUFFIXES: the extensions it may read (a scheme like 'skimage://' stands for one),
    claims(uri) -> bool: whether this very file is its own; cheap, and at most one reader says yes,
    open(uri, facts) -> xarray.DataArray: the image, lazy, in the form that `open_input` promises.
Names that begin with '_' are what readers share.
"""

import importlib
from functools import cache
from typing import TYPE_CHECKING, Protocol

from tasks.catalog.facts import Facts, reader_names
from tasks.catalog.locations import scheme, split_variable, suffix
from tasks.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


class Reader(Protocol):
    """What a module of this folder must say."""

    SUFFIXES: tuple[str, ...]

    def claims(self, uri: str) -> bool:
        """Whether this file is its own."""

    def open(self, uri: str, facts: Facts) -> "xr.DataArray":
        """The image, lazy."""


@cache
def known_readers() -> dict[str, Reader]:
    """Every reader by its name, which is the name of its file."""
    return {name: importlib.import_module(f"{__name__}.{name}") for name in reader_names()}


@cache
def known_suffixes() -> tuple[str, ...]:
    """Every extension that some reader may read."""
    return tuple(sorted({end for reader in known_readers().values() for end in reader.SUFFIXES}))


def readable(uri: str) -> bool:
    """Whether some reader may read it, judged by the name alone."""
    return suffix(uri) in known_suffixes() or f"{scheme(uri)}://" in known_suffixes()


def reader_for(uri: str, facts: Facts) -> str:
    """Name of the reader of a file or store. Raises InputError where none knows it."""
    if facts.reader is not None:
        return facts.reader
    name = next((name for name, reader in known_readers().items() if reader.claims(uri)), None)
    if name is None:
        raise InputError(
            f"'{uri}' is not supported ({suffix(uri) or 'no extension'}); convert it to OME-TIFF or OME-Zarr. "
            f"Known are {', '.join(known_suffixes())}."
        )
    return name


def open_input(uri: str, facts: Facts, mask: str | None = None, guide: str | None = None) -> "xr.DataArray":
    """An input as a lazy image: nothing of its pixels is read before a window of it is computed.

    Dimensions are some of t, c, z, y, x, in that order, y and x always among them. Values are as stored: whole or real
    numbers of up to 32 (64) bits, neither scaled nor masked. Coordinates: names of the channels along c; for
    georeferenced images y, x and `spatial_ref` as rioxarray wants them. Attributes:
        layout: 'geo' with a CRS, ground control points or a geotransform, else 'ngff'.
        pixel_size, unit: by dimension, where known (t in seconds).
        nodata: value of pixels that were not measured, or None.
        scale_factor, add_offset: where the file has them; a number, or one per band. Never applied.
        source_chunks: by dimension, the smallest piece that can be read by itself.
        notes: what was left out or changed on reading, as sentences.

    Args:
        mask: URI of the input's mask, which becomes the coordinate `mask`, lazy as well: tasks/measured.py reads it.
        guide: URI of finer bands, which become the attribute `guide`, lazy and placed: tasks/guides.py reads them.

    Raises InputError, in one sentence, where the file is missing, broken, not supported or not as the facts say; also
    while pixels are computed, where only they are broken.
    """
    from tasks.catalog.locations import check_there
    from tasks.readers._guiding import with_guide
    from tasks.readers._masked import with_mask

    check_there(split_variable(uri)[0])
    image = known_readers()[reader_for(uri, facts)].open(uri, facts)
    if mask is not None and facts.mask is not None:
        image = with_mask(image, open_input(mask, Facts(title="mask", source=mask)), mask, facts.mask)
    if guide is not None and facts.guide is not None:
        image = with_guide(image, open_input(guide, Facts(title="guide", source=guide, nodata=facts.nodata)), guide)
    return image
