"""Which files and stores a path, glob, folder or URI stands for, with a stamp that changes as they do. Lists only."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tasks.catalog.locations import cause, connect, file_name, plain, scheme, split_variable, suffix
from tasks.errors import RequestError
from tasks.secrets import require_no_secret

STORE_MARKERS = ("zarr.json", ".zgroup", ".zarray")


@dataclass(frozen=True)
class Entry:
    """A file or folder. name: its path below the fixed part of the pattern. stamp: '' for folders."""

    uri: str
    name: str
    folder: bool = False
    link: bool = False
    stamp: str = ""


def expand(source: str) -> list[Entry]:
    """Files and Zarr stores that a source stands for, sorted by their URI.

    '*', '?' and '[...]' stand for names within a folder, '**' for any depth; hidden names and links to folders behind
    '**' are left out. A folder stands for what lies directly in it.
    Raises RequestError where nothing is there, the place cannot be reached, or the source holds a secret.
    """
    require_no_secret(source)
    try:
        found = _expand(source)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"'{source}' cannot be listed: {cause(error)}.") from error
    if not found:
        raise RequestError(f"'{source}' stands for nothing: {_nothing(source)}")
    return sorted(found, key=lambda entry: entry.uri)


def is_path(text: str) -> bool:
    """Whether a word of the command line is a place rather than the name of a collection."""
    return bool(scheme(text)) or any(sign in text for sign in "/*?[~$" + os.sep) or os.path.exists(text)


def is_there(uri: str) -> bool:
    """Whether a file, folder or store can be listed now."""
    try:
        return bool(expand(uri))
    except RequestError:
        return False


def fingerprint(entry: Entry) -> str:
    """What changes when the content does: size and time of a file, a hash of the listing of a store.

    Raises RequestError where a store cannot be listed.
    """
    if entry.stamp and not entry.folder:
        return entry.stamp
    store, _ = split_variable(entry.uri)
    try:
        rows = sorted(_local_rows(store) if scheme(store) == "" else _remote_rows(store))
    except Exception as error:
        raise RequestError(f"'{entry.uri}' cannot be listed: {cause(error)}.") from error
    return hashlib.blake2b("\n".join(rows).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _expand(source: str) -> list[Entry]:
    if scheme(source) == "skimage":
        return [Entry(source, file_name(source), stamp=f"{source} scikit-image {metadata.version('scikit-image')}")]
    source = plain(source) if scheme(source) else os.path.abspath(plain(source))
    parts = source.split("/")
    first = next((i for i, part in enumerate(parts) if _is_pattern(part, source)), None)
    if first is None or (scheme(source) == "" and os.path.exists(split_variable(source)[0])):
        return _literal(source)
    listed = cache(_listed)
    found = {entry.uri: entry for entry in _matches("/".join(parts[:first]), parts[first:], "", listed)}
    return [entry for entry in found.values() if not entry.folder or _is_store(entry)]


def _is_pattern(part: str, source: str) -> bool:
    # In a web address '?' begins the query.
    return any(sign in part for sign in ("*[" if scheme(source) in ("http", "https") else "*?["))


def _literal(source: str) -> list[Entry]:
    """A source without wild cards: a file, a store, or what lies directly in a folder."""
    store, variable = split_variable(source)
    folder, link, stamp = _kind(store)
    if variable is not None:
        stem = file_name(source).rpartition(".")[0]
        return [Entry(source, f"{stem}_{variable}{suffix(source)}", folder, link, stamp)]
    entry = Entry(source.rstrip("/"), file_name(source), folder, link, stamp)
    if not folder or _is_store(entry):
        return [entry]
    return [found for found in _listed(entry.uri, "") if not _hidden(found) and (not found.folder or _is_store(found))]


def _kind(uri: str) -> tuple[bool, bool, str]:
    """(folder, link, stamp) of a file or folder. Raises RequestError where there is none."""
    if scheme(uri) == "":
        if not os.path.lexists(uri):
            raise RequestError(f"There is no file or folder '{uri}'.{_nearest_folder(uri)}")
        return os.path.isdir(uri), os.path.islink(uri), _local_stamp(uri)
    if suffix(uri) == ".zarr":
        return True, False, ""
    files, path = connect(uri, RequestError)
    try:
        info = files.info(path)
    except FileNotFoundError as error:
        raise RequestError(f"There is no '{uri}': {cause(error)}.") from error
    return info["type"] == "directory", False, _remote_stamp(info)


def _matches(folder: str, parts: list[str], below: str, listed: Any) -> Iterator[Entry]:
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _matches(folder, rest or ["*"], below, listed)
        for entry in listed(folder, below):
            enter = entry.folder and not entry.link and not _hidden(entry) and suffix(entry.uri) != ".zarr"
            # Levels and labels inside a store are stores too, but no inputs.
            if enter and not any(_base(inner) in STORE_MARKERS for inner in listed(entry.uri, entry.name)):
                yield from _matches(entry.uri, parts, entry.name, listed)
        return
    fits = re.compile(translate(head)).match
    for entry in listed(folder, below):
        if not fits(_base(entry)) or (_hidden(entry) and not head.startswith(".")):
            continue
        if not rest:
            yield entry
        elif entry.folder:
            yield from _matches(entry.uri, rest, entry.name, listed)


def _listed(folder: str, below: str) -> list[Entry]:
    """What lies directly in a folder; `below` is its path below the fixed part. Missing folders are empty."""
    prefix = f"{below}/" if below else ""
    if scheme(folder) == "":
        try:
            with os.scandir(folder or "/") as found:
                return [_local_entry(entry, prefix) for entry in found]
        except (FileNotFoundError, NotADirectoryError):
            return []
    files, path = connect(folder, RequestError)
    try:
        rows = files.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        if below:
            return []
        raise RequestError(f"'{folder}' is not there: {cause(error)}.") from error
    # Object stores list a folder's own marker beside its content.
    own = path.rstrip("/")
    return [_remote_entry(files, row, prefix) for row in rows if row["name"].rstrip("/") != own]


def _local_entry(entry: os.DirEntry[str], prefix: str) -> Entry:
    folder = entry.is_dir()
    stamp = "" if folder else _local_stamp(entry)
    return Entry(entry.path, prefix + entry.name, folder, entry.is_symlink(), stamp)


def _remote_entry(files: Any, row: dict[str, Any], prefix: str) -> Entry:
    folder = row["type"] == "directory"
    uri = files.unstrip_protocol(row["name"].rstrip("/"))
    stamp = "" if folder else _remote_stamp(row) or _remote_stamp(files.info(row["name"]))
    return Entry(uri, prefix + file_name(uri), folder, False, stamp)


def _local_stamp(entry: "os.DirEntry[str] | str") -> str:
    try:
        facts = os.stat(entry) if isinstance(entry, str) else entry.stat()
    except OSError:
        return "dangling link"
    return f"{facts.st_size}:{facts.st_mtime_ns}"


def _remote_stamp(row: dict[str, Any]) -> str:
    mark = next((row[key] for key in ("ETag", "etag", "LastModified", "mtime", "created") if row.get(key)), None)
    # One protocol may tell the same time as a date here and as a number there.
    mark = mark.timestamp() if isinstance(mark, datetime) else mark
    size = row.get("size")
    return "" if mark is None and size is None else f"{size}:{str(mark).strip(chr(34))}"


def _local_rows(folder: str, below: str = "") -> Iterator[str]:
    if os.path.isfile(folder):
        yield _local_stamp(folder)
        return
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir():
                yield from _local_rows(entry.path, f"{below}{entry.name}/")
            else:
                yield f"{below}{entry.name} {_local_stamp(entry)}"


def _remote_rows(store: str) -> Iterator[str]:
    files, path = connect(store, RequestError)
    rows = files.find(path, detail=True)
    for name, row in rows.items():
        yield f"{name} {_remote_stamp(row)}"
    if rows:
        return
    # A web server need not list: the metadata's own text is then all that can tell a change.
    for marker in (*STORE_MARKERS, ".zattrs"):
        if files.exists(f"{path}/{marker}"):
            yield f"{marker} {files.cat_file(f'{path}/{marker}')!r}"


def _is_store(entry: Entry) -> bool:
    if suffix(entry.uri) == ".zarr":
        return True
    if scheme(entry.uri) == "":
        return any(os.path.exists(os.path.join(entry.uri, marker)) for marker in STORE_MARKERS)
    files, path = connect(entry.uri, RequestError)
    return any(map(files.exists, (f"{path}/{marker}" for marker in STORE_MARKERS)))


def _hidden(entry: Entry) -> bool:
    return _base(entry).startswith(".")


def _base(entry: Entry) -> str:
    return entry.name.rpartition("/")[2]


def _nothing(source: str) -> str:
    if scheme(source):
        return "no such file there."
    fixed = re.split(r"/[^/]*[*?\[]", os.path.abspath(plain(source)))[0] or "/"
    if not os.path.isdir(fixed):
        return f"there is no folder '{fixed}'.{_nearest_folder(fixed)}"
    return f"nothing in '{fixed}' fits; '**' looks into its sub-folders."


def _nearest_folder(path: str) -> str:
    there = next(str(parent) for parent in Path(path).parents if parent.is_dir())
    return f" '{there}' is there."
