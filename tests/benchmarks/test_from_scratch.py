"""The scores of the big comparison: they survive an interruption, and rows compare the same pictures only."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contracts.toys import toy

from benchmarks import contestants, from_scratch, stopping
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.from_scratch import Case
from benchmarks.stopping import Observer
from il_models.fitting import Plateau, Stopper, VarianceMinimum, fit
from il_models.methods.zs_n2n import ZeroShotNoise2Noise

NOISY, NLM = Contestant("noisy", "identity"), Contestant("nlm", "nlm")


@dataclass(frozen=True, kw_only=True)
class WatchesVariance(ZeroShotNoise2Noise):
    @property
    def stopper(self) -> Stopper:
        return VarianceMinimum(patience=6, interval=2, window=3)


@dataclass(frozen=True, kw_only=True)
class StopsAtAPlateau(ZeroShotNoise2Noise):
    @property
    def stopper(self) -> Stopper:
        return Plateau(patience=4, drop=0.9, interval=2)


def two_cases(part: str, count: int = 2) -> Iterator[Case]:
    clean, problem = toy(2, side=16)
    for i in range(count):
        yield Case(
            part,
            "toys",
            f"toy {i}",
            "",
            problem.take(torch.tensor([i])),
            lambda x, i=i: (x, clean[i : i + 1]),  # type: ignore[misc]
            clean=clean[i : i + 1],
        )


def line_of(protocol: str, picture: str, label: str, psnr: float, **more: Any) -> dict[str, Any]:
    usual = {"name": label, "ssim": 0.5, "seconds": 1.0, "steps": 3, "paper": "", "commit": "0"}
    return {**usual, "protocol": protocol, "picture": picture, "label": label, "psnr": psnr, **more}


def test_every_contestant_has_a_label_of_its_own() -> None:
    labels = [contestant.label for contestant in CONTESTANTS]
    assert len(set(labels)) == len(labels)
    assert all(set(contestant.parts) <= set(contestants.PARTS) for contestant in CONTESTANTS)
    assert {name for says in contestants.PAPERS.values() for name in says} <= {each.name for each in CONTESTANTS}


def test_methods_that_are_not_there_are_left_out_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert from_scratch.run([Contestant("new", "no_such_method")], (), None) == []
    assert from_scratch.run([Contestant("new", "nlm", "no_such_preset")], (), None) == []
    said = capsys.readouterr().out
    assert "left out: new, for there is no method no_such_method" in said
    assert "nlm has no preset no_such_preset" in said


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    assert len(from_scratch.run([NOISY], two_cases("grey128", 1), scores)) == 1
    assert len(from_scratch.run([NOISY, NLM], two_cases("grey128"), scores)) == 3
    assert from_scratch.run([NOISY, NLM], two_cases("grey128"), scores) == []
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    assert len(lines) == len(from_scratch.read(scores)) == 4
    assert {line["reason"] for line in lines} == {"no fit"}
    assert all(line["commit"] and line["settings"] for line in lines)


def test_settings_that_changed_are_measured_again_and_the_latest_count(tmp_path: Path) -> None:
    scores, one = tmp_path / "scores.jsonl", Contestant("zs", "zs_n2n", fields={"steps": 2}, images=1)
    assert len(from_scratch.run([one], two_cases("kodak"), scores)) == 1
    assert len(from_scratch.run([replace(one, fields={"steps": 3})], two_cases("kodak"), scores)) == 1
    assert [line["steps"] for line in from_scratch.read(scores).values()] == [3]
    assert from_scratch.run([replace(one, parts=("grey128",))], two_cases("kodak"), scores) == []


def test_rows_compare_the_same_pictures() -> None:
    lines = [
        line_of("p", "a", "nlm", 20.0),
        line_of("p", "b", "nlm", 30.0),
        line_of("p", "b", "zs_n2n", 31.0, paper="kodak 25"),
        line_of("q", "a", "zs_n2n", 31.0),
    ]
    found = from_scratch.rows(lines)
    assert [row[:3] for row in found] == [["p", 2, "nlm"], ["p", 1, "zs_n2n"], ["q", 1, "zs_n2n"]]
    assert [row[5] for row in found] == ["+0.00", "+1.00", ""]
    assert "29.07" in str(found[1][-1])


def test_the_observer_changes_nothing_of_a_watched_fit() -> None:
    """It runs to the end, yet the loop keeps what the method's own stopper would have kept."""
    clean, problem = toy(1, side=16)
    method = WatchesVariance(steps=60, rate=2e-2, crop=0)
    plain = fit(problem, method)
    observer = Observer.of(method, clean)
    watched = fit(problem, method, stopper=observer)
    own = observer.seen["own"]
    assert watched.records[0].steps == 60
    assert len(observer.path) == 30
    assert (own.stop_step or 60, own.best_step) == (plain.records[0].steps, plain.records[0].best_step)
    assert torch.equal(watched.x, plain.x)
    assert own.psnr == pytest.approx(dict(observer.path)[own.best_step])
    assert set(observer.seen) == {"own", "variance minimum", "moving variance", "discrepancy"}


def test_the_observer_of_a_stopper_that_sees_losses_only_keeps_the_step_where_it_stops() -> None:
    clean, problem = toy(1, side=16)
    method = StopsAtAPlateau(steps=40, crop=0)
    plain = fit(problem, method)
    assert plain.records[0].steps < 40
    observer = Observer.of(method, clean)
    watched = fit(problem, method, stopper=observer)
    assert observer.seen["own"].stop_step == plain.records[0].steps
    assert torch.equal(watched.x, plain.x)


def test_gaps() -> None:
    watched = {"stop_step": 5, "best_step": 4, "psnr": 28.0, "reason": "x"}
    seen = {"own": watched, "other": {**watched, "psnr": None}}
    lines = [
        line_of("p", str(i), "dip", 29.0 - i, oracle=29.5, oracle_step=8, stopper="own words", stoppers=seen)
        for i in range(2)
    ]
    (row,) = stopping.gaps(lines)
    assert row[:5] == ["p", "dip", "own: own words", 2, "2"]
    assert row[5] == pytest.approx(1.0)
    assert math.isclose(float(str(row[7])), 0.5)


def test_a_label_chooses_one_row_and_a_name_all_of_its_method() -> None:
    assert [each.label for each in from_scratch.chosen(["zs_n2n"])] == ["zs_n2n"]
    assert {each.label for each in from_scratch.chosen(["identity"])} == {"noisy"}
    assert from_scratch.chosen([]) == list(contestants.CONTESTANTS)
