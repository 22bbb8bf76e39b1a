"""All lots of an input done -> one image: margins joined, cast, half-size copies, verdict map, made visible."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.blend import Pixels, join
from tasks.measured import measured_pixels
from tasks.plan import InputPlan
from tasks.stores.encoding import ROOT_DOCUMENTS, Documents, array_document, open_stored, root_documents, shard_objects
from tasks.stores.geozarr import FILLED, IMAGE, VERDICT, geo_documents, verdict_dims
from tasks.stores.image_facts import ImageFacts, image_facts
from tasks.stores.leases import Lease
from tasks.stores.ngff import FILLED as FILLED_LABELS
from tasks.stores.ngff import VERDICT as LABELS
from tasks.stores.ngff import ngff_documents
from tasks.stores.pixels import Counts, finished, halved, halved_origins, origin_pixels, verdict_pixels
from tasks.stores.place import Place
from tasks.stores.shards import check_shard, read_part, work_array
from tasks.stores.showing import (
    MARK,
    Site,
    building_site,
    json_safe,
    published_facts,
    published_key,
    recover,
    set_aside,
    show,
    waiting_key,
)
from tasks.tiling import AXES, Box, Five, boxes

if TYPE_CHECKING:
    import xarray as xr


Reading = Callable[[int, Box], Pixels]  # of a shard the part in a box


@dataclass(frozen=True)
class PublishJob:
    """An input whose lots are all done, and what its image is to become.

    input: as the plan has it. out: folder of the collection. work: work area of the plan.
    source: the input, opened, on the grid of the image; its metadata are copied. read_source: its pixels of a box.
    checksums: of every shard, from the records. verdicts: a code of image_facts.VERDICTS per tile.
    dtype: "same" or float32. chunk: side of a stored chunk in pixels. pyramid: whether to store half-size copies.
    fills: whether to store which pixels were filled. lease: by which the run may write, on an object store.
    provenance: what else the image shall say of how it was made; JSON, and the same whenever it is made.
    """

    input: InputPlan
    out: Place
    work: Place
    source: "xr.DataArray"
    read_source: Callable[[Box], NDArray[Any]]
    checksums: dict[int, str]
    verdicts: NDArray[np.uint8]
    dtype: str
    chunk: int
    pyramid: bool
    provenance: dict[str, Any]
    fills: bool = False
    lease: Lease | None = None


@dataclass(frozen=True)
class Published:
    """An image that readers see. clipped: pixels that the type could not hold, by channel."""

    clipped: dict[str, int]
    bytes_written: int


def publish_input(job: PublishJob) -> Published:
    """Make the image of an input and show it; where it is shown already, nothing is done.

    Killed anywhere and started again, it writes the same bytes. Memory is bounded by a few blocks, never by the image.

    Raises:
        TornShard: a shard is not what its record says; nothing is shown.
        InputError: something else stands where the image is to be.
        OSError: it cannot be written.
    """
    name = job.input.name
    recover(job.out, job.work, name)
    if published_key(job.out, name) != job.input.key:
        if waiting_key(job.work, name) != job.input.key:
            site = building_site(job.out, job.work, name)
            _build(job, site)
            set_aside(site, job.work, name, job.input.key)
        show(job.out, job.work, name, job.input.key)
    facts = published_facts(job.out, name) or {}
    return Published(dict(facts.get("clipped", {})), job.out.size(f"{name}.zarr"))


def _build(job: PublishJob, site: Site) -> None:
    """All of an image; its root last, by which it is known to be complete."""
    provenance = json_safe({**job.provenance, "key": job.input.key})
    json.dumps(provenance)  # what JSON cannot say shall fail before the work, not after
    facts = image_facts(job.input, job.source, job.dtype, job.chunk, job.pyramid, job.fills)
    documents = ngff_documents(facts) if facts.layout == "ngff" else geo_documents(facts, job.source)
    for name in sorted(documents.keys() - ROOT_DOCUMENTS.keys()):
        site.write(name, documents[name], lasting=False)
    read = _verified(job)
    clipped = _write_image(job, read, facts, documents, site)
    _write_copies(facts, documents, site)
    _write_verdicts(job, facts, documents, site)
    if facts.fills:
        _write_origins(job, read, facts, documents, site)
    if job.lease:
        job.lease.require()
    site.tidy()
    site.sync()  # all at once, before the root says that it is there
    for name, data in root_documents(documents, {MARK: {**provenance, "clipped": clipped}}).items():
        site.write(name, data)


def _write_image(
    job: PublishJob, read: Reading, facts: ImageFacts, documents: Documents, site: Place
) -> dict[str, int]:
    """Full resolution, one stored object after the other; pixels that were clipped, by channel."""
    path = _image_path(facts, 0)
    dtype = np.dtype(facts.dtype)
    clipped: Counts = np.zeros(facts.shape[1], np.int64)
    for box in boxes(facts.shape, facts.shards(facts.shape)):
        image = join(job.input.image_grid, box, read)
        pixels, outside = finished(image, dtype, partial(job.read_source, box))
        clipped[box.start[1] : box.stop[1]] += outside
        _write_block(site, path, documents, facts.dims, box, pixels)
    names = facts.channels if len(set(facts.channels)) == facts.shape[1] else map(str, range(facts.shape[1]))
    return dict(zip(names, clipped.tolist(), strict=True))


def _write_copies(facts: ImageFacts, documents: Documents, site: Place) -> None:
    """Half-size copies, each from the one before."""
    for level, (larger, shape) in enumerate(zip(facts.levels, facts.levels[1:], strict=False), start=1):
        before = open_stored(site, _image_path(facts, level - 1))
        for box in boxes(shape, facts.shards(shape)):
            wide = _twice(box, larger)
            pixels = np.asarray(before[facts.own(wide.slices)]).reshape(wide.shape)
            _write_block(site, _image_path(facts, level), documents, facts.dims, box, halved(pixels, facts.nodata))


def _write_verdicts(job: PublishJob, facts: ImageFacts, documents: Documents, site: Place) -> None:
    """The verdict map, and its half-size copies."""
    dims = facts.dims if facts.layout == "ngff" else verdict_dims(facts)
    for level, shape in enumerate(facts.levels):
        path = f"{LABELS}/{level}" if facts.layout == "ngff" else VERDICT
        whole = facts.verdict_shape(shape)
        for box in boxes(whole, facts.shards(whole if facts.layout == "ngff" else shape)):
            pixels = verdict_pixels(job.input.image_grid, job.verdicts, box, 2**level)
            _write_block(site, path, documents, dims, box, pixels)


def _write_origins(job: PublishJob, read: Reading, facts: ImageFacts, documents: Documents, site: Place) -> None:
    """The map of filled pixels, and its half-size copies."""
    dims = facts.dims if facts.layout == "ngff" else verdict_dims(facts)
    paths = [f"{FILLED_LABELS}/{level}" if facts.layout == "ngff" else FILLED for level in range(len(facts.levels))]
    shapes = [facts.verdict_shape(shape) for shape in facts.levels]
    for box in boxes(shapes[0], facts.shards(shapes[0] if facts.layout == "ngff" else facts.shape)):
        wide = _all_channels(box, facts) if facts.joint else box
        valid = measured_pixels(job.source, wide, job.read_source(wide), facts.joint)
        _write_block(site, paths[0], documents, dims, box, origin_pixels(join(job.input.image_grid, wide, read), valid))
    for path, before, larger, shape in zip(paths[1:], paths, shapes, shapes[1:], strict=False):
        codes = open_stored(site, before)
        for box in boxes(shape, facts.shards(shape)):
            wide = _twice(box, larger)
            block = np.asarray(codes[facts.own(wide.slices)]).reshape(wide.shape)
            _write_block(site, path, documents, dims, box, halved_origins(block))


def _all_channels(box: Box, facts: ImageFacts) -> Box:
    return Box((box.start[0], 0, *box.start[2:]), (box.stop[0], facts.shape[1], *box.stop[2:]))


def _verified(job: PublishJob) -> Reading:
    """Reads parts of shards; each shard is compared with its record when it is first needed."""
    place = work_array(job.work, job.input.name)
    seen: set[int] = set()
    opened: list[Any] = []

    def read(shard: int, box: Box) -> Pixels:
        if shard not in seen:
            check_shard(place, shard, job.checksums.get(shard))
            seen.add(shard)
        if not opened:
            opened.append(open_stored(place))
        return read_part(opened[0], job.input.image_grid, shard, box)

    return read


def _write_block(
    site: Place, path: str, documents: Documents, dims: tuple[str, ...], box: Box, pixels: NDArray[Any]
) -> None:
    """Whole shards or chunks of an array, from pixels over all five axes; `dims` are those that the array has."""
    own = [axis in dims for axis in AXES]
    at = tuple(part for part, has in zip(box.slices, own, strict=True) if has)
    shape = tuple(n for n, has in zip(box.shape, own, strict=True) if has)
    metadata = array_document(documents, path)
    for name, data in shard_objects(metadata, at, pixels.reshape(shape), keep_empty=False).items():
        site.write(f"{path}/{name}", data, lasting=False)


def _image_path(facts: ImageFacts, level: int) -> str:
    return str(level) if facts.layout == "ngff" else IMAGE


def _twice(box: Box, larger: Five) -> Box:
    """The pixels of the larger copy from which a box is made."""
    start, stop = ((*edge[:3], 2 * edge[3], 2 * edge[4]) for edge in (box.start, box.stop))
    return Box(start, (*stop[:3], min(stop[3], larger[3]), min(stop[4], larger[4])))
