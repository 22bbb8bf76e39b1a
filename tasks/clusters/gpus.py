"""The GPUs of this machine: one worker process each, that sees no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import psutil
from pydantic import Field

from tasks.clusters._cluster import (
    GPU,
    LOTS_IN_FLIGHT,
    VISIBLE,
    Cluster,
    Count,
    Unavailable,
    environment,
    settled,
    visible_devices,
)

if TYPE_CHECKING:
    from distributed import Client


class Gpus(Cluster):
    """One Dask worker per GPU of this machine."""

    summary: ClassVar[str] = "the GPUs of this machine, one worker process each"
    is_here: ClassVar[bool] = True

    kind: Literal["gpus"] = "gpus"
    workers: Count | None = Field(None, description="GPUs to use; without it all that are visible.")
    fits_per_gpu: Count = Field(
        1, description="Worker processes that share a GPU. Each fits one batch at a time; more than 1 only if asked."
    )

    @property
    def device(self) -> str:
        """CUDA's."""
        return "cuda"

    def expected(self, workers: int | None = None) -> int:
        """As many as share all GPUs that are used."""
        return self.fits_per_gpu * len(visible_devices()[: workers or self.workers])

    @contextmanager
    def client(self, workers: int | None = None) -> Iterator["Client"]:
        """Start the processes, and end them with the context.

        Raises:
            Unavailable: this machine has no GPU that torch can use.
        """
        from distributed import Client, Nanny, Scheduler, SpecCluster

        devices = visible_devices()[: workers or self.workers]
        if not devices:
            raise Unavailable("This machine has no GPU that torch can use; choose --cluster local, or another one.")
        owners = [device for device in devices for _ in range(self.fits_per_gpu)]
        scheduler = {
            "cls": Scheduler,
            "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"},
        }
        nannies = {
            number: {"cls": Nanny, "options": self.options(device, len(owners))} for number, device in enumerate(owners)
        }
        with (
            settled(self.patience),
            SpecCluster(scheduler=scheduler, workers=nannies, silence_logs=50, name="gpus") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client

    def options(self, device: str, workers: int) -> dict[str, Any]:
        """Of the nanny that owns a device: it hides the others from its worker before torch can see them."""
        return {
            "nthreads": LOTS_IN_FLIGHT,
            "resources": {GPU: 1},
            "memory_limit": int(psutil.virtual_memory().total * 0.9 / workers),
            "env": {VISIBLE: device, **environment(self.threads)},
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "silence_logs": 50,
        }

    def told(self) -> str:
        """In a sentence."""
        names = ", ".join(visible_devices()) or "none"
        return f"{self.fits_per_gpu} worker process(es) for each GPU of this machine (visible: {names})"
