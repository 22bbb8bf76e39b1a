"""Where lots run: this process, a Dask cluster of this machine, or a running Dask scheduler. One Executor for all."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tasks.errors import RequestError

# Without these a cluster can wait for ever after workers have died: see DECISIONS.md, "Dask settings".
SETTINGS = {
    "distributed.deploy.lost-worker-timeout": "300s",
    "distributed.scheduler.no-workers-timeout": "300s",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.daemon": True,
}
LOTS_IN_FLIGHT = 2  # per worker: one reads or writes while the other computes, under a lock


@dataclass(frozen=True)
class Crew:
    """How many worker processes, with how many torch threads each, on which devices."""

    workers: int
    threads: int
    device: str  # cpu or cuda


def crew_for(cluster: str, workers: int | None = None) -> Crew:
    """The crew for a cluster: on a CPU one single-threaded process per core, with CUDA one process per GPU.

    One thread per process is measured best on a CPU (benchmarks/results/batch.md), and the number of threads decides
    the last bits of a result, so it must not depend on how many workers there are.
    """
    gpus = _gpus()
    count = 1 if cluster == "none" else workers or gpus or len(os.sched_getaffinity(0))
    return Crew(count, 1, "cuda" if gpus else "cpu")


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@contextmanager
def executor(cluster: str, crew: Crew) -> Iterator[Executor]:
    """Where to submit lots.

    Args:
        cluster: "none" runs in this process, "local" starts a cluster of processes, "tcp://host:port" uses a scheduler.
        crew: how many processes a local cluster has.

    Raises:
        RequestError: the scheduler does not answer, or the word is none of these.
    """
    if cluster == "none":
        pool = ThreadPoolExecutor(1, thread_name_prefix="lot")
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # whoever is interrupted does not wait for lots to come
    elif cluster == "local":
        yield from _local(crew)
    elif "://" in cluster:
        yield from _remote(cluster)
    else:
        raise RequestError(
            f"--cluster {cluster} is not known: give 'local', 'none', or the address of a Dask scheduler such as "
            "tcp://host:8786."
        )


def _local(crew: Crew) -> Iterator[Executor]:
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it tells the closing of each of its parts
    per_worker = int(psutil.virtual_memory().total * 0.9 / crew.workers)
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=crew.workers,
            threads_per_worker=LOTS_IN_FLIGHT,
            processes=True,
            memory_limit=per_worker,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=40,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client.get_executor(pure=False)


def shrink(pool: Executor, workers: int) -> None:
    """Fewer processes for a local cluster, where so many as there are cores would not fit into memory."""
    cluster = getattr(getattr(pool, "_client", None), "cluster", None)
    if cluster is not None and len(cluster.workers) > workers:
        cluster.scale(workers)


def _remote(address: str) -> Iterator[Executor]:
    import dask
    from distributed import Client

    with dask.config.set(SETTINGS):
        try:
            client = Client(address, timeout=20, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RequestError(
                f"No Dask scheduler answers at {address} ({error}); start one or leave --cluster out."
            ) from None
        with client:
            yield client.get_executor(pure=False)
