"""Whatever Dask says of a call, whoever waits for it is told."""

import asyncio
import os
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.clusters._pool import DaskPool
from tasks.workers import hired


class Asked:
    """A call as Dask's client knows it, without any cluster."""

    def __init__(self, answer: Any = None, error: BaseException | None = None) -> None:
        self.answer, self.error = answer, error

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The thread of Dask's client."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


def test_an_answer_comes_and_so_does_an_error_while_it_is_fetched(loop: asyncio.AbstractEventLoop) -> None:
    def promised(asked: Asked) -> "Future[Any]":
        client = SimpleNamespace(loop=SimpleNamespace(asyncio_loop=loop), submit=lambda *_, **__: asked)
        return DaskPool(cast(Any, client), 60.0, {}).submit(divmod, 7, 2)

    assert promised(Asked((1, 2, 3))).result(10) == (1, 2, 3)
    with pytest.raises(OSError, match="gone"):
        promised(Asked(error=OSError("gone"))).result(10)
    with pytest.raises(CancelledError):
        promised(Asked(error=CancelledError())).result(10)


def stands_still_once(folder: str) -> int:
    """Wait for ever in the first process that is asked; answer from the next."""
    mark = Path(folder) / "mark"
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        threading.Event().wait()
    assert mark.read_text() != str(os.getpid())
    return 7


@pytest.mark.dask
def test_a_worker_that_stands_still_is_replaced(tmp_path: Path) -> None:
    with hired("local", 1) as (pool, _):
        assert isinstance(pool, DaskPool)
        pool.patience = 2.0
        assert pool.submit(stands_still_once, folder=str(tmp_path)).result(120) == 7
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(60)
