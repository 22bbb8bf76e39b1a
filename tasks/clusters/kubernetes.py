"""Kubernetes, where the Dask operator runs: every worker is a pod."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import yaml
from pydantic import Field

from tasks.clusters._cluster import GPU, LOTS_IN_FLIGHT, Cluster, Count, Unavailable, environment, missing, settled

if TYPE_CHECKING:
    from distributed import Client


class Kubernetes(Cluster):
    """Pods of a Kubernetes cluster that has the Dask operator."""

    summary: ClassVar[str] = "pods of a Kubernetes cluster with the Dask operator"

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(description="Container image that holds this very version of selfmend.")
    pods: Count = Field(4, description="Worker pods; --workers replaces it.")
    name: str = Field("selfmend", description="Of the DaskCluster.", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    namespace: str | None = Field(None, description="Without it that of the current context.")
    gpus: Literal[0, 1] = Field(1, description="GPUs of a pod. For more GPUs ask for more pods.")
    fits_per_gpu: Count = Field(1, description="Worker processes that share the GPU of a pod.")
    cores: Count = Field(4, description="Of a pod; without a GPU each is a worker process.")
    memory: str = Field("16Gi", description="Of a pod, in Kubernetes' words.", pattern=r"^\d+(\.\d+)?[kMGT]i?$")
    secrets: tuple[str, ...] = Field((), description="Kubernetes secrets whose keys the pods get as environment.")
    patience: float = Field(15, gt=0, description="Minutes to wait for a first pod, and later where all are gone.")

    @property
    def processes(self) -> int:
        """Worker processes of a pod."""
        return self.fits_per_gpu if self.gpus else max(1, self.cores // self.threads)

    def expected(self, workers: int | None = None) -> int:
        """Those of all pods."""
        return (workers or self.pods) * self.processes

    @contextmanager
    def client(self, workers: int | None = None) -> Iterator["Client"]:
        """Create the DaskCluster, and delete it with the context.

        Raises:
            Unavailable: dask-kubernetes is not installed, or Kubernetes does not answer.
        """
        from distributed import Client

        try:
            from dask_kubernetes.operator import KubeCluster
        except ImportError:
            raise missing("dask-kubernetes", "dask-k8s") from None
        with settled(self.patience):
            try:
                cluster = KubeCluster(
                    namespace=self.namespace,
                    custom_cluster_spec=self.spec(workers),
                    resource_timeout=int(60 * self.patience),
                    quiet=True,
                )
            except Exception as error:  # noqa: BLE001 - of whichever of four client libraries
                raise Unavailable(
                    f"Kubernetes gives no Dask cluster ({' '.join(str(error).split()) or type(error).__name__}); check "
                    "kubectl's context, and that the Dask operator is installed there."
                ) from None
            with cluster, Client(cluster, set_as_default=False) as client:
                yield client

    def told(self) -> str:
        """The DaskCluster."""
        return str(yaml.safe_dump(self.spec(), sort_keys=False))

    def spec(self, workers: int | None = None) -> dict[str, Any]:
        """The DaskCluster resource; the operator's own, with what a worker owns and the settings of all processes.

        Raises:
            Unavailable: dask-kubernetes is not installed.
        """
        try:
            from dask_kubernetes.operator import make_cluster_spec
        except ImportError:
            raise missing("dask-kubernetes", "dask-k8s") from None
        made: dict[str, Any] = make_cluster_spec(
            name=self.name,
            image=self.image,
            n_workers=workers or self.pods,
            env=environment(self.threads, self.patience),
            worker_command=self._command(),
        )
        (worker,) = made["spec"]["worker"]["spec"]["containers"]
        amounts = {"cpu": str(self.cores), "memory": self.memory}
        limits = amounts | ({"nvidia.com/gpu": "1"} if self.gpus else {})
        worker["resources"] = {"requests": amounts, "limits": limits}
        for (container,) in (made["spec"][part]["spec"]["containers"] for part in ("worker", "scheduler")):
            container["envFrom"] = [{"secretRef": {"name": secret}} for secret in self.secrets]
        return made

    def _command(self) -> str:
        owned = f" --resources {GPU}=1" if self.gpus else ""
        return f"dask worker --nworkers {self.processes} --nthreads {LOTS_IN_FLIGHT} --memory-limit auto{owned}"
