"""What learning a start came to, and where it was put."""

from dataclasses import dataclass

from tasks.learning.keeping import kept_state
from tasks.learning.lesson import Lesson
from tasks.learning.material import Material
from tasks.learning.teaching import concluded
from tasks.registry.artifact import save_start
from tasks.registry.card import Card
from tasks.registry.gate import findings
from tasks.registry.loading import registry_place


@dataclass(frozen=True)
class LearnedOutcome:
    """card: of the start. uri: of its card's file. left_out: inputs that were not learned from, and why."""

    card: Card
    uri: str
    left_out: dict[str, str]

    def sentence(self) -> str:
        """One line."""
        return f"Learned '{self.card.name}', {self.card.id}, in {self.card.schedule['steps']} steps."

    def candidate(self) -> str:
        """The candidate and what the gate would say, in a line."""
        judged = [each for each in findings(self.card) if not each.passed]
        gate = (
            f"the gate would not pass it ({'; '.join(each.words for each in judged)})" if judged else "the gate passes"
        )
        return f"candidate {self.card.name} {self.card.id} from {self.card.parent}: {gate}"

    def lines(self) -> list[str]:
        """What a person wants to know at the end."""
        last = self.card.curve[-1].psnr if self.card.curve else ()
        told = [
            f"{_condition(self.card, level)} {value:.2f}" for level, value in zip(self.card.levels, last, strict=False)
        ]
        judged = [f"{'passed' if each.passed else 'not passed'}: {each.words}" for each in findings(self.card)]
        return [
            self.sentence(),
            f"Held out ({self.card.held_out}), PSNR in dB: {', '.join(told)}",
            *judged,
            *(f"Left out: {reason}" for reason in self.left_out.values()),
            f"A candidate, {self.uri}; `selfmend starts promote {self.card.id}` makes it active if it passes the gate.",
        ]


def _condition(card: Card, level: float) -> str:
    """What trials of a level were made with: noise, or a kernel."""
    if "factor" in card.spread:
        return f"Gaussian of {level:.3g} px^2" if level else "bicubic kernel"
    return f"sigma {level:g}" if level else "as measured"


def conclude(lesson: Lesson, material: Material) -> LearnedOutcome:
    """Make the start of a lesson whose steps are all taken, save it, and forget its unfinished state."""
    kept = kept_state(lesson.work)
    assert kept is not None, "the state of the last step is always kept"
    start = concluded(lesson, material, *kept)
    uri = save_start(start, lesson.out, lesson.name) if lesson.out else save_start(start, registry_place())
    lesson.work.remove()
    return LearnedOutcome(start.card, uri, material.left_out)
