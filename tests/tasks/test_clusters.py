"""Cluster files say what they mean, are refused in sentences, and become what their engine understands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tasks import clusters
from tasks.clusters import checked_cluster, known_clusters, known_kinds, load_cluster
from tasks.clusters._cluster import SETTINGS, VISIBLE, environment, settings, settled
from tasks.clusters.gpus import Gpus
from tasks.clusters.kubernetes import Kubernetes
from tasks.clusters.local import Local
from tasks.clusters.scheduler import Scheduler
from tasks.clusters.slurm import Slurm, require_accepted
from tasks.errors import RequestError
from tasks.workers import crew_for, hired


@pytest.mark.parametrize("name", known_clusters())
def test_every_file_that_ships_is_one(name: str) -> None:
    cluster = load_cluster(name)
    assert cluster.summary
    assert type(cluster) is known_kinds()[cluster.kind]  # type: ignore[attr-defined]
    described = {name for name, each in type(cluster).model_fields.items() if each.description}
    assert described | {"kind"} == set(type(cluster).model_fields)


def test_a_cluster_is_a_word_a_file_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "night.yaml"
    file.write_text("kind: local\nworkers: 3\nmemory_share: 0.5\n")
    assert load_cluster(str(file)) == Local(workers=3, memory_share=0.5)
    assert load_cluster("tcp://host:8786") == Scheduler(address="tcp://host:8786")
    assert isinstance(load_cluster("slurm"), Slurm)
    monkeypatch.setattr(clusters, "visible_devices", list)
    assert isinstance(load_cluster("local"), Local)
    monkeypatch.setattr(clusters, "visible_devices", lambda: ["0", "1"])
    assert isinstance(load_cluster("local"), Gpus)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: slurm\nqueue: night\n", "'queue' is not a known key"),
        ("kind: slurm\npartitions: night\n", "Did you mean 'partition'?"),
        ("kind: slrum\n", "there is no kind 'slrum'; known: gpus, kubernetes, local, scheduler, slurm. Did you mean"),
        ("workers: 2\n", "there is no kind None"),
        ("kind: local\nworkers: 0\n", "'workers': input should be greater than or equal to 1. It is 0."),
        ("kind: kubernetes\n", "'image' is missing"),
        ("kind: scheduler\naddress: host\n", "'address'"),
        ("kind: slurm\nminutes: 10\n", "'minutes': input should be greater than 10"),
        ("- kind: local\n", "must hold keys and values"),
        ("kind: [local\n", "is not YAML"),
        ("kind: [local]\n", "there is no kind ['local']"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "night.yaml"
    file.write_text(text)
    with pytest.raises(RequestError) as refused:
        load_cluster(str(file))
    assert sentence in str(refused.value)
    assert str(file) in str(refused.value)


def test_an_unknown_cluster_is_told_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"(?s)--cluster slurmm is not known.*Did you mean 'slurm'\?"):
        load_cluster("slurmm")


def test_dask_reads_our_settings_from_the_environment() -> None:
    """Where scheduler and workers are processes of another machine, the environment is all that reaches them."""
    told = environment(2, patience=7)
    keys = ["distributed.scheduler.no-workers-timeout", *(key for key in SETTINGS if "no-workers" not in key)]
    code = f"import dask, distributed; print([dask.config.get(key) for key in {keys!r}])"
    seen = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == str([settings(7)[key] for key in keys])
    assert {told[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"2"}


def test_settings_hold_while_a_cluster_lives() -> None:
    import dask
    import distributed  # noqa: F401 - it brings the defaults

    before = dask.config.get("distributed.scheduler.no-workers-timeout")
    with settled(3):
        assert dask.config.get("distributed.scheduler.no-workers-timeout") == "180s"
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "300s"
        assert dask.config.get("distributed.worker.memory.pause") is False
    assert dask.config.get("distributed.scheduler.no-workers-timeout") == before


def test_threads_are_cores_over_workers() -> None:
    cores = len(os.sched_getaffinity(0))
    assert Local().expected() == cores
    assert Local(threads=cores).expected() == 1
    assert Slurm(gpus=0, cores=16, threads=4).expected() == 4 * 4
    assert Slurm(gpus=1, cores=16).expected() == 4
    assert Slurm(gpus=1, cores=16).expected(workers=9) == 9
    assert Kubernetes(image="i", gpus=0, cores=8).expected() == 4 * 8


def test_a_job_script_asks_for_what_the_file_says() -> None:
    pytest.importorskip("dask_jobqueue")
    script = Slurm(
        partition="gpu",
        account="bio",
        cores=8,
        memory="48GB",
        minutes=90,
        directives=("--qos=night",),
        prologue=("module load cuda",),
        python="/opt/selfmend/bin/python",
    ).told()
    for line in ("-p gpu", "-A bio", "-n 1", "--cpus-per-task=8", "--mem=45G", "-t 01:30:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --qos=night\n" in script
    assert "module load cuda\n" in script
    assert "export OMP_NUM_THREADS=1\n" in script
    assert "export DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT=3600s\n" in script
    (command,) = (line for line in script.splitlines() if line.startswith("/opt/selfmend/bin/python"))
    for words in ("--nthreads 2", "--resources GPU=1", "--lifetime 80m --lifetime-stagger 5m"):
        assert words in command


def test_jobs_without_gpus_hold_a_process_per_core() -> None:
    pytest.importorskip("dask_jobqueue")
    script = Slurm(gpus=0, cores=4, memory="8GB").told()
    assert "--gres" not in script
    assert "--resources" not in script
    assert "--nthreads 2 --memory-limit 1.86GiB --nworkers 4" in script


def test_jobs_that_slurm_refuses_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="sbatch is not on this machine"), hired("slurm"):
        pass
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    with pytest.raises(RequestError, match=r"Slurm refuses such a job \(sbatch: error: invalid partition"):
        require_accepted("#!/bin/sh\n")
    sbatch.write_text("#!/bin/sh\nexit 0\n")
    require_accepted("#!/bin/sh\n")


@pytest.mark.parametrize(("cluster", "package"), [("slurm", "dask_jobqueue"), ("kubernetes", "dask_kubernetes")])
def test_a_missing_library_is_told(cluster: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.operator", None)
    with pytest.raises(RequestError, match=r"not installed; pip install 'selfmend\["), hired(cluster):
        pass


def test_a_pod_owns_its_gpu() -> None:
    pytest.importorskip("dask_kubernetes")
    spec = Kubernetes(image="selfmend:cuda", pods=3, cores=6, memory="24Gi", secrets=("bucket",)).spec()
    worker = spec["spec"]["worker"]
    assert worker["replicas"] == 3
    (container,) = worker["spec"]["containers"]
    assert container["image"] == "selfmend:cuda"
    assert container["resources"]["limits"] == {"cpu": "6", "memory": "24Gi", "nvidia.com/gpu": "1"}
    assert {"secretRef": {"name": "bucket"}} in container["envFrom"]
    assert "--resources GPU=1" in " ".join(container["args"])
    told = {each["name"]: each["value"] for each in container["env"]}
    assert told["DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT"] == "900s"
    assert yaml.safe_load(yaml.safe_dump(spec)) == spec


def test_without_a_gpu_that_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clusters.gpus.visible_devices", list)
    with pytest.raises(RequestError, match="has no GPU that torch can use"), hired("gpus"):
        pass


def test_a_plan_needs_no_cluster() -> None:
    assert crew_for("slurm").workers == 4
    assert crew_for("slurm").device == "cuda"
    assert crew_for("slurm_cpu").workers == 64
    assert crew_for("kubernetes", workers=7).workers == 7


def test_an_unreachable_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clusters.scheduler.CONNECT", 1)
    with (
        pytest.raises(RequestError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 "),
        hired("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(RequestError, match="cannot change the workers of the running scheduler"), hired("scheduler", 4):
        pass


def test_options_of_a_worker_that_owns_a_device() -> None:
    told = Gpus(threads=3).options("GPU-5f", workers=4)
    assert told["env"][VISIBLE] == "GPU-5f"
    assert told["env"]["OMP_NUM_THREADS"] == "3"
    assert told["resources"] == {"GPU": 1}


def test_an_unknown_key_is_refused_wherever_a_cluster_comes_from() -> None:
    with pytest.raises(RequestError, match=r"'memory_shares' is not a known key\. Did you mean 'memory_share'\?"):
        checked_cluster({"kind": "local", "memory_shares": 1})
