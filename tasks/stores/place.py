"""A folder on a local disk or behind any fsspec URI: the only way by which results are read, listed and written."""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import RequestError
from tasks.secrets import require_no_secret
from tasks.stores.disk import PARTIAL, explaining, left_as_found, move_folder, remove_all, sync_files, write_whole

if TYPE_CHECKING:
    from zarr.abc.store import Store

_REMOTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+(://|::)")


@dataclass(frozen=True)
class Place:
    """A folder. Needs not exist: writing makes it. Small enough to be handed to any worker.

    uri: a path, or what fsspec understands, such as s3://bucket/folder. Access keys and endpoints come from the
    environment, as the library behind the URI wants them.
    """

    uri: str

    def __post_init__(self) -> None:
        """Write a local path out in full, for another process may stand in another folder; refuse secrets in a URI."""
        require_no_secret(self.uri)
        uri = self.uri
        for prefix in ("file://", "local://"):
            uri = uri.removeprefix(prefix)
        full = uri.rstrip("/") if _REMOTE.match(uri) else os.path.abspath(os.path.expanduser(uri))
        object.__setattr__(self, "uri", full)

    def __truediv__(self, name: str) -> "Place":
        """A folder below this one.

        Raises:
            RequestError: the name leads out of this place, or holds characters that no file system likes.
        """
        return Place(f"{self.uri}/{_checked(name)}")

    @cached_property
    def local(self) -> Path | None:
        """The folder on this machine's disks, or None."""
        return None if _REMOTE.match(self.uri) else Path(self.uri)

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is none.
        """
        if self.local:
            return (self.local / _checked(name)).read_bytes()
        fs, path = self._remote(name)
        return fs.cat_file(path)

    def checksum(self, name: str) -> str:
        """SHA-256 of a file, in hexadecimal, read piece by piece.

        Raises:
            FileNotFoundError: there is none.
        """
        if not self.local:
            return hashlib.sha256(self.read(name)).hexdigest()
        with (self.local / _checked(name)).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def exists(self, name: str = "") -> bool:
        """Whether there is a file or a folder of this name."""
        if self.local:
            return (self.local / _checked(name)).exists()
        fs, path = self._remote(name)
        return bool(fs.exists(path))

    def names(self, folder: str = "") -> list[str]:
        """All files below a folder, at any depth, as names relative to it; sorted; without those being written."""
        if self.local:
            top = self.local / _checked(folder)
            found = [os.path.relpath(os.path.join(at, file), top) for at, _, files in os.walk(top) for file in files]
        else:
            _, top_path = self._remote(folder)
            found = [path[len(top_path) :].lstrip("/") for path in self._objects(folder)]
        return sorted(name for name in found if not name.endswith(PARTIAL))

    def folders(self) -> list[str]:
        """The folders directly in this one, sorted."""
        if self.local:
            there = os.scandir(self.local) if self.local.is_dir() else ()
            return sorted(entry.name for entry in there if entry.is_dir())
        fs, path = self._remote()
        try:
            listed = fs.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in listed if entry["type"] == "directory")

    def size(self, folder: str = "") -> int:
        """Bytes of all files below a folder."""
        if self.local:
            return sum((self.local / folder / name).stat().st_size for name in self.names(folder))
        return sum(int(facts["size"]) for facts in self._objects(folder).values())

    def modified(self, name: str) -> datetime:
        """When a file was last written, by the clock of the disk or store, in UTC.

        Raises:
            FileNotFoundError: there is none.
            NotImplementedError: the store does not tell.
        """
        if self.local:
            return datetime.fromtimestamp((self.local / _checked(name)).stat().st_mtime, UTC)
        fs, path = self._remote(name)
        told: datetime = fs.modified(path)
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    def write(self, name: str, data: bytes, lasting: bool = True) -> None:
        """Write a file whole: a reader sees the old bytes or the new, and once this returns they outlive a power cut.

        Args:
            lasting: False where `sync` comes before anybody relies on it: many small files take a tenth of the time.

        Raises:
            OSError: it cannot be written; the message says where, why, and what to do.
        """
        with explaining(f"{self.uri}/{name}"):
            self._put(name, data, lasting)

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file of an object store if there is none. Whether it was written: of several who try, by one."""
        fs, path = self._remote(name)
        try:
            fs.pipe_file(path, data, mode="create")
        except OSError:  # each library has an error of its own for it
            if not self.exists(name):
                raise
            return False
        return True

    def remove(self, name: str = "") -> None:
        """Remove a file, or a folder with all that is in it; nothing there is as good."""
        if self.local:
            remove_all(self.local / _checked(name))
            return
        fs, _ = self._remote()
        for found in self._objects(name):
            fs.rm_file(found)

    def move(self, to: "Place") -> None:
        """Rename this folder in one step; both must lie on one local disk, and nothing at the goal.

        Raises:
            OSError: not one disk, or something is there.
        """
        if not (self.local and to.local):
            raise OSError(errno.EXDEV, f"'{self.uri}' cannot be renamed to '{to.uri}': only local folders can.")
        with explaining(to.uri):
            move_folder(self.local, to.local)

    def sync(self, names: Iterable[str] | None = None) -> None:
        """Make files durable that were written without waiting: the files, and the folders that name them.

        Args:
            names: without them all that lie here.

        Raises:
            OSError: they may be lost; the message says where, why, and what to do.
        """
        if self.local:
            with explaining(self.uri):
                sync_files(self.local, [_checked(name) for name in (self.names() if names is None else names)])

    def store(self) -> "Store":
        """This place as a Zarr store."""
        if self.local:
            from zarr.storage import LocalStore

            return LocalStore(self.local)
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.uri)

    def free_bytes(self) -> int | None:
        """Bytes that still fit, or None where nobody knows."""
        if not self.local:
            return None
        there = next(folder for folder in (self.local, *self.local.parents) if folder.exists())
        return shutil.disk_usage(there).free

    def require_writable(self) -> None:
        """Try to write, before anything is spent; leaves nothing behind.

        Raises:
            RequestError: it does not work.
        """
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            with explaining(self.uri), left_as_found(self.local) if self.local else nullcontext():
                self._put(probe, b"selfmend")
                self.remove(probe)
        except (OSError, ImportError, ValueError) as error:
            said = getattr(error, "strerror", None) or f"'{self.uri}' cannot be written: {error}."
            raise RequestError(said) from error

    def _put(self, name: str, data: bytes, lasting: bool = True) -> None:
        if self.local:
            write_whole(self.local / _checked(name), data, lasting)
        else:
            fs, path = self._remote(name)
            fs.pipe_file(path, data)

    def _remote(self, name: str = "") -> tuple[Any, str]:
        """File system and path. Forgets listings, for other processes write here too."""
        import fsspec

        fs, path = fsspec.core.url_to_fs(self.uri)
        fs.invalidate_cache()
        checked = _checked(name)
        return fs, f"{path.rstrip('/')}/{checked}" if checked else path

    def _objects(self, folder: str) -> dict[str, dict[str, Any]]:
        fs, path = self._remote(folder)
        try:
            return dict(fs.find(path, detail=True))
        except FileNotFoundError:
            return {}


def _checked(name: str) -> str:
    parts = name.split("/") if name else []
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or "::" in name or not name.isprintable():
        raise RequestError(f"{name!r} is not a name below a folder: use words between single slashes, without '..'.")
    return name
