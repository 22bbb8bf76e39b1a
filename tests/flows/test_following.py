"""Handing out: what Prefect is shown of a run."""

from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.utilities.engine import collect_task_run_inputs_sync

from flows import following
from tasks.lots import Group
from tasks.plan import Lot, Part
from tasks.run import Outcome, Run


@dataclass
class Busy:
    """What other threads count in: whoever walks through it may be told that it changed meanwhile."""

    counted: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name == "counted":
            raise RuntimeError("Set changed size during iteration")
        return super().__getattribute__(name)


class Door:
    """A task that looks through its parameters as Prefect does, and is done at once."""

    def __init__(self, result: object) -> None:
        self.result = result
        self.given: list[tuple[object, ...]] = []

    def submit(self, *given: object) -> object:
        for each in given:
            collect_task_run_inputs_sync(each)
        self.given.append(given)
        future: Future[object] = Future()
        future.set_result(self.result)
        future.result = lambda raise_on_failure=True: self.result  # type: ignore[method-assign,assignment,misc]
        return future


def test_a_cluster_that_was_lost_is_told_in_words() -> None:
    outcome = Outcome()
    following._note(outcome, Group("stack", ("stack",), ()), CancelledError())
    assert outcome.failed["stack"] == "the cluster was lost; the same command goes on from here once it is back"


def test_prefect_does_not_walk_through_what_threads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    lots = tuple(Lot(f"{number:07d}", (Part("stack", number, number + 1),), 4, 4) for number in range(3))
    restore, publish = Door({"good": 4}), Door(["stack"])
    monkeypatch.setattr(following, "restore_lots", restore)
    monkeypatch.setattr(following, "publish_inputs", publish)
    monkeypatch.setattr(following, "Progress", lambda run: SimpleNamespace(tell=lambda *_, **__: None))
    monkeypatch.setattr(following.ledger, "done_lots", lambda work: set())
    request: Any = SimpleNamespace(work=None)
    run = Run("1", request, SimpleNamespace(lots=lots), SimpleNamespace(workers=1), Busy())  # type: ignore[arg-type]
    group = Group("stack", ("stack",), (lots[:2], lots[2:]))
    with pytest.raises(RuntimeError, match="changed size"):
        collect_task_run_inputs_sync(run)
    with ThreadPoolExecutor() as pool:
        outcome = following._followed(run, [group], pool)
    assert outcome.published == ["stack"]
    assert (len(restore.given), len(publish.given)) == (2, 1)
