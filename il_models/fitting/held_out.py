"""Stoppers that ask for the error of an estimate: at pixels that were kept from the fit, or by unbiased risk."""

from dataclasses import dataclass

import torch

from il_models.draw import Draw
from il_models.fitting.lowest import Patient, undercut
from il_models.metrics import mean
from il_models.risk import probed, sure
from il_models.stopper import Decision, Look, State

PROBE_SALT = 0x57095  # these probes are neither the draws of the fit nor those of its final risk


@dataclass(frozen=True)
class HeldOut(Patient):
    """Stops when the error at pixels that were kept from the fit found no new minimum for `patience` steps.

    Needs no noise level; for noise that is independent between pixels, otherwise the neighbours tell. The single-image
    form of the validation set of Yaman, Hosseini and Akcakaya, "Zero-Shot Self-Supervised Learning", ICLR 2022.

    share: of the measured pixels.
    """

    share: float = 0.03

    @property
    def reasons(self) -> tuple[str, ...]:
        """The error has passed its minimum."""
        return ("held-out minimum",)

    @property
    def withholds(self) -> float:
        """The pixels that it looks at."""
        return self.share

    def decide(self, state: State, look: Look) -> Decision:
        """Compares the error at the held-out pixels; a tile without such pixels goes on."""
        error = mean((look.problem.A(look.estimate) - look.y) ** 2, look.unseen)
        none = look.unseen.flatten(1).sum(1) == 0
        return undercut(state, look.step, torch.where(none, torch.full_like(error, torch.inf), error), self.patience)


@dataclass(frozen=True)
class RiskMinimum(Patient):
    """Stops when Stein's unbiased risk estimate, with fresh probes each time, found no new minimum.

    Needs the noise level, and networks that read the measurement. Its last values are averaged exponentially, for one
    probe alone is too noisy to be a minimum; the price is that the minimum is found a few looks late.
    """

    keep: float = 0.7

    @property
    def reasons(self) -> tuple[str, ...]:
        """The risk has passed its minimum."""
        return ("risk minimum",)

    @property
    def needs_measurement(self) -> bool:
        """Without it nothing would answer to a probe."""
        return True

    def decide(self, state: State, look: Look) -> Decision:
        """Probes the networks and compares the averaged risk."""
        probes = Draw(look.problem.seeds ^ PROBE_SALT, calls=look.step)
        risk = sure(look.problem, probed(look.problem, look.estimate, look.again, probes))
        before = state.get("risk", risk)
        risk = self.keep * before + (1 - self.keep) * risk
        return undercut({**state, "risk": risk}, look.step, risk, self.patience)
