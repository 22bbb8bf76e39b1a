"""What stands around a run and can fail: S3 server, small disk, Dask scheduler with workers, Prefect server."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import tifffile

SMALL = 4  # images of one tile
WIDE = (60, 120)  # px of one with several
SIDE = 30  # px of the small ones
WAIT = 60.0  # seconds for what is started


def collection(folder: Path) -> Path:
    """Four images of one tile, and one of eight."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    for number in range(SMALL):
        tifffile.imwrite(folder / f"plate_{number}.tif", random.poisson(60, (SIDE, SIDE)).astype(np.uint16))
    tifffile.imwrite(folder / "wide.tif", random.poisson(60, WIDE).astype(np.uint16))
    return folder


@contextmanager
def s3_server() -> Iterator[str]:
    """A server that speaks S3, in this process; gives a bucket's URI, and tells the environment of later processes."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    bucket = f"s3://faults-{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(bucket)
    try:
        yield bucket
    finally:
        server.stop()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """A file system of so many bytes in a folder; gives what makes it larger.

    Raises:
        OSError: this process may not mount one.
    """
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield lambda: _mount("-o", "remount,size=512m", str(folder))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def scheduler(victim: Path) -> Iterator[str]:
    """A Dask scheduler with two workers, each a process of its own; `victim` gets the scheduler's number."""
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical"}
    head = _process("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", **quiet)
    victim.write_text(str(head.pid))
    told = ("--nthreads", "2", "--no-nanny", "--no-dashboard", "--death-timeout", "20")
    hands = [_process("distributed.cli.dask_worker", address, *told, **quiet) for _ in range(2)]
    try:
        _await(lambda: _listens(port), "the scheduler")
        yield address
    finally:
        for process in (*hands, head):
            process.kill()
            process.wait()


@contextmanager
def prefect_server(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """A Prefect server with a new database; gives its process, and the environment of those who report to it."""
    from flows.environment import SETTINGS

    port = _free_port()
    own = {**SETTINGS, "PREFECT_HOME": str(home), "PREFECT_SERVER_API_PORT": str(port)}
    process = _process("prefect", "server", "start", "--host", "127.0.0.1", "--port", port, **own)
    api = f"http://127.0.0.1:{port}/api"
    try:
        _await(lambda: urllib.request.urlopen(f"{api}/health", timeout=2), "the Prefect server")
        yield process, {**os.environ, **own, "PREFECT_API_URL": api}
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _process(module: str, *words: object, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or "mount failed")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def _await(there: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 3 * WAIT
    while time.monotonic() < end:
        try:
            there()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{what} did not come up")
