"""The loop of a lesson: steps, a curve on what was held out, a state that is kept; and the start at its end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from il_models.meta.corruption import Corrupted
from il_models.meta.joint import Learned, joint
from il_models.networks.denoiser import SharedDenoiser
from tasks.learning.keeping import Curve, keep_state, kept_state, tell_progress
from tasks.learning.lesson import Lesson, today, versions
from tasks.learning.material import Material
from tasks.learning.trials import Restored, by_network, by_nlm, evidence, mean_psnr
from tasks.registry.artifact import LearnedStart, make_start
from tasks.registry.card import Card, CurvePoint

REPORTS = 10  # of the progress, between two states that are kept, each with its point of the curve
STATES = 10  # that are kept of a short lesson
REPORTED = 100  # steps, at most, between two reports
FOLLOWED = 24  # trials at most that a point is measured on, so that it costs little beside the steps between two
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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = lesson.network().to(device)
    kept = kept_state(lesson.work)
    begun, curve = kept if kept else (None, ())
    losses: list[float] = []
    every = max(1, min(REPORTED, lesson.steps // (REPORTS * STATES)))

    def sample(step: int) -> Corrupted:
        random = torch.Generator().manual_seed(step * STRIDE + lesson.seed)
        drawn = material.draw(random)
        return Corrupted(
            y=drawn.y.to(device),
            target=drawn.target.to(device),
            sigma=drawn.sigma.to(device),
            correlation=drawn.correlation.to(device),
        )

    for learned in joint(network, sample, lesson.schedule, _moved(begun, device), every=every):
        losses.append(learned.loss)
        if learned.steps % (every * REPORTS) == 0 or learned.steps == lesson.steps:
            curve = (*curve, _point(learned, sum(losses) / len(losses), material, network))
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
    network = lesson.network()
    begun = {name: value.detach() for name, value in network.named_parameters()}
    levels = tuple(sorted({trial.level for trial in material.trials}))
    card = Card(
        name=lesson.name,
        id="",
        network={"kind": "SharedDenoiser", "size": lesson.size},
        channels="any",
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
    )
    start = make_start(card, {**begun, **learned.weights})
    network.load_state_dict(start.weights)
    shown = evidence(material.trials, by_network(network), *_referee(lesson))
    return make_start(replace(card, evidence=shown), start.weights)


def _referee(lesson: Lesson) -> tuple[Restored, str]:
    """Whom a candidate is held against: its parent, or the classical control where it has none."""
    if lesson.parent is None:
        return by_nlm, "nlm"
    parent = SharedDenoiser(lesson.size)
    parent.load_state_dict(lesson.parent.weights)
    return by_network(parent), lesson.parent.card.id


def _point(learned: Learned, loss: float, material: Material, network: SharedDenoiser) -> CurvePoint:
    found = mean_psnr(material.trials[:FOLLOWED], by_network(network))
    return CurvePoint(learned.steps, round(loss, 5), tuple(round(found[level], 3) for level in sorted(found)))


def _moved(begun: Learned | None, device: torch.device) -> Learned | None:
    """A state on the device of the network, but for Adam's count of steps, which stays on the CPU."""
    if begun is None:
        return None
    moments = {name: value if name.endswith(".step") else value.to(device) for name, value in begun.moments.items()}
    return replace(begun, weights={name: value.to(device) for name, value in begun.weights.items()}, moments=moments)
