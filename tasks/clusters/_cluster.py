"""What every kind of cluster says of itself, and the settings without which Dask can wait for ever."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client

LOTS_IN_FLIGHT = 2  # per worker process: one reads or writes while the other computes, under a lock
VISIBLE = "CUDA_VISIBLE_DEVICES"
GPU = "GPU"  # the resource of a worker process that owns one

# Why each of them: docs/cluster.md, "Settings".
SETTINGS: dict[str, Any] = {
    "distributed.deploy.lost-worker-timeout": "300s",
    "distributed.scheduler.no-workers-timeout": "300s",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.daemon": True,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
}

Count = Annotated[int, Field(ge=1)]
Minutes = Annotated[float, Field(gt=0)]


class Unavailable(RequestError):  # noqa: N818 - what it is
    """A cluster cannot be had just now; whoever asked for it may have said what to do instead."""


class Cluster(BaseModel, ABC):
    """Base of all kinds. A kind only ever produces a Dask client; all that follows is the same for every kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    summary: ClassVar[str]
    is_here: ClassVar[bool] = False  # whether its workers run on this machine, in this very installation

    threads: Count = Field(
        1,
        description="Torch threads of a worker process. The plan keeps the number that a run began with, for it "
        "decides the last bits of a result. With one process per core, 1 is cores over workers.",
    )
    fallback: Literal["none", "local"] = Field(
        "none", description="local: where this cluster cannot be had, the processes of this machine do the work."
    )
    patience: Minutes = Field(
        5,
        description="Minutes to wait for a first worker, and later for one where all are gone; and after which (five "
        "at least) one that holds work and does nothing at all ends itself.",
    )

    @property
    def device(self) -> str:
        """What its workers compute on, as far as the file tells: cpu or cuda."""
        return "cuda" if getattr(self, "gpus", 0) else "cpu"

    @property
    def per_gpu(self) -> int:
        """Worker processes that share a GPU."""
        return int(getattr(self, "fits_per_gpu", 1))

    @abstractmethod
    def expected(self, workers: int | None = None) -> int | None:
        """Worker processes that there will be; None: only the cluster knows. workers: as for `client`."""

    @abstractmethod
    def client(self, workers: int | None = None) -> AbstractContextManager["Client"]:
        """A Dask client while the context lasts.

        Args:
            workers: how many, in place of the file's number.

        Raises:
            Unavailable: the cluster cannot be had.
        """

    @abstractmethod
    def told(self) -> str:
        """What would be started, for a person: a job script, a pod, processes."""


@contextmanager
def settled(patience: Minutes) -> Iterator[None]:
    """Dask's settings while a cluster lives that is started from this process."""
    import dask

    with dask.config.set(settings(patience)):
        yield


def settings(patience: Minutes) -> dict[str, Any]:
    """The settings, with how long lots wait where no worker is left."""
    return SETTINGS | {"distributed.scheduler.no-workers-timeout": f"{patience * 60:.0f}s"}


def environment(threads: int, patience: Minutes | None = None) -> dict[str, str]:
    """For worker processes: threads of every library that has some; with `patience`, Dask's settings as well."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    told = dict.fromkeys(names, str(threads))
    if patience is not None:
        told |= {_variable(key): str(value) for key, value in settings(patience).items()}
    return told


def lot_resources() -> Mapping[str, float]:
    """What a lot takes of the GPU of a worker process: a share that lets LOTS_IN_FLIGHT of them in.

    A worker says GPU = 1, as everybody starts it. A lot that took all of it would keep the next one from being read
    meanwhile; what keeps two fits off one GPU is the lock in the process that owns it.
    """
    return {GPU: 1 / LOTS_IN_FLIGHT}


def visible_devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    if not torch.cuda.is_available():
        return []
    if (told := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in told.split(",")]
    return [str(number) for number in range(torch.cuda.device_count())]


def missing(package: str, extra: str) -> Unavailable:
    """The error for a kind whose library is not installed."""
    return Unavailable(
        f"This kind of cluster needs {package}, which is not installed; pip install 'selfmend[{extra}]'."
    )


def _variable(key: str) -> str:
    """How Dask reads a setting from the environment: DASK_DISTRIBUTED__WORKER__DAEMON."""
    return "DASK_" + key.upper().replace(".", "__").replace("-", "_")
