"""A Prefect server of our own, for one machine: a process that ends when we end, and is started again when it dies."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import RequestError

PATIENCE = 180.0  # seconds for a first start, which migrates its database
PAUSE = 2.0  # seconds before a server that died is started again
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PR_SET_PDEATHSIG = 1


def answers(url: str) -> bool:
    """Whether a Prefect server answers at the URL of an API."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def api_url(host: str, port: int) -> str:
    """Where this machine reaches the API of a server that listens at host and port."""
    near = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host
    return f"http://[{near}]:{port}/api" if ":" in near else f"http://{near}:{port}/api"


def require_answer(url: str) -> None:
    """Raises RequestError where no Prefect server answers at the URL of an API."""
    if not answers(url):
        raise RequestError(
            f"No Prefect server answers at {url}, which PREFECT_API_URL names: start it, or mend that variable."
        )


def require_port(host: str, port: int) -> None:
    """Raises RequestError where nothing can listen: the port is taken, or the host is none of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        why = error.strerror or str(error)
        if answers(api_url(host, port)):
            why = "a Prefect server is there already"
        raise RequestError(f"Nothing can listen at {host}:{port} ({why}); give another --host or --port.") from None


@contextmanager
def own_server(host: str, port: int, log: Path) -> Iterator[None]:
    """A Prefect server with its pages, while the context lasts.

    Args:
        host: address to listen at. port: the same for API and pages.
        log: file that what it says is added to.

    Raises:
        RequestError: the port is taken, or it does not come up; with its last words.
    """
    require_port(host, port)
    log.parent.mkdir(parents=True, exist_ok=True)
    ending = threading.Event()
    server = _Server(host, port, log)
    keeper = threading.Thread(target=server.keep, args=(ending,), daemon=True)
    try:
        server.start()
        server.await_answer()
        keeper.start()
        yield
    finally:
        ending.set()
        server.stop()


class _Server:
    """The process of the server."""

    def __init__(self, host: str, port: int, log: Path) -> None:
        self.log, self.url = log, api_url(host, port)
        self.command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
        # Pages ask the address that they came from, so that they work from other machines and through tunnels.
        self.environment = {"PREFECT_UI_API_URL": "/api", "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"} | os.environ
        self.environment |= {"PREFECT_SERVER_API_HOST": host, "PREFECT_SERVER_API_PORT": str(port)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; in a session of its own, for Ctrl-C is not meant for it: runs have to be told first."""
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def await_answer(self) -> None:
        """Wait until it answers. Raises RequestError where it does not."""
        assert self.process is not None
        end = time.monotonic() + PATIENCE
        while not answers(self.url):
            if self.process.poll() is not None or time.monotonic() > end:
                words = " ".join(self.log.read_text(errors="replace").split()[-60:])
                raise RequestError(f"The Prefect server does not come up ({self.log}). Its last words: {words}")
            time.sleep(0.3)

    def keep(self, ending: threading.Event) -> None:
        """Start it again whenever it ends before it shall."""
        while self.process is not None:
            self.process.wait()
            if ending.wait(PAUSE):
                return
            sys.stderr.write(
                f"selfmend: the Prefect server ended with {self.process.returncode}; it is started again.\n"
            )
            self.start()

    def stop(self) -> None:
        """End it, and wait for that."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _die_with_parent() -> None:
    """So that no server is left behind when its parent is killed. Linux alone knows how; elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
