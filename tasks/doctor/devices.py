"""Cores, memory and GPUs: what a local cluster would find."""

import os
import shutil

import psutil

from tasks.doctor.finding import Finding, bad, doubtful, good

WORKER_BYTES = 2 * 2**30  # of memory for each process of a local cluster; the plan of a run counts more finely


def device_findings() -> list[Finding]:
    """Findings on cores, threads, memory and GPUs."""
    return [_cores(), _memory(), _gpus()]


def _cores() -> Finding:
    usable, there = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    found = f"{usable} of {there} cores, OMP_NUM_THREADS {threads or 'not set'}"
    if threads != "1" and usable > 1:
        return doubtful(
            "cores", found, "Set OMP_NUM_THREADS=1 where workers start: a process per core with one thread is fastest."
        )
    return good("cores", found)


def _memory() -> Finding:
    memory, cores = psutil.virtual_memory(), len(os.sched_getaffinity(0))
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if memory.available < WORKER_BYTES:
        return bad("memory", found, "That is less than one worker needs; end something else, or take another machine.")
    if memory.available < WORKER_BYTES * cores:
        return doubtful(
            "memory", found, f"Too little for {cores} workers: give --workers, or let the plan choose fewer."
        )
    return good("memory", found)


def _gpus() -> Finding:
    import torch

    if not torch.cuda.is_available():
        if shutil.which("nvidia-smi"):
            return doubtful(
                "GPU",
                f"not usable by PyTorch {torch.__version__}",
                "Install PyTorch for CUDA, without constraints.txt.",
            )
        return good("GPU", "none; the CPU is used")
    cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return good("GPU", ", ".join(f"{each.name} {each.total_memory / 2**30:.0f} GiB" for each in cards))
