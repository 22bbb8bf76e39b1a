"""A call in a process of its own: what kills it kills nothing else.

    alone(restore_lot, job)

A Dask worker may have no children by `multiprocessing`, so this is a plain process that reads a call from its standard
input. It ends when that closes, so that it does not outlive whoever started it.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import psutil

from tasks.standstill import STILL

LOOK = 0.2  # seconds between two looks at its memory
MEMORY_SHARE = 0.9  # of this machine's, where no cluster sets a limit
Answer = TypeVar("Answer")


class Died(Exception):  # noqa: N818 - what happened
    """A process ended without an answer. The message says how."""


def alone(work: Callable[..., Answer], *given: Any) -> Answer:
    """Call a function of a module with arguments that can be pickled, in a fresh process.

    Raises:
        Died: the process ended without an answer, stood still, or needed more memory than a worker may have.
        Exception: whatever the function raises.
    """
    with TemporaryDirectory(prefix="selfmend-") as folder:
        answer = Path(folder) / "answer"
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(answer)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *sys.path]))},
        )
        assert process.stdin is not None
        try:
            process.stdin.write(pickle.dumps((work, given)))
            process.stdin.flush()
            _watch(process, allowed_memory())
        except BrokenPipeError:
            process.wait()
        finally:
            process.kill()
            process.stdin.close()
            process.wait()
        if not answer.exists():
            raise Died(_ending(process.returncode))
        is_fine, value = pickle.loads(answer.read_bytes())
    if not is_fine:
        raise value
    return value


def allowed_memory() -> int:
    """Bytes that this process may use: what a Dask worker was given, or most of this machine's."""
    try:
        from distributed import get_worker

        limit = get_worker().memory_manager.memory_limit
    except (ImportError, ValueError):
        limit = None
    return int(limit or psutil.virtual_memory().total * MEMORY_SHARE)


def _watch(process: "subprocess.Popen[bytes]", memory: int) -> None:
    """Wait for its end."""
    worked, looks = 0.0, 0
    while True:
        try:
            process.wait(LOOK)
        except subprocess.TimeoutExpired:
            try:
                seen = psutil.Process(process.pid)
                used, now = seen.memory_info().rss, sum(seen.cpu_times()[:2])
            except psutil.Error:
                continue
            worked, looks = (worked, looks + 1) if now == worked else (now, 0)
            if looks * LOOK > STILL:
                raise Died(f"it stood still for {STILL / 60:g} minutes") from None
            if used > memory:
                raise Died(
                    f"it used {used / 1e9:.1f} GB of memory, and a worker may use {memory / 1e9:.1f} GB"
                ) from None
        else:
            return


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


def _answer() -> None:
    """The other end."""
    work, given = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        told: tuple[bool, Any] = (True, work(*given))
    except Exception as error:  # noqa: BLE001 - all of them belong to whoever called
        told = (False, error)
    partial = Path(sys.argv[1] + ".partial")
    partial.write_bytes(pickle.dumps(told))
    partial.rename(sys.argv[1])
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    _answer()
