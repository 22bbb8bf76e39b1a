"""A collection, or the packaged pictures -> a start: a network that restorations begin from."""

import time

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.aside import ProgressBar, tag_run, unheard, untagged
from flows.telling import TICK, artifact_key
from tasks.doors import conclude_lesson, gather_material
from tasks.learning.lesson import Lesson, make_lesson
from tasks.learning.outcome import LearnedOutcome
from tasks.learning.teaching import taught
from tasks.stores.leases import locked


@flow(name="learn start", flow_run_name="learn {name}", persist_result=False)
def learn_start(
    name: str,
    source: str | None = None,
    what: str = "small",
    steps: int = 60_000,
    seed: int = 17,
    parent: str | None = None,
    catalog: str | None = None,
    limit: int | None = None,
    out: str | None = None,
) -> LearnedOutcome:
    """Learn a start; an interrupted one goes on, and ends with the same weights.

    Args:
        name: Of the start: small letters, digits, '-' and '_'.
        source: Name of a collection in the catalogue, or a path, glob or URI; without it the packaged pictures.
        what: A shared denoiser of this size, lite, small or base; or a start of zssr: zoom, kernels, mzsr or mlsr, for
            x2 or followed by -x3 or -x4 (docs/meta.md).
        steps: Of the training, with 6 crops of 64 x 64 px each for a denoiser.
        seed: Of crops and noise.
        parent: Name, id or path of the start to go on from; without it a network that has learned nothing.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        limit: Only so many inputs.
        out: Folder or URI for the start; without it the registry, as a candidate.

    Raises:
        RequestError: the request cannot be carried out; nothing was touched.
    """
    lesson = make_lesson(
        name, source, what=what, steps=steps, seed=seed, parent=parent, catalog=catalog, limit=limit, out=out
    )
    return carried_out(lesson)


def carried_out(lesson: Lesson) -> LearnedOutcome:
    """Take the steps of a lesson that are left, inside a flow run, and save its start; told as artifacts."""
    key = artifact_key(lesson.name)
    with locked(lesson.work), untagged():
        tag_run(lesson.name, "learn")
        material = gather_material(lesson)
        bar = ProgressBar(f"learn-{key}", 0.0, f"{lesson.steps} steps")
        began, before, told = time.monotonic(), None, 0.0
        for now in taught(lesson, material):
            before = now.steps if before is None else before
            passed = time.monotonic() - began
            if passed - told >= TICK or now.steps == now.whole:
                told = passed
                said = now.sentence((now.steps - before) / passed)
                bar.tell(100 * now.steps / now.whole, said, last=now.steps == now.whole)
        outcome = conclude_lesson(lesson, material)
    with unheard("What was learned cannot be shown in Prefect"):
        create_markdown_artifact(
            key=f"start-{key}", markdown="\n\n".join(outcome.lines()), description=outcome.sentence()
        )
    return outcome
