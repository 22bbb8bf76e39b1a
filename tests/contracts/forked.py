"""The command line in processes that find everything imported: each is forked from one process that has done that."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Forked:
    """A process that begins `selfmend` as often as it is told, each time in a group of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        """`environment`: of the process, and of all that it begins."""
        path = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**environment, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Forked":
        """As it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it; what it began and nobody waited for ends by itself."""
        self._process.communicate()

    def selfmend(self, *words: object, said: Path) -> int:
        """Begin a run; its process. said: the file for what it says."""
        return int(self._asked({"words": list(map(str, words)), "said": str(said)}))

    def ended(self, process: int, wait: bool = True) -> int | None:
        """The exit code of a process, minus the signal where one ended it; None while it goes on."""
        found: int | None = self._asked({"process": process, "wait": wait})
        return found

    def _asked(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    from flows.cli import main
    from flows.environment import settle

    settle(quiet=True)
    import flows.restore  # noqa: F401 - with all that it imports

    for line in sys.stdin:
        question = json.loads(line)
        if "process" in question:
            process, status = os.waitpid(question["process"], 0 if question["wait"] else os.WNOHANG)
            _answer(os.waitstatus_to_exitcode(status) if process else None)
            continue
        child = os.fork()
        if child == 0:
            os.setsid()
            said = os.open(question["said"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(said, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["selfmend", *question["words"]]
            try:
                main()
            except SystemExit as ended:
                os._exit(ended.code if isinstance(ended.code, int) else 1)
        _answer(child)


def _answer(found: int | None) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
