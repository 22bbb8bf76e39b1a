"""Worker processes of this machine: one single-threaded process per core."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

import psutil
from pydantic import Field

from tasks.clusters._cluster import LOTS_IN_FLIGHT, VISIBLE, Cluster, Count, environment, settled

if TYPE_CHECKING:
    from distributed import Client


class Local(Cluster):
    """A Dask cluster of this machine's cores."""

    summary: ClassVar[str] = "worker processes of this machine, one per core"
    is_here: ClassVar[bool] = True

    kind: Literal["local"] = "local"
    workers: Count | None = Field(None, description="Worker processes; without it one per core.")
    memory_share: float = Field(0.9, gt=0, le=1, description="Of the machine's memory, for all workers together.")

    def expected(self, workers: int | None = None) -> int:
        """One per core, unless told otherwise."""
        return workers or self.workers or max(1, len(os.sched_getaffinity(0)) // self.threads)

    @contextmanager
    def client(self, workers: int | None = None) -> Iterator["Client"]:
        """Start the processes, and end them with the context."""
        from distributed import Client, LocalCluster

        count = self.expected(workers)
        with (
            settled(self.patience),
            LocalCluster(
                n_workers=count,
                threads_per_worker=LOTS_IN_FLIGHT,
                processes=True,
                memory_limit=int(psutil.virtual_memory().total * self.memory_share / count),
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
                env={VISIBLE: "", **environment(self.threads)},  # cores are meant
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client

    def told(self) -> str:
        """In a sentence."""
        return f"{self.expected()} processes of {self.threads} torch thread(s) on this machine"
