"""The inputs of a collection: found by listing, named, stamped, and paired with what lies beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from tasks.catalog.fact import Location
from tasks.catalog.facts import Facts
from tasks.catalog.listing import Entry, expand, fingerprint
from tasks.catalog.locations import file_name, suffix
from tasks.catalog.naming import safe_names, stems
from tasks.errors import RequestError


@dataclass(frozen=True)
class InputRef:
    """One input. name: safe as a relative path, unique in its collection.

    reference: URI of its clean twin. mask: URI of what says which of its pixels were not measured. guide: URI of finer
    bands of its scene.
    """

    name: str
    uri: str
    fingerprint: str  # another one after the file, its mask or its guide was changed
    reference: str | None = None
    mask: str | None = None
    guide: str | None = None


def find_inputs(name: str, facts: Facts) -> list[InputRef]:
    """The inputs of collection `name`, in the order of its sources, and sorted within a pattern. Opens no file.

    Files that no reader knows by name are left out, unless the facts name a reader.

    Raises RequestError where a source stands for nothing, cannot be listed or holds no readable file, and where the
    references, masks or guides do not pair.
    """
    entries = _entries(f"Collection '{name}': source", facts.source, facts.reader)
    twins, masks, guides = (
        [None] * len(entries) if beside is None else _paired(name, what, entries, beside.source)
        for what, beside in (("reference", facts.reference), ("mask", facts.mask), ("guide", facts.guide))
    )
    names, stamp = _names(entries), cache(fingerprint)  # one mask or guide may serve all inputs
    return [
        InputRef(
            own,
            entry.uri,
            "+".join([fingerprint(entry), *(stamp(each) for each in (mask, guide) if each is not None)]),
            None if twin is None else twin.uri,
            None if mask is None else mask.uri,
            None if guide is None else guide.uri,
        )
        for own, entry, twin, mask, guide in zip(names, entries, twins, masks, guides, strict=True)
    ]


def stamp_of(uri: str, mask: str | None = None, guide: str | None = None) -> str:
    """The fingerprint of an input as it is now, in which those of its mask and its guide take part.

    Raises RequestError where one of them is gone, or cannot be listed.
    """
    return "+".join(fingerprint(expand(each)[0]) for each in (uri, mask, guide) if each is not None)


def _entries(what: str, source: Location, reader: str | None = None) -> list[Entry]:
    from tasks.readers import readable

    wanted: Callable[[str], bool] = readable if reader is None else lambda _: True
    found: dict[str, Entry] = {}
    for one in sources(source):
        try:
            entries = expand(one)
        except RequestError as error:
            raise RequestError(f"{what}: {error}") from error
        # A single file was meant, whatever it is: opening it says what is wrong with it.
        kept = [entry for entry in entries if entry.folder or wanted(entry.uri) or entry.name == file_name(one)]
        if not kept:
            raise RequestError(f"{what}: '{one}' holds {_unreadable(entries)}, which no reader knows; {_advice()}")
        found.update((entry.uri, entry) for entry in kept)
    return list(found.values())


def sources(location: Location) -> tuple[str, ...]:
    """The sources of a collection as a tuple, also where there is one."""
    return (location,) if isinstance(location, str) else location


def _names(entries: Sequence[Entry]) -> list[str]:
    return safe_names([entry.name for entry in entries], [entry.uri for entry in entries])


def _paired(name: str, what: str, entries: Sequence[Entry], source: Location) -> Sequence[Entry | None]:
    """For each input the file that belongs to it: of the same name, the only one, or that in the same place."""
    beside = _entries(f"Collection '{name}': {what}.source", source)
    paired = _by_name(entries, beside)
    if any(paired):
        return paired
    if len(beside) == 1:
        return beside * len(entries)
    if len(beside) == len(entries):
        return beside
    raise RequestError(
        f"Collection '{name}': {len(entries)} inputs and {len(beside)} {what}s do not pair; give both the same "
        f"names, one {what} for all, or as many {what}s as inputs, in the same order."
    )


def _by_name(entries: Sequence[Entry], beside: Sequence[Entry]) -> list[Entry | None]:
    """The file of the same name; several exposures of one field share that of their field."""
    names = dict(zip(_names(beside), beside, strict=True))
    fields = stems([entry.name for entry in entries])
    return [names.get(own, names.get(field)) for own, field in zip(_names(entries), fields, strict=True)]


def _unreadable(entries: Sequence[Entry]) -> str:
    kinds = sorted({suffix(entry.uri) or "no extension" for entry in entries})
    return f"{len(entries)} file(s) ({', '.join(kinds[:5])})"


def _advice() -> str:
    from tasks.readers import known_suffixes

    return f"known are {', '.join(known_suffixes())}; convert other formats to OME-TIFF or OME-Zarr, or set 'reader'."
