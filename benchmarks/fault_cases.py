"""The faults of the campaign, each tried from a clean start to the resumed end, and judged."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.fault_judge import RECORD, Result, Verdict, judged, result_of
from benchmarks.fault_points import DAY, Fault
from benchmarks.fault_run import GOOD, RECIPE, Setting, run_process
from benchmarks.fault_surroundings import prefect_server, scheduler, small_disk
from tasks.stores.place import Place

HUNG = 600.0  # seconds after which a run counts as hanging; under a load of 17 one took four minutes on its way
RESUMES = 3  # at most
PROCESSES = get_context("forkserver")  # each flow is a process that has imported everything already


@dataclass(frozen=True)
class Case:
    """A fault in its surroundings, and how often of a hundred runs it is tried.

    what: as Fault has it, "torn" or "twice". storage: "disk", "small disk" or "S3". where: "threads", "Dask" (two
    workers of a local cluster), "scheduler" (a running one with two workers), or "Prefect" (the command line).
    """

    name: str
    what: str
    storage: str
    where: str
    share: int
    who: str = "flow"


CASES = (
    Case("flow killed", "kill", "disk", "threads", 24),
    Case("flow killed", "kill", "S3", "threads", 6),
    Case("flow killed", "kill", "disk", "Dask", 5),
    Case("flow killed", "kill", "S3", "Dask", 2),
    Case("worker killed", "kill", "disk", "Dask", 7, "worker"),
    Case("worker killed", "kill", "S3", "Dask", 3, "worker"),
    Case("scheduler killed", "kill other", "disk", "scheduler", 3, "worker"),
    Case("scheduler killed", "kill other", "S3", "scheduler", 1, "worker"),
    Case("disk full", "nothing", "small disk", "threads", 6),
    Case("disk full", "full", "S3", "threads", 2),
    Case("torn file", "torn", "disk", "threads", 14),
    Case("torn file", "torn", "S3", "threads", 3),
    Case("source vanishes", "vanish", "disk", "threads", 6),
    Case("source vanishes", "vanish", "S3", "threads", 2),
    Case("lots done twice at once", "twice", "disk", "threads", 4),
    Case("lots done twice at once", "twice", "disk", "Dask", 2),
    Case("lots done twice at once", "twice", "S3", "Dask", 1),
    Case("clock jumps", "jump", "disk", "threads", 4),
    Case("clock jumps", "jump", "S3", "threads", 1),
    Case("flow killed", "kill", "disk", "Prefect", 2),
    Case("Prefect server killed", "kill other", "disk", "Prefect", 2),
)


@dataclass(frozen=True)
class Tried:
    """What came of a case. happened: whether the fault did. ends: of its runs. seconds: of all of them."""

    verdict: Verdict
    happened: bool
    ends: tuple[int, ...]
    seconds: float
    torn: str = ""
    said: str = ""


@dataclass
class Ground:
    """source: folder of inputs. bucket: of an S3 server. folder: for everything else. steps: measured once."""

    source: Path
    bucket: str
    folder: Path
    undisturbed: Result
    steps: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def out(self, case: Case, name: str) -> str:
        """Where the results of a run go."""
        return f"{self.bucket}/{name}" if case.storage == "S3" else str(self.folder / name / "out")

    def moment(self, case: Case, draw: random.Random) -> int:
        """A step in the course of an undisturbed run of this kind; of the workers one that the slower one gets to."""
        at = (case.storage.removeprefix("small "), "Dask" if case.where == "scheduler" else case.where, case.who)
        if at not in self.steps:
            name = f"steps-{len(self.steps)}"
            fault = Fault("count", 0, case.who, str(_made(self.folder / name)))
            one_run(Setting(str(self.source), self.out(case, name), {"Dask": "local"}.get(at[1], "none")), fault)
            self.steps[at] = min(fault.steps(case.who))
        return draw.randint(1, self.steps[at])


def one_run(setting: Setting, fault: Fault) -> int:
    """A run in a process of its own; its exit code, or -1000 where it hung."""
    process = PROCESSES.Process(target=run_process, args=(setting, fault))
    process.start()
    process.join(HUNG)
    if process.is_alive():
        process.kill()
        process.join()
        return -1000
    return process.exitcode if process.exitcode is not None else -1000


def tried(case: Case, ground: Ground, seed: int) -> Tried:
    """Try a case from a clean start to its resumed end."""
    draw, name, began = random.Random(seed), f"run-{seed}", time.monotonic()
    folder = _made(ground.folder / name)
    if case.where == "Prefect":
        return _tried_with_prefect(case, ground, draw, folder)
    aim = str(draw.choice(sorted(ground.source.iterdir())))
    at = ground.moment(case, draw) if case.what not in ("nothing", "twice") else 0
    what = {"torn": "kill", "twice": "nothing"}.get(case.what, case.what)
    fault = Fault(what, at, case.who, str(folder), aim, draw.choice((-1, 1)) * draw.uniform(1, 400) * DAY)
    setting = Setting(str(ground.source), ground.out(case, name), twice=case.what == "twice")
    with _room(case, setting, draw) as enlarge:
        with _cluster(case, fault) as cluster:
            ends = [one_run(replace(setting, cluster=cluster), fault)]
        until = time.monotonic()
        if case.name in ("worker killed", "clock jumps") and fault.fired.exists():
            until = float(fault.fired.read_text())
        torn, lots = _spoilt(setting.collection, draw) if case.what == "torn" else ("", 0)
        if Path(f"{aim}.away").exists():
            os.rename(f"{aim}.away", aim)
        enlarge()
        calm = replace(fault, what="nothing")
        while ends[-1] != GOOD and len(ends) <= RESUMES:
            with _cluster(case, calm) as cluster:
                ends.append(one_run(replace(setting, cluster=cluster, twice=False), calm))
        verdict = judged(result_of(setting.collection), ground.undisturbed, fault, until, lots)
    if case.what == "twice":  # as often as it was asked for
        verdict = replace(verdict, in_flight=ground.undisturbed.lots)
    happened = fault.fired.exists() or case.what == "twice" or (case.what == "nothing" and ends[0] != GOOD)
    said = (folder / "said").read_text() if (folder / "said").exists() else ""
    return Tried(verdict, happened, tuple(ends), time.monotonic() - began, torn, said)


@contextmanager
def _room(case: Case, setting: Setting, draw: random.Random) -> Iterator[Callable[[], None]]:
    """A disk on which there is room for a part of the results; gives what makes room for the rest."""
    if case.storage != "small disk":
        yield lambda: None
        return
    with small_disk(Path(setting.out), draw.randrange(60, 360, 4) * 1024) as enlarge:
        yield enlarge


@contextmanager
def _cluster(case: Case, fault: Fault) -> Iterator[str]:
    """What `--cluster` says."""
    if case.where != "scheduler":
        yield {"threads": "none", "Dask": "local"}[case.where]
        return
    with scheduler(fault.victim) as address:
        yield address


def _spoilt(collection: Place, draw: random.Random) -> tuple[str, int]:
    """Cut a file of the interrupted run short, or change a byte; its name, and how many lots must be done again."""
    names = [name for name in collection.names() if not name.startswith(".lock") and collection.read(name)]
    names = [name for name in names if ".work/" in name or name.startswith("convergence/")]
    if not names:
        return "", 0
    kinds = sorted({re.sub(r"\d+", "#", name.rsplit("/", 3)[-1]) for name in names})
    kind = draw.choice(kinds)  # or there would be nothing but shards
    name = draw.choice([each for each in names if re.sub(r"\d+", "#", each.rsplit("/", 3)[-1]) == kind])
    data = bytearray(collection.read(name))
    if draw.random() < 0.5:
        data = data[: draw.randrange(len(data))]
    else:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    collection.write(name, bytes(data))
    done = sum(RECORD.search(f"/{each}") is not None for each in names)
    return name, done if name.endswith("plan.json") else 1


def _tried_with_prefect(case: Case, ground: Ground, draw: random.Random, folder: Path) -> Tried:
    """The command line beside a Prefect server, one of which is killed; the resumed run has a new, empty server."""
    began, out = time.monotonic(), folder / "out"
    collection = Setting(str(ground.source), str(out)).collection
    words: list[str] = ["restore", str(ground.source), "--out", str(out), "--cluster", "none", "--method", "zs_n2n"]
    words += [word for key, value in RECIPE.items() for word in ("--set", f"{key}={value}")]
    wanted, ends, happened = draw.randrange(1, ground.undisturbed.lots), list[int](), False
    for _ in range(1 + RESUMES):
        home = folder / f"prefect-{len(ends)}"
        with prefect_server(home) as (server, environment), (folder / "said").open("a") as said:
            process = _command(words, environment, said)
            if not happened and _awaited(collection, wanted, process):
                os.killpg(server.pid if case.what == "kill other" else process.pid, signal.SIGKILL)
                happened = True
            ends.append(_end(process))
        if ends[-1] == GOOD:
            break
    calm = Fault("nothing", 0, "flow", str(folder))
    verdict = judged(result_of(collection), ground.undisturbed, calm, time.monotonic())
    verdict = replace(verdict, in_flight=1)  # without notes nobody knows more
    return Tried(verdict, happened, tuple(ends), time.monotonic() - began, said=(folder / "said").read_text())


def _command(words: list[str], environment: dict[str, str], said: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "flows.cli", *words]
    return subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)


def _end(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(HUNG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -1000


def _awaited(collection: Place, lots: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether so many lots got done before the process ended."""
    while process.poll() is None:
        if sum(RECORD.search(f"/{name}") is not None for name in collection.names()) >= lots:
            return True
        time.sleep(0.005)
    return False


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
