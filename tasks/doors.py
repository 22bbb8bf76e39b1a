"""The thin doors to Prefect: task runs that a person sees in its UI. They call plain functions in workers, and wait."""

from concurrent.futures import Executor
from functools import partial
from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger

from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.comparison.challenge import Challenge
from tasks.comparison.contenders import Contender
from tasks.comparison.subjects import Subject, look
from tasks.comparison.trial import Trial, given_up, run_trial
from tasks.errors import InputError
from tasks.handful import restore_handful, survey_all
from tasks.journal import note_failed_lot, note_lot
from tasks.learning.lesson import Lesson
from tasks.learning.material import Material
from tasks.learning.outcome import LearnedOutcome, conclude
from tasks.lots import Group
from tasks.plan import Lot
from tasks.publication import publish_group
from tasks.run import LotsFailed, Run
from tasks.survey import Surveyed
from tasks.workers import Crew


def _may_help(task: Any, run: TaskRun, state: State[Any]) -> bool:
    """Whether to try again: not where the input itself is at fault."""
    del task, run
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, InputError) or (isinstance(error, LotsFailed) and error.lasting))


@task(name="survey", task_run_name="survey {collection}", cache_policy=NO_CACHE)
def survey_inputs(collection: str, facts: Facts, refs: list[InputRef], pool: Executor) -> list[Surveyed]:
    """Scale, noise and size of every input, in the order of `refs`."""
    return survey_all(collection, facts, refs, pool)


@task(
    name="restore",
    task_run_name="restore {name}",
    retries=2,
    retry_delay_seconds=[2, 20],
    retry_condition_fn=_may_help,
    cache_policy=NO_CACHE,
)
def restore_lots(name: str, run: Run, lots: tuple[Lot, ...], pool: Executor) -> dict[str, int]:
    """Restore a handful of lots; those that are done already are left alone. Returns the new tiles by verdict.

    A lot that is not begun, for the run stops, is no failure: its inputs are left for the next run.
    """
    log = get_run_logger()
    if (runtime.task_run.run_count or 1) > 1:
        run.tally.retried()
    return restore_handful(run, lots, pool, partial(note_lot, log, run), partial(note_failed_lot, log))


@task(name="publish", task_run_name="publish {group.name}", retries=1, retry_delay_seconds=5, cache_policy=NO_CACHE)
def publish_inputs(group: Group, run: Run, pool: Executor) -> list[str]:
    """Publish the inputs of a group whose lots are all done. Returns their names."""
    return publish_group(group, run, pool, get_run_logger())


@task(name="look", task_run_name="look at {challenge.collection}", cache_policy=NO_CACHE)
def look_at_inputs(challenge: Challenge, pool: Executor) -> list[Subject]:
    """Survey every input of a comparison and choose its tiles, in the order of the inputs."""
    asked = [pool.submit(look, challenge, ref) for ref in challenge.inputs]
    return [each.result() for each in asked]


@task(name="compare", task_run_name="{contender.name} on {subject.ref.name}", cache_policy=NO_CACHE)
def try_recipe(contender: Contender, subject: Subject, crew: Crew, pool: Executor) -> Trial:
    """One recipe on one input; where it cannot, the trial says why."""
    try:
        return pool.submit(run_trial, contender, subject, crew).result()
    except Exception as error:  # noqa: BLE001 - a worker that was killed, say; the other trials go on
        return given_up(contender, subject, f"{type(error).__name__}: {error}")


@task(name="gather", task_run_name="gather for {lesson.name}", cache_policy=NO_CACHE)
def gather_material(lesson: Lesson) -> Material:
    """Read what a start is learned from."""
    return lesson.material()


@task(name="conclude", task_run_name="conclude {lesson.name}", cache_policy=NO_CACHE)
def conclude_lesson(lesson: Lesson, material: Material) -> LearnedOutcome:
    """Judge a start that was learned, on what was held out, and save it."""
    return conclude(lesson, material)
