"""Is anything lost? Runs with a fault at a random moment, resumed, and held against the undisturbed one.

    python -m benchmarks.faults [--runs 100] [--only "worker killed"] [--seed 0] [--kept faults.jsonl] [--write]

Each run restores a small collection to a local disk or to an S3 server in memory (moto). Where the fault does not
concern Prefect, the flow's inner part runs without it: the same rooms in the same order.
"""

import argparse
import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

from benchmarks.fault_cases import CASES, PROCESSES, Case, Ground, Tried, one_run, tried
from benchmarks.fault_judge import Verdict, result_of
from benchmarks.fault_points import Fault
from benchmarks.fault_run import GOOD, Setting
from benchmarks.fault_surroundings import collection, s3_server
from benchmarks.table import write_table

ABOUT = """Each restores 5 images, of 12 tiles in 12 lots, by 3 steps of zs_n2n, to a local disk or to an S3 server in
memory (moto). Threads: one lot at a time in the flow's own process; Dask: two workers of a local cluster, each with
two lots; scheduler: a running one with two workers. These run the flow's rooms in their order, without Prefect; the
runs named Prefect are the whole command line beside a Prefect server, and the resumed run has a server with an empty
database. A fault comes at a random step of writing, waiting for the disk, renaming or removing; those of Prefect as
soon as a random number of lots is done. In flight: begun and not done at the fault, or of a spoilt file; of doubled
lots all. Other bytes: shards, starts and images written again, and differently. Seconds: of a run with its resumes."""
HEADS = ["fault", "storage", "lots run in", "runs", "fault met", "tiles lost", "tiles twice", "other bytes"]
HEADS += [
    "images differ",
    "lots again",
    "of these at most in flight",
    "more than in flight",
    "resumes",
    "hung",
    "seconds",
]


def main() -> None:
    """Try all cases, each in its share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--only", default="", help="regular expression for fault, storage and where lots run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", default="", help="file of runs: new ones are added, and the table is of all in it")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    cases = [case for case in CASES if re.search(given.only, f"{case.name} {case.storage} {case.where}")]
    found = _kept(Path(given.kept)) if given.kept else defaultdict(list)
    with grounds(any(case.storage == "S3" for case in cases)) if cases else nullcontext() as ground:
        for seed, case in enumerate(_planned(cases, given.runs), start=given.seed):
            assert ground is not None
            began = time.monotonic()
            found[case].append(one := tried(case, ground, seed))
            if given.kept:
                with Path(given.kept).open("a") as file:
                    file.write(json.dumps({"case": CASES.index(case), **asdict(one)}) + "\n")
            judged = "good" if one.verdict.is_good else "BAD"
            print(seed, case.name, case.storage, case.where, judged, one.verdict, one.happened, one.ends, one.torn,
                  f"{time.monotonic() - began:.1f} s", flush=True)  # fmt: skip
            if not one.verdict.is_good:
                print(one.said)
    total = [one for some in found.values() for one in some]
    met = sum(one.happened for one in total)
    good = sum(one.verdict.is_good for one in total)
    text = f"{len(total)} runs, of which {met} met their fault and {good} kept all that is promised. " + ABOUT
    rows = [_row(case, some) for case, some in found.items()]
    write_table("faults" if given.write else "", "Is anything lost?", [(" ".join(text.split()), HEADS, rows)])


def _kept(file: Path) -> dict[Case, list[Tried]]:
    """The runs of a file, by case."""
    found: dict[Case, list[Tried]] = defaultdict(list)
    for line in file.read_text().splitlines() if file.exists() else ():
        told = json.loads(line)
        case, verdict, ends = CASES[told.pop("case")], Verdict(**told.pop("verdict")), tuple(told.pop("ends"))
        found[case].append(Tried(verdict, ends=ends, **told))
    return found


def _planned(cases: list[Case], runs: int) -> list[Case]:
    """So many runs in the cases' shares, at least one of each."""
    whole = sum(case.share for case in cases)
    return [case for case in cases for _ in range(max(1, round(case.share * runs / whole)))]


@contextmanager
def grounds(on_s3: bool = True) -> Iterator[Ground]:
    """Inputs, an S3 server, and the undisturbed result. on_s3: False where no case needs the server, which costs."""
    with tempfile.TemporaryDirectory() as folder, s3_server() if on_s3 else nullcontext("") as bucket:
        PROCESSES.set_forkserver_preload(["benchmarks.fault_warm"])
        top = Path(folder)
        source, aside = collection(top / "plates"), top / "undisturbed"
        aside.mkdir()
        setting = Setting(str(source), str(aside / "out"))
        if one_run(setting, Fault("nothing", 0, "flow", str(aside))) != GOOD:
            raise RuntimeError((aside / "said").read_text())
        undisturbed = result_of(setting.collection)
        if not (undisturbed.images and undisturbed.tiles):
            raise RuntimeError(f"Nothing is published in '{setting.collection.uri}'.")
        yield Ground(source, bucket, top, undisturbed)


def _row(case: Case, some: list[Tried]) -> list[object]:
    verdicts = [one.verdict for one in some]
    return [
        case.name,
        case.storage,
        case.where,
        len(some),
        sum(one.happened for one in some),
        sum(each.lost for each in verdicts),
        sum(each.double for each in verdicts),
        sum(each.other for each in verdicts),
        sum(not each.is_equal for each in verdicts),
        sum(each.again for each in verdicts),
        sum(each.in_flight for each in verdicts),
        sum(each.again > each.in_flight for each in verdicts),
        sum(len(one.ends) - 1 for one in some),
        sum(-1000 in one.ends for one in some),
        sum(one.seconds for one in some) / len(some),
    ]


if __name__ == "__main__":
    main()
