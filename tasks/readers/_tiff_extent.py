"""Whether a TIFF file holds all that its directories promise. tifffile takes what is left of one without a word."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError

WIDTH, LENGTH, SAMPLES, ROWS, PLANAR, TILE_WIDTH, TILE_LENGTH = 256, 257, 277, 278, 284, 322, 323
OFFSETS, COUNTS = (273, 324), (279, 325)
# Text and numbers that give the image its axes; a broken private tag is nobody's business here.
NEEDED = {270, 50838, 50839, 34735, 33550, 33922, 34264, *OFFSETS, *COUNTS}
GEO_TAGS = {33550, 33922, 34264, 34735, 42112, 42113}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
KINDS = {3: "u2", 4: "u4", 16: "u8", 13: "u4", 18: "u8"}

Tags = Mapping[int, tuple[int, int, bytes]]


@dataclass(frozen=True)
class Layout:
    """How numbers lie in an open file: byte order, and 32 or 64 bits; and where the first directory is."""

    file: BinaryIO
    uri: str
    size: int
    order: str
    big: bool
    first: int

    @property
    def word(self) -> str:
        """Format of a place in the file."""
        return self.order + ("Q" if self.big else "I")


def read_layout(file: BinaryIO, uri: str) -> Layout:
    """The layout of a TIFF. Raises InputError where it is none."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack(order + "H", head[2:4])[0] if order and len(head) >= 8 else 0
    if version == 42:
        return Layout(file, uri, size, order, False, struct.unpack(order + "I", head[4:8])[0])
    if version == 43 and len(head) == 16:
        return Layout(file, uri, size, order, True, struct.unpack(order + "Q", head[8:16])[0])
    raise InputError(f"{uri} is not a TIFF file: it begins with {head[:8]!r}.")


def directories(layout: Layout) -> Iterator[Tags]:
    """Type, count and value (or place) of each tag, directory by directory. Raises InputError where one is cut off."""
    head, entry = ("Q", "HHQ8s") if layout.big else ("H", "HHI4s")
    row = struct.Struct(layout.order + entry)
    place, seen = layout.first, set[int]()
    while place:
        if place in seen:
            raise InputError(f"{layout.uri} is broken: its directories go round in a circle.")
        seen.add(place)
        layout.file.seek(place)
        count = _number(layout, layout.order + head)
        rows = layout.file.read(count * row.size)
        place = _number(layout, layout.word)
        yield {tag: (kind, n, value) for tag, kind, n, value in row.iter_unpack(rows)}


def check_extent(file: BinaryIO, uri: str) -> None:
    """Raises InputError where a directory, a needed tag or a piece of pixels is missing, or lies behind the end."""
    layout = read_layout(file, uri)
    for tags in directories(layout):
        for tag in NEEDED & set(tags):
            _check_tag(layout, tags[tag])
        for offset, length in zip(OFFSETS, COUNTS, strict=True):
            if offset in tags and length in tags:
                starts, sizes = _values(layout, tags[offset]), _values(layout, tags[length])
                check_holds(layout, int((starts + sizes).max(initial=0)))
                if len(starts) < _pieces(layout, tags):
                    raise InputError(
                        f"{uri} is broken: it lists {len(starts)} of {_pieces(layout, tags)} pieces of pixels."
                    )


def check_holds(layout: Layout, end: int) -> None:
    """Raises InputError where a file ends before byte `end`."""
    if end > layout.size:
        raise InputError(
            f"{layout.uri} is cut off: it has {layout.size} bytes, but its pixels reach to byte {end}; copy it again."
        )


def is_geotiff(file: BinaryIO, uri: str) -> bool:
    """Whether the first directory has tags that place the image on the ground, or that GDAL wrote."""
    return bool(GEO_TAGS & set(next(directories(read_layout(file, uri)), {})))


def _pieces(layout: Layout, tags: Tags) -> int:
    """Strips or tiles that an image of this size needs."""

    def number(tag: int, otherwise: int) -> int:
        values = _values(layout, tags[tag]) if tag in tags else np.empty(0)
        return max(1, int(values[0])) if len(values) else otherwise

    width, length = number(WIDTH, 1), number(LENGTH, 1)
    across = -(-width // number(TILE_WIDTH, width))
    down = -(-length // number(TILE_LENGTH, number(ROWS, length)))
    return across * down * (number(SAMPLES, 1) if number(PLANAR, 1) == 2 else 1)


def _values(layout: Layout, tag: tuple[int, int, bytes]) -> NDArray[np.uint64]:
    """Whole numbers of a tag, wherever they lie."""
    kind, count, value = tag
    length = SIZES.get(kind, 1) * count
    if length > len(value):
        _check_tag(layout, tag)
        layout.file.seek(struct.unpack(layout.word, value)[0])
        value = layout.file.read(length)
    if kind not in KINDS:
        return np.empty(0, np.uint64)
    return np.frombuffer(value[:length], layout.order + KINDS[kind]).astype(np.uint64)


def _check_tag(layout: Layout, tag: tuple[int, int, bytes]) -> None:
    kind, count, value = tag
    length = SIZES.get(kind, 1) * count
    if length > len(value):
        check_holds(layout, struct.unpack(layout.word, value)[0] + length)


def _number(layout: Layout, form: str) -> int:
    raw = layout.file.read(struct.calcsize(form))
    if len(raw) < struct.calcsize(form):
        raise InputError(
            f"{layout.uri} is cut off: a directory lies behind its end ({layout.size} bytes); copy it again."
        )
    return int(struct.unpack(form, raw)[0])
