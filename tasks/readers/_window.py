"""Windows of an image: only what is asked for is read, in the order of axes that the pipeline wants."""

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.locations import cause
from tasks.errors import InputError
from tasks.readers._stored import Pixels

if TYPE_CHECKING:
    import xarray as xr

LARGEST_CHUNK = 16 * 2**20


class Window:
    """Stored pixels with their axes in another order. Indexing reads; nothing else does.

    axes: for each axis of the image, the stored axis. Stored axes that are not named have one element and are dropped.
    """

    def __init__(self, uri: str, pixels: Pixels, axes: tuple[int, ...]) -> None:
        """Raises nothing; the pixels are not touched."""
        self._uri, self._pixels, self._axes = uri, pixels, axes
        self.shape = tuple(pixels.shape[axis] for axis in axes)
        self.dtype = pixels.dtype.newbyteorder("=")
        self.ndim = len(axes)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        """The pixels of a window: slices, whole numbers or, along one axis, a list. Raises InputError."""
        wanted = [_places(part, n) for part, n in zip(index, self.shape, strict=True)]
        if not all(map(len, wanted)):
            block = np.empty([len(part) for part in wanted], self.dtype)
        else:
            stored = [slice(0, 1)] * len(self._pixels.shape)
            for axis, part in zip(self._axes, wanted, strict=True):
                stored[axis] = slice(int(part.min()), int(part.max()) + 1)
            block = self._read(tuple(stored))
            for axis, part in enumerate(wanted):
                if not np.array_equal(part, np.arange(part.min(), part.max() + 1)):
                    block = block.take(part - part.min(), axis=axis)
        return block[tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in index)]

    def _read(self, stored: tuple[slice, ...]) -> NDArray[Any]:
        try:
            block = np.asarray(self._pixels[stored])
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self._where(stored)} cannot be read: {cause(error)}.") from error
        if block.shape != tuple(part.stop - part.start for part in stored):
            raise InputError(f"{self._where(stored)} came back as {block.shape}; the file is broken.")
        dropped = sorted(set(range(block.ndim)) - set(self._axes))
        ordered = block.transpose(*self._axes, *dropped)
        return ordered.reshape(ordered.shape[: self.ndim]).astype(self.dtype, copy=False)

    def _where(self, stored: tuple[slice, ...]) -> str:
        return f"{self._uri}: pixels [{', '.join(f'{part.start}:{part.stop}' for part in stored)}]"


_windows: "WeakValueDictionary[str, Window]" = WeakValueDictionary()  # by the name of the Dask array made of them


def remember(name: str, window: Window) -> None:
    """Note of which window a Dask array was made, by the array's name."""
    _windows[name] = window


def window_of(image: "xr.DataArray") -> Window | None:
    """The window that an image reads from, as long as it is all of it and nothing was computed with it; else None.

    For a small piece Dask's graph costs more than the reading.
    """
    return _windows.get(str(getattr(image.data, "name", "")))


def _places(part: Any, n: int) -> NDArray[np.int64]:
    """The pixels along one axis of n that a part of an index asks for."""
    if isinstance(part, slice):
        return np.arange(*part.indices(n))
    return np.atleast_1d(np.arange(n)[part])


def dask_chunks(stored: tuple[int, ...], shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole multiples of the stored chunks, of up to 16 MiB; larger only where the stored ones are. y and x come last.

    Small pieces cost more in scheduling than in reading: one row becomes many rows, a small plane many planes.
    """
    chunks = [min(size, n) for size, n in zip(stored, shape, strict=True)]

    def grows(axis: int) -> bool:
        larger = [*chunks[:axis], 2 * chunks[axis], *chunks[axis + 1 :]]
        clipped = [min(size, n) for size, n in zip(larger, shape, strict=True)]
        return chunks[axis] < shape[axis] and int(np.prod(clipped)) * itemsize <= LARGEST_CHUNK

    plane = [len(shape) - 2, len(shape) - 1]
    while growing := [axis for axis in plane if grows(axis)]:
        axis = min(growing, key=lambda a: chunks[a])
        chunks[axis] = min(2 * chunks[axis], shape[axis])
    for axis in reversed(range(len(shape) - 2)):
        while grows(axis):
            chunks[axis] = min(2 * chunks[axis], shape[axis])
    return tuple(chunks)
