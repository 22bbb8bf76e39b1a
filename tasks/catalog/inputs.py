"""The inputs of a collection: found by listing, named, stamped, and paired with their clean twins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.catalog.facts import Facts, Location
from tasks.catalog.listing import Entry, expand, fingerprint
from tasks.catalog.locations import file_name, suffix
from tasks.catalog.naming import safe_names, stems
from tasks.errors import RequestError


@dataclass(frozen=True)
class InputRef:
    """One input. name: safe as a relative path, unique in its collection. reference: URI of its clean twin."""

    name: str
    uri: str
    fingerprint: str  # another one after the file was changed
    reference: str | None = None


def find_inputs(name: str, facts: Facts) -> list[InputRef]:
    """The inputs of collection `name`, in the order of its sources, and sorted within a pattern. Opens no file.

    Files that no reader knows by name are left out, unless the facts name a reader.

    Raises RequestError where a source stands for nothing, cannot be listed or holds no readable file, and where the
    references do not pair.
    """
    entries = _entries(f"Collection '{name}': source", facts.source, facts)
    twins = [] if facts.reference is None else _twins(name, entries, facts)
    names = _names(entries)
    return [
        InputRef(own, entry.uri, fingerprint(entry), twin)
        for own, entry, twin in zip(names, entries, twins or [None] * len(entries), strict=True)
    ]


def _entries(what: str, source: Location, facts: Facts) -> list[Entry]:
    from tasks.readers import readable

    wanted: Callable[[str], bool] = readable if facts.reader is None else lambda _: True
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


def _twins(name: str, entries: Sequence[Entry], facts: Facts) -> list[str | None]:
    assert facts.reference is not None
    clean = _entries(f"Collection '{name}': reference.source", facts.reference.source, facts)
    paired = _by_name(entries, clean)
    if any(paired):
        return paired
    if len(clean) == 1:
        return [clean[0].uri] * len(entries)
    if len(clean) == len(entries):
        return [twin.uri for twin in clean]
    raise RequestError(
        f"Collection '{name}': {len(entries)} inputs and {len(clean)} references do not pair; give both the same "
        "names, one reference for all, or as many references as inputs, in the same order."
    )


def _by_name(entries: Sequence[Entry], clean: Sequence[Entry]) -> list[str | None]:
    """URI of the twin of the same name; several exposures of one field share the twin of their field."""
    names = {name: entry.uri for name, entry in zip(_names(clean), clean, strict=True)}
    fields = stems([entry.name for entry in entries])
    return [names.get(own, names.get(field)) for own, field in zip(_names(entries), fields, strict=True)]


def _unreadable(entries: Sequence[Entry]) -> str:
    kinds = sorted({suffix(entry.uri) or "no extension" for entry in entries})
    return f"{len(entries)} file(s) ({', '.join(kinds[:5])})"


def _advice() -> str:
    from tasks.readers import known_suffixes

    return f"known are {', '.join(known_suffixes())}; convert other formats to OME-TIFF or OME-Zarr, or set 'reader'."
