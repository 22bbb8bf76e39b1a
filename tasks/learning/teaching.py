"""The loop of a lesson: steps, a curve on what was held out, a state that is kept; and the start at its end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from il_models.meta.training import Learned
from tasks.learning.keeping import Curve, keep_state, kept_state, tell_progress
from tasks.learning.lesson import Lesson, today, versions
from tasks.learning.material import Material
from tasks.learning.trials import evidence, mean_psnr
from tasks.registry.artifact import LearnedStart, make_start
from tasks.registry.card import Card, CurvePoint

REPORTS = 10  # of the progress, between two states that are kept, each with its point of the curve
STATES = 10  # that are kept of a short lesson
REPORTED = 100  # steps, at most, between two reports
STRIDE = 1_000_003  # between the seeds of two steps


@dataclass(frozen=True)
class Progress:
    """How far a lesson is: steps of `whole`, and the last point of its curve."""

    steps: int
    whole: int
    last: CurvePoint | None

    def sentence(self, speed: float) -> str:
        """How far, how long still, how good. speed: steps per second, 0 where it is not known."""
        to_go = f", {(self.whole - self.steps) / speed:.0f} s to go" if speed > 0 else ""
        shown = f"; held out {', '.join(f'{value:.2f}' for value in self.last.psnr)} dB" if self.last else ""
        return f"{self.steps} of {self.whole} steps{to_go}{shown}"


def taught(lesson: Lesson, material: Material) -> Iterator[Progress]:
    """Take the steps that are left; a lesson that was interrupted goes on where its state was last kept.

    On one thread, for the number of threads decides the last bits; on a GPU where there is one.
    """
    torch.set_num_threads(1)
    subject = lesson.subject
    network = lesson.network().to(subject.device)
    kept = kept_state(lesson.work)
    begun, curve = kept if kept else (None, ())
    losses: list[float] = []
    every = max(1, min(REPORTED, lesson.steps // (REPORTS * STATES)))

    def draw(step: int) -> Any:
        return material.draw(torch.Generator().manual_seed(step * STRIDE + lesson.seed))

    for learned in subject.states(network, draw, lesson.schedule, begun, every):
        losses.append(learned.loss)
        if learned.steps % (every * REPORTS) == 0 or learned.steps == lesson.steps:
            shown = mean_psnr(material.trials[: subject.followed], subject.restored(network, learned))
            psnr = tuple(round(shown[level], 3) for level in sorted(shown))
            curve = (*curve, CurvePoint(learned.steps, round(sum(losses) / len(losses), 5), psnr))
            keep_state(lesson.work, learned, curve)
            losses.clear()
        tell_progress(lesson.work, learned.steps, lesson.steps)
        yield Progress(learned.steps, lesson.steps, curve[-1] if curve else None)


def concluded(lesson: Lesson, material: Material, learned: Learned, curve: Curve) -> LearnedStart:
    """The start at the end of a lesson, with the evidence for the gate, which is of the weights as they are stored.

    Args:
        learned: with all steps taken; weights that it does not name, such as the factor on the noise, are as they were
            at the beginning.
        curve: as `taught` kept it, or as it is known from elsewhere.
    """
    network, subject = lesson.network(), lesson.subject
    begun = {name: value.detach() for name, value in network.named_parameters()}
    levels = tuple(sorted({trial.level for trial in material.trials}))
    card = Card(
        name=lesson.name,
        id="",
        network=subject.fields,
        channels=subject.channels,
        normalisation=material.normalisation,
        sigma=material.sigma,
        schedule=lesson.told(),
        spread=material.spread,
        inputs=material.inputs,
        held_out=material.held_out,
        levels=levels,
        curve=curve,
        parent=lesson.parent.card.id if lesson.parent else None,
        licence=material.licence,
        code=versions(),
        made=today(),
        stored="float16",
        adaptation=subject.adaptation(learned),
    )
    trained = {name: value for name, value in learned.weights.items() if name in begun}
    start = make_start(card, {**begun, **trained})
    network.load_state_dict(start.weights)
    shown = evidence(material.trials, subject.restored(network, learned), *subject.referee(lesson.parent))
    return make_start(replace(card, evidence=shown), start.weights)
