"""The command line as a process of its own."""

import subprocess
import sys


def selfmend(*words: object, environment: dict[str, str] | None = None) -> subprocess.Popen:  # type: ignore[type-arg]
    """The command line as a process in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
