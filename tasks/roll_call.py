"""Asking the workers of a cluster before any lot is sent: versions, number, device; and what is dangerous there."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.clusters._cluster import GPU, LOTS_IN_FLIGHT
from tasks.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = ("selfmend", "torch", "numpy", "scipy", "scikit-image", "zarr", "xarray", "dask", "distributed")
CODE = "selfmend's code"
FOLDERS = ("tasks", "il_models")
CROWDED = 4  # lots in flight in one process, of which one computes; beyond, the others only hold memory


@dataclass(frozen=True)
class Crew:
    """How many worker processes, with how many torch threads each, on which devices.

    memory: bytes that each may use by the cluster's own limit; None: together what this machine has.
    per_gpu: worker processes that share a GPU. owned: whether workers say by a resource that they own a GPU.
    notices: what somebody should know of the cluster, in sentences.
    """

    workers: int
    threads: int
    device: str  # cpu or cuda
    memory: int | None = None
    per_gpu: int = 1
    owned: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hand:
    """A worker as it answered. gpus: that torch sees there. owned: how many it says by a resource that it owns."""

    address: str
    lots: int
    memory: int
    gpus: int = 0
    owned: float = 0.0


def call_roll(client: "Client", threads: int, per_gpu: int) -> Crew:
    """Ask every worker.

    Raises:
        RequestError: a worker has other versions than this process, or none can be told which of them have GPUs.
    """
    told = client.scheduler_info(n_workers=-1)["workers"]
    require_same(versions(), worker_versions(client))
    gpus = client.run(visible_gpus)
    hands = [
        Hand(address, each["nthreads"], each["memory_limit"] or 0, gpus.get(address, 0), each["resources"].get(GPU, 0))
        for address, each in told.items()
    ]
    return crew_of(hands, threads, per_gpu, notices=scheduler_notices(client))


def crew_of(hands: list[Hand], threads: int, per_gpu: int = 1, notices: Iterable[str] = ()) -> Crew:
    """What the workers are together. Those that own a GPU do the fits; without any such, all are of one kind.

    Raises:
        RequestError: some have a GPU and say so in no way, or say so and have none.
    """
    owners = [hand for hand in hands if hand.owned > 0]
    without = [hand.address for hand in owners if hand.gpus == 0]
    if without:
        raise RequestError(
            f"{_some(without)} says that it owns a GPU (--resources {GPU}=...), and torch sees none there; install a "
            "torch with CUDA there, or start it without that resource."
        )
    seeing = [hand for hand in hands if hand.gpus > 0]
    if not owners and seeing and len(seeing) < len(hands):
        raise RequestError(
            f"{len(seeing)} of {len(hands)} workers have a GPU, and none says so; start those with "
            f"--resources {GPU}=1, so that fits go there."
        )
    fitting = owners or hands
    memory = min((hand.memory for hand in fitting if hand.memory), default=0) or None
    device = "cuda" if fitting and fitting[0].gpus else "cpu"
    told = (*notices, *_notices(fitting))
    return Crew(len(fitting), threads, device, memory, per_gpu, bool(owners), told)


def require_same(own: Mapping[str, str | None], others: Mapping[str, Mapping[str, str | None]]) -> None:
    """Refuse workers that would not do what this process means.

    Args:
        own: versions of this process by package. others: the same by worker.

    Raises:
        RequestError: in one sentence, with the packages and the workers.
    """
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for address, theirs in others.items():
        for name, value in own.items():
            if _plain(theirs.get(name)) != _plain(value):
                found[name, theirs.get(name) or "none"].append(address)
    if found:
        told = "; ".join(
            f"{name} is {own[name]} here and {theirs} on {_some(where)}" for (name, theirs), where in found.items()
        )
        raise RequestError(f"Workers and this process differ: {told}; install the same on both, and start them again.")


def versions() -> dict[str, str | None]:
    """Of this process: packages, Python, and a digest of selfmend's own code, for its version may not tell."""
    import platform

    told: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            told[name] = None
    return told | {CODE: code_digest()}


def worker_versions(client: "Client") -> dict[str, dict[str, str | None]]:
    """The same of every worker; the digest only where selfmend is installed at all."""
    asked: Any = client.get_versions(packages=PACKAGES)
    told = {address: _read(each["packages"]) for address, each in asked["workers"].items()}
    digests = client.run(code_digest, on_error="return")
    return {
        address: each | {CODE: digest if isinstance(digest := digests.get(address), str) else "another"}
        for address, each in told.items()
    }


def scheduler_notices(client: "Client") -> list[str]:
    """What can make a run hang or fail, of the settings of the scheduler, which need not know selfmend."""

    def ask(dask_scheduler: Any) -> tuple[Any, int]:  # a function of no module travels whole
        return dask_scheduler.no_workers_timeout, dask_scheduler.allowed_failures

    timeout, failures = client.run_on_scheduler(ask)
    wrong = []
    if timeout is None:
        wrong.append("distributed.scheduler.no-workers-timeout is not set, so that lots wait for ever without workers")
    if failures < 1:
        wrong.append("distributed.scheduler.allowed-failures is 0, so that one lost worker fails all that it had")
    return [f"Of this Dask scheduler {each}; docs/cluster.md says what to set." for each in wrong]


def visible_gpus() -> int:
    """Runs on a worker: the GPUs that torch sees there."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@cache
def code_digest() -> str:
    """Of the code that restores: 12 hexadecimal digits."""
    top = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted(file for folder in FOLDERS for file in (top / folder).rglob("*.py")):
        digest.update(f"{file.relative_to(top)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _notices(fitting: list[Hand]) -> list[str]:
    told = []
    if crowded := [hand.address for hand in fitting if hand.lots > CROWDED]:
        told.append(
            f"{_some(crowded)} takes more than {CROWDED} lots at once and computes one at a time; start a process per "
            f"core or GPU, each with --nthreads {LOTS_IN_FLIGHT}."
        )
    if wide := [hand.address for hand in fitting if hand.gpus > 1]:
        told.append(f"{_some(wide)} sees several GPUs and uses the first; start a worker for each GPU.")
    return told


def _read(packages: Mapping[str, Any]) -> dict[str, str | None]:
    return {**packages, "python": ".".join(str(packages.get("python", "")).split(".")[:3])}


def _plain(told: str | None) -> str:
    """Without the build: 2.13.0+cu130 does what 2.13.0+cpu does."""
    return re.sub(r"\+.*", "", told or "none")


def _some(addresses: list[str]) -> str:
    more = f" and {len(addresses) - 2} more" if len(addresses) > 2 else ""
    return f"worker {', '.join(addresses[:2])}{more}"
