"""A process that does nothing for too long ends itself; one that works, or is done, does not."""

import subprocess
import sys
import threading
import time

import pytest

from tasks.standstill import watched

WAITING = """
import threading
from concurrent.futures import ThreadPoolExecutor
from tasks.standstill import watched

def waits_for_ever():
    threading.Event().wait()

ThreadPoolExecutor().submit(watched, 1.0, waits_for_ever).result(60)
"""
COMPUTING = """
import time
from concurrent.futures import ThreadPoolExecutor
from tasks.standstill import watched

def computes(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return "done"

print(ThreadPoolExecutor().submit(watched, 1.0, computes, 4.0).result(60))
"""


def test_standing_still_ends_the_process_and_says_where() -> None:
    ended = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "Nothing was done in this worker for 1 s" in ended.stderr
    assert "in waits_for_ever" in ended.stderr


def test_computing_goes_on_as_long_as_it_takes() -> None:
    ended = subprocess.run([sys.executable, "-c", COMPUTING], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_answers_and_errors_come_through_and_nobody_watches_any_more() -> None:
    assert watched(600.0, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        watched(600.0, divmod, 7, 0)
    end = time.monotonic() + 30
    while any(thread.name == "standstill" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.01)
    assert all(thread.name != "standstill" for thread in threading.enumerate())
