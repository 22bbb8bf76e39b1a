"""Slurm, through dask-jobqueue: every job is a worker, or as many as share its GPU."""

import math
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tasks.clusters._cluster import GPU, LOTS_IN_FLIGHT, Cluster, Count, Unavailable, environment, missing, settled

if TYPE_CHECKING:
    from distributed import Client

LEAVE = 10  # minutes before a job's end at which its workers leave by themselves, which blames no lot


class Slurm(Cluster):
    """Jobs of a Slurm cluster. The scheduler runs beside the flow; jobs end with it."""

    summary: ClassVar[str] = "jobs of a Slurm cluster"

    kind: Literal["slurm"] = "slurm"
    jobs: Count = Field(4, description="Jobs to ask for; --workers replaces it.")
    partition: str | None = Field(None, description="Slurm's -p.")
    account: str | None = Field(None, description="Slurm's -A.")
    gpus: Literal[0, 1] = Field(1, description="GPUs of a job. For more GPUs ask for more jobs.")
    fits_per_gpu: Count = Field(1, description="Worker processes that share the GPU of a job.")
    cores: Count = Field(4, description="Cores of a job; without a GPU each is a worker process.")
    memory: str = Field("16GB", description="Of a job.", pattern=r"^\d+(\.\d+)?\s*[kKMGT]i?B$")
    minutes: int = Field(480, gt=LEAVE, description="Wall time of a job.")
    interface: str | None = Field(
        None, description="Network interface, such as ib0, on which scheduler and workers listen for each other."
    )
    directives: tuple[str, ...] = Field((), description="More #SBATCH lines, such as --qos=night.")
    prologue: tuple[str, ...] = Field((), description="Shell lines before the worker starts, such as module load.")
    python: str | None = Field(None, description="Python of the jobs; without it the path of this one.")
    logs: str | None = Field(None, description="Folder for the jobs' output.")
    patience: float = Field(60, gt=0, description="Minutes to wait for a first job, and later where all have ended.")

    @property
    def processes(self) -> int:
        """Worker processes of a job."""
        return self.fits_per_gpu if self.gpus else max(1, self.cores // self.threads)

    def expected(self, workers: int | None = None) -> int:
        """Those of all jobs."""
        return (workers or self.jobs) * self.processes

    @contextmanager
    def client(self, workers: int | None = None) -> Iterator["Client"]:
        """Submit the jobs, and cancel what is left of them with the context.

        Raises:
            Unavailable: dask-jobqueue is not installed, there is no sbatch, or it refuses such a job.
        """
        from distributed import Client

        require_accepted(self.told())
        with (
            settled(self.patience),
            self._cluster(queued=True) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            cluster.scale(jobs=workers or self.jobs)
            yield client

    def told(self) -> str:
        """The job script."""
        with self._cluster(queued=False) as cluster:
            return str(cluster.job_script())

    def _cluster(self, queued: bool) -> Any:
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError:
            raise missing("dask-jobqueue", "slurm") from None
        where: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "port": 0}
        if not queued:  # only to be read: nothing needs to listen but here
            where["host"] = "127.0.0.1"
        elif self.interface:
            where["interface"] = self.interface
        return SLURMCluster(scheduler_options=where, **self.job())

    def job(self) -> dict[str, Any]:
        """A job in dask-jobqueue's words.

        Its `cores` are threads of Dask, which are lots in flight; those of the machine are job_cpu. Workers leave
        some minutes before Slurm would kill them, not all at once, so that their lots go back to the others unblamed.
        """
        exports = [f"export {name}={value}" for name, value in environment(self.threads, self.patience).items()]
        leave = self.minutes - LEAVE
        told = [
            "--lifetime", f"{leave}m", "--lifetime-stagger", f"{min(5, math.ceil(leave / 4))}m",
            "--no-dashboard",
            *(["--resources", f"{GPU}=1"] if self.gpus else []),
        ]  # fmt: skip
        return {
            "queue": self.partition,
            "account": self.account,
            "cores": self.processes * LOTS_IN_FLIGHT,
            "processes": self.processes,
            "job_cpu": self.cores,
            "memory": self.memory,
            "walltime": f"{self.minutes // 60:02d}:{self.minutes % 60:02d}:00",
            "job_extra_directives": [*(["--gres=gpu:1"] if self.gpus else []), *self.directives],
            "job_script_prologue": [*exports, *self.prologue],
            "worker_extra_args": told,
            "interface": self.interface,
            "log_directory": self.logs,
            **({"python": self.python} if self.python else {}),
        }


def require_accepted(script: str) -> None:
    """Let Slurm look at a job script without queueing it: dask-jobqueue would only log that a job was refused.

    Raises:
        Unavailable: there is no sbatch, or it refuses.
    """
    if shutil.which("sbatch") is None:
        raise Unavailable("Slurm's sbatch is not on this machine; start the run where jobs are submitted from.")
    asked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise Unavailable(f"Slurm refuses such a job ({' '.join(asked.stderr.split())}); mend the cluster file.")
