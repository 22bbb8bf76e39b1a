"""One run at a time in a folder of a local disk. The system frees the lock of a run that died."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.errors import RequestError
from tasks.stores.disk import left_as_found, make_folder

NAME, FACTS = ".lock", ".lock.json"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be; if nothing comes into it, it is taken away again.

    Who holds it stands in a file beside the lock: older versions of filelock empty the lock file when they try it.

    Raises:
        RequestError: another run holds it; the message says which and since when.
    """
    facts, is_new = folder / FACTS, not folder.exists()
    with left_as_found(folder):
        make_folder(folder)
        lock = FileLock(folder / NAME, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            who = _holder(facts)
            raise RequestError(
                f"Another run{who} is at work in '{folder}'; wait until it has ended, or stop it."
            ) from None
        try:
            since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            facts.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since}))
            yield
        finally:
            facts.unlink(missing_ok=True)
            if is_new and folder.is_dir() and os.listdir(folder) == [NAME]:  # whoever is done may have removed it
                (folder / NAME).unlink()  # who opened it meanwhile sees that it has no name any more
            lock.release()


def _holder(facts: Path) -> str:
    try:
        known = json.loads(facts.read_text())
        return f" (process {known['pid']}, since {known['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
