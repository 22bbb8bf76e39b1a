"""Dask's workers as an Executor of the standard library: every call is answered, and none stands still for ever."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tasks.standstill import watched

if TYPE_CHECKING:
    import distributed


class DaskPool(Executor):
    """Sends calls to the workers of a client.

    Dask has such an executor too. Where a worker dies with an answer that was not fetched yet, and the call then fails,
    that one never says so, and whoever waits for the answer waits for ever.
    """

    def __init__(self, client: "distributed.Client", patience: float, resources: Mapping[str, float]) -> None:
        """Send nothing yet.

        Args:
            client: of a cluster that has workers.
            patience: seconds for which a worker may stand still with a call before it ends itself.
            resources: of a worker, as Dask counts them, that a call takes.
        """
        self.client, self.patience, self._resources = client, patience, dict(resources)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a worker call a function; equal calls are made as often as they are submitted."""
        asked = self.client.submit(
            watched,
            self.patience,
            partial(fn, **kwargs),
            *args,
            key=f"{getattr(fn, '__name__', 'call')}-{uuid4().hex}",  # its pages group calls by what comes first
            resources=self._resources or None,
        )
        loop = self.client.loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(_answer(asked), loop.asyncio_loop)  # type: ignore[attr-defined]


async def _answer(asked: "distributed.Future") -> Any:
    try:
        return await asked
    except CancelledError as cancelled:
        raise asyncio.CancelledError from cancelled  # so that the promise is cancelled too
