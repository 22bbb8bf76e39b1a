"""Where lots run: this process, or a cluster that some kind of tasks/clusters/ gives. One Executor for all."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.clusters import HERE, NONE, load_cluster
from tasks.clusters._cluster import LOTS_IN_FLIGHT, Cluster, Unavailable, lot_resources
from tasks.clusters._pool import DaskPool
from tasks.roll_call import Crew, call_roll, visible_gpus
from tasks.standstill import STILL

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["LOTS_IN_FLIGHT", "Crew", "crew_for", "hired", "require_cluster", "shrink"]


def crew_for(cluster: str, workers: int | None = None) -> Crew:
    """The crew of a cluster, without starting one: for a plan that is only printed. A running scheduler is asked.

    On a CPU one single-threaded process per core, with CUDA one process per GPU. One thread per process is measured
    best on a CPU (benchmarks/results/batch.md), and the number of threads decides the last bits of a result, so it must
    not depend on how many workers there are.

    Raises:
        RequestError: there is no such cluster.
    """
    if cluster == NONE:
        return Crew(1, 1, "cuda" if visible_gpus() else "cpu")
    place = load_cluster(cluster)
    count = place.expected(workers)
    if count is None:
        with hired(cluster, workers) as (_, crew):
            return crew
    return Crew(count, place.threads, place.device, per_gpu=place.per_gpu)


def require_cluster(cluster: str) -> None:
    """Refuse a word that names no cluster, before anything is touched.

    Raises:
        RequestError: there is no such cluster, or its file is not one.
    """
    if cluster != NONE:
        load_cluster(cluster)


@contextmanager
def hired(cluster: str, workers: int | None = None) -> Iterator[tuple[Executor, Crew]]:
    """Where to submit lots, and who will do them.

    Args:
        cluster: "none" runs in this process, "local" in processes of this machine; otherwise the address of a Dask
            scheduler, a cluster file or the name of one that ships.
        workers: how many, in place of what the cluster's file says.

    Raises:
        RequestError: there is no such cluster, it cannot be had, or its workers are not of this version.
    """
    if cluster == NONE:
        pool = ThreadPoolExecutor(1, thread_name_prefix="lot")
        try:
            yield pool, crew_for(NONE)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # whoever is interrupted does not wait for lots to come
        return
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it tells the closing of each of its parts
    place = load_cluster(cluster)
    notices: tuple[str, ...] = ()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(_manned(place, workers))
        except Unavailable as error:
            if place.fallback != HERE:
                raise
            place, workers, notices = load_cluster(HERE), None, (f"{error} This machine did the work instead.",)
            client = stack.enter_context(_manned(place, workers))
        crew = _crew(client, place, workers)
        crew = replace(crew, notices=(*notices, *crew.notices))
        yield DaskPool(client, max(STILL, 60 * place.patience), lot_resources() if crew.owned else {}), crew


def shrink(pool: Executor, workers: int) -> None:
    """Fewer workers of a cluster that this process started, where not all would fit into memory, or have a lot."""
    cluster = pool.client.cluster if isinstance(pool, DaskPool) else None
    if cluster is not None and len(getattr(cluster, "plan", ())) > workers:
        cluster.scale(workers)


@contextmanager
def _manned(place: Cluster, workers: int | None) -> Iterator["Client"]:
    """A client whose cluster has a worker."""
    with place.client(workers) as client:
        try:
            client.wait_for_workers(1, timeout=60 * place.patience)
        except TimeoutError:
            raise Unavailable(
                f"No worker came within {place.patience:g} minutes ({place.summary}); look there, or raise `patience`."
            ) from None
        yield client


def _crew(client: "Client", place: Cluster, workers: int | None) -> Crew:
    """Workers that this installation started on this machine need not be asked."""
    if place.is_here:
        gpus = place.device == "cuda"
        return Crew(place.expected(workers) or 1, place.threads, place.device, per_gpu=place.per_gpu, owned=gpus)
    crew = call_roll(client, place.threads, place.per_gpu)
    return replace(crew, workers=max(crew.workers, place.expected(workers) or 0))
