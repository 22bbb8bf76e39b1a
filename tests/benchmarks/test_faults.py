"""A few runs of the fault campaign, and that its judge sees what it is there to see."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fault_cases import CASES, tried
from benchmarks.fault_judge import Result, judged
from benchmarks.fault_points import Fault
from benchmarks.faults import grounds

WHOLE = Result({"a.zarr/0/c/0": "1", "b.zarr/0/c/0": "2"}, Counter({("a", 0): 1, ("b", 0): 1}), 2, 2)


def noted(folder: Path, *written: tuple[str, str]) -> Fault:
    lines = [json.dumps({"name": name, "digest": digest, "of": n}) for n, (name, digest) in enumerate(written)]
    (folder / "notes.1").write_text("".join(f"{line}\n" for line in lines))
    return Fault("kill", 1, "flow", str(folder))


def test_the_judge_sees_what_is_lost_and_what_is_double(tmp_path: Path) -> None:
    fault = noted(tmp_path)
    assert judged(WHOLE, WHOLE, fault, 0).is_good
    for spoilt in (
        replace(WHOLE, tiles=Counter({("a", 0): 1})),
        replace(WHOLE, images={"a.zarr/0/c/0": "1"}),
    ):
        verdict = judged(spoilt, WHOLE, fault, 0)
        assert verdict.lost == 1
        assert not verdict.is_good
    assert judged(replace(WHOLE, tiles=Counter({("a", 0): 2, ("b", 0): 1})), WHOLE, fault, 0).double == 1
    other = judged(replace(WHOLE, images={**WHOLE.images, "a.zarr/0/c/0": "9"}), WHOLE, fault, 0)
    assert not other.is_equal
    assert not other.is_good


def test_the_judge_sees_other_bytes_and_lots_that_need_not_have_been_done_again(tmp_path: Path) -> None:
    shard, record = "/o/.work/k/shards/a.zarr/c/0", "/o/.work/k/lots/0000000.parquet"
    begun = [(f"/o/.work/k/attempts/0000000.{n}", "") for n in (1, 2)]
    fault = noted(tmp_path, begun[0], (shard, "1"), (record, "x"), begun[1], (shard, "2"), (record, "y"))
    verdict = judged(WHOLE, WHOLE, fault, until=2.5)  # the record was there, and yet it was begun again
    assert (verdict.other, verdict.again, verdict.in_flight) == (1, 1, 0)
    assert judged(WHOLE, WHOLE, fault, until=1.5).in_flight == 1


@pytest.mark.slow
def test_a_few_runs(tmp_path: Path) -> None:
    cases = [next(case for case in CASES if (case.what, case.storage) == (what, "disk")) for what in ("kill", "torn")]
    with grounds(on_s3=False) as ground:
        for seed, case in enumerate(cases):
            found = tried(case, ground, seed)
            assert found.happened
            assert found.verdict.is_good, found
