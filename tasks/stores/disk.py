"""Writing to a local disk so that it outlives a power cut, and what to say when it does not work."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PARTIAL = ".partial"  # the end of names of files that are being written; zarr uses the same

SYNCS = 8  # at a time: a disk writes what several wait for in one go, so that a file takes a tenth of the time


def write_whole(file: Path, data: bytes, lasting: bool = True) -> None:
    """Write a file so that a reader sees the old bytes or the new.

    Args:
        lasting: it is durable once this returns; otherwise once it is among what sync_files was given.
    """
    partial = file.with_name(f".{uuid.uuid4().hex}{PARTIAL}")
    if lasting:
        make_folder(file.parent)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            if lasting:
                os.fsync(stream.fileno())
        os.replace(partial, file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if lasting:
        sync(file.parent)


def move_folder(source: Path, goal: Path) -> None:
    """Rename a folder in one step. Nothing may be at the goal, and both must lie on one disk."""
    make_folder(goal.parent)
    os.replace(source, goal)
    sync(goal.parent)
    sync(source.parent)


def sync_files(top: Path, names: Iterable[str]) -> None:
    """Make files below a folder durable: the files, and the folders that name them. None waits for another."""
    files = list(names)
    folders = {"/".join(parts[:depth]) for parts in (name.split("/") for name in files) for depth in range(len(parts))}
    with ThreadPoolExecutor(SYNCS, thread_name_prefix="sync") as threads:
        for done in [threads.submit(sync, path) for path in (*map(top.joinpath, (*files, *folders)), top.parent)]:
            done.result()


def remove_all(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; another worker may do so at the same time."""

    def is_gone(call: Any, at: str, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=is_gone)
    else:
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


@contextmanager
def left_as_found(folder: Path) -> Iterator[None]:
    """Take a folder, and those above it, away again if they came about in the context and nothing was put there."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # something is there
            for path in missing:
                path.rmdir()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explaining(where: str) -> Iterator[None]:
    """Turn what the system says of a failed write into a sentence. Raises OSError with the same errno."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"No space is left for '{where}'; free some: what is done stays done."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            said = f"'{where}' cannot be written: {why}; choose another output, or change its permissions."
        else:
            said = f"'{where}' cannot be written: {why}; look at that disk, or choose another output."
        raise OSError(error.errno or errno.EIO, said) from error
