"""A restoration without Prefect, in a process of its own: the flow's rooms in their order; a fault may happen."""

import logging
import os
import time
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fault_points import Arming, Fault, arm
from tasks.conclusion import conclude
from tasks.errors import InputError, RequestError
from tasks.handful import reason_of, restore_handful, survey_all
from tasks.limits import Limits
from tasks.lots import groups_of
from tasks.preparation import draft, give_up_stale, prepare, to_survey, undertake
from tasks.publication import publish_group
from tasks.recipe import load_recipe
from tasks.requests import Request, make_request
from tasks.run import LotsFailed, Outcome, Run
from tasks.stores.leases import locked
from tasks.stores.place import Place
from tasks.workers import Crew, crew_for, hired

RECIPE = {"scope": "tile", "method.steps": 3, "control": "none", "tiling.tile": 32, "tiling.shard": 32, "bad_tiles": 1}
GOOD, LEFT, REFUSED = 0, 3, 4  # how a run ends: all is published; something is left; turned away
quiet = logging.getLogger("faults")
quiet.addHandler(logging.NullHandler())
quiet.propagate = False


@dataclass(frozen=True)
class Setting:
    """source: folder of inputs. out: folder or URI. cluster: as `selfmend restore` takes it, of two workers."""

    source: str
    out: str
    cluster: str = "none"
    twice: bool = False

    @property
    def collection(self) -> Place:
        """The folder of the results."""
        return self.request().out

    def request(self) -> Request:
        """What is asked for."""
        return make_request(self.source, load_recipe(None, dict(RECIPE), "zs_n2n"), out=self.out)


def run_process(setting: Setting, fault: Fault) -> None:
    """The process of a flow; it ends with GOOD, LEFT or REFUSED, or by the fault."""
    logging.disable(logging.CRITICAL)
    arm(fault, "flow")
    with open(Path(fault.folder) / "said", "a") as said:
        try:
            code, told = run_flow(setting, fault)
        except (RequestError, OSError) as error:
            code, told = REFUSED if isinstance(error, RequestError) else LEFT, f"{error}"
        said.write(f"{code}: {told}\n")
    os._exit(code)


def run_flow(setting: Setting, fault: Fault) -> tuple[int, str]:
    """What flows/restore.py does, in its order, without Prefect and without a second go within the run."""
    began, request = time.time(), setting.request()
    with locked(request.out) as lease, ExitStack() as stack:
        found = prepare(request, overwrite=False).within(Limits())
        give_up_stale(request, found)
        pool, crew = _hired(setting, stack)
        pool = Arming(pool, fault, setting.cluster == "none", setting.twice)
        surveyed = survey_all(request.collection, request.facts, to_survey(found), pool)
        run = undertake(request, *draft(request, found, surveyed, crew, pool), crew, "a-run")
        run = replace(run, lease=lease)
        outcome = _outcome(run, {ref.name for ref in found.left}, pool)
        if lease:
            lease.require()
        summary = conclude(run, found, outcome, began)
    is_all = not (summary.failed or summary.late or summary.left)
    return (GOOD if is_all else LEFT), f"{summary.sentence()} {summary.failed or ''}"


def _hired(setting: Setting, stack: ExitStack) -> tuple[Executor, Crew]:
    if setting.cluster == "none":
        return stack.enter_context(ThreadPoolExecutor(2 if setting.twice else 1)), crew_for("none")
    return stack.enter_context(hired(setting.cluster, None if "://" in setting.cluster else 2))


def _outcome(run: Run, left: set[str], pool: Executor) -> Outcome:
    outcome = Outcome()
    for group in groups_of(run.lots_of(left)):
        for handful in group.handfuls:
            try:
                restore_handful(run, handful, pool)
            except LotsFailed as failed:
                outcome.failed.update(failed.reasons)
        try:
            outcome.published.extend(publish_group(group, run, pool, quiet))
        except (InputError, OSError, LotsFailed, CancelledError) as error:
            outcome.failed.update(dict.fromkeys(group.inputs, reason_of(error)))
    return outcome
