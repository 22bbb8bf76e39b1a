"""A call in a process of its own: answers and errors come back, and a death is told as what it was."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tasks import alone as room
from tasks.alone import Died, alone
from tasks.clusters import load_cluster
from tasks.errors import RequestError


def test_answers_and_errors_come_back() -> None:
    assert alone(os.path.join, "a", "b") == os.path.join("a", "b")
    with pytest.raises(ZeroDivisionError):
        alone(divmod, 1, 0)


def test_errors_of_our_own_come_back_as_themselves() -> None:
    with pytest.raises(RequestError, match="--cluster nowhere is not known"):
        alone(load_cluster, "nowhere")


def test_a_death_is_told() -> None:
    with pytest.raises(Died, match="it ended with code 7"):
        alone(os._exit, 7)
    with pytest.raises(Died, match="it was killed by SIGKILL"):
        alone(signal.raise_signal, signal.SIGKILL)


def test_one_that_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "allowed_memory", lambda: 1_000_000)
    with pytest.raises(Died, match=r"it used 0\.\d GB of memory, and a worker may use 0\.0 GB"):
        alone(time.sleep, 600)


def test_one_that_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STILL", 3.0)
    with pytest.raises(Died, match=r"it stood still for 0\.05 minutes"):
        alone(time.sleep, 600)


def test_it_does_not_outlive_who_started_it() -> None:
    code = "import time; from tasks.alone import alone; alone(time.sleep, 600)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        children: list[psutil.Process] = []
        while not children:
            assert parent.poll() is None
            time.sleep(0.05)
            children = psutil.Process(parent.pid).children()
        time.sleep(1)  # it reads its call
        parent.kill()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert gone
    assert not alive
