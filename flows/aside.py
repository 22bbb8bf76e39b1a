"""Words for Prefect's pages. A server that does not answer must neither end a run nor keep it waiting.

Prefect's client tries for a minute before it gives up. Said between two lots, that minute would come again with each of
them: so what is said while a run goes on is said in a thread of its own, and left out while that still waits.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import Any

from httpx import HTTPError
from prefect import get_client, runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TagsContext
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

LAST_WORD = 10.0  # seconds that the end of a run waits for its progress to be told


@contextmanager
def unheard(what: str) -> Iterator[None]:
    """Nobody may hear how far a run is; that is no reason to stop it. what: a sentence for the log."""
    try:
        yield
    except (OSError, HTTPError, PrefectException) as error:
        get_run_logger().warning("%s: %s: %s", what, type(error).__name__, error)


def tag_run(*names: str) -> None:
    """Tag the flow run under way, whoever started it: by them the Prefect UI finds all runs of a collection."""
    if runtime.flow_run.id is not None:
        with unheard("The run cannot be tagged"), get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, tags={*runtime.flow_run.tags, *names})


def untagged() -> AbstractContextManager[Any]:
    """Task runs that begin in this context have no tags, whatever their flow run has.

    Prefect asks its server for leave for each tag of a task run before that begins, and without an answer the flow run
    ends: a server that dies would take every run with it.
    """
    return TagsContext(current_tags=set())


class ProgressBar:
    """The progress artifact of a run, told aside. A server that never heard of it is told nothing more."""

    def __init__(self, key: str, share: float, text: str) -> None:
        """Make it. key: of the artifact. share: in per cent. text: the same in words."""
        self._artifact: Any = None
        self._thread: threading.Thread | None = None
        with unheard("The progress artifact cannot be made"):
            self._artifact = create_progress_artifact(progress=share, key=key, description=text)

    def tell(self, share: float, text: str, last: bool = False) -> None:
        """How far the run is. last: wait a while for it to be heard."""
        if last:
            self._wait()
        if self._artifact is None or (self._thread is not None and self._thread.is_alive()):
            return
        self._aside(lambda: update_progress_artifact(self._artifact, progress=share, description=text))
        if last:
            self._wait()

    def _aside(self, say: Callable[[], object]) -> None:
        context = copy_context()  # by which the log knows its run

        def said() -> None:
            with unheard("The progress artifact cannot be updated"):
                say()

        # A daemon, or the process would stay until it has given up.
        self._thread = threading.Thread(target=context.run, args=(said,), name="progress", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join(LAST_WORD)
