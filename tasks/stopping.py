"""The stoppers that a recipe can ask for."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from il_models.fitting import (
    Budget,
    Discrepancy,
    FirstOf,
    HeldOut,
    MovingVariance,
    Outgrown,
    Plateau,
    RiskMinimum,
    Stopper,
    VarianceMinimum,
)

PATIENCE = "Steps without anything better after which a tile stops."
KIND = "Which stopper this is."
INTERVAL = "Steps between two looks."


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StopAtBudget(_Choice):
    """Stop after so many steps."""

    kind: Literal["budget"] = Field(description=KIND)
    steps: int = Field(gt=0, description="How many.")

    def made(self) -> Stopper:
        """The stopper."""
        return Budget(self.steps)


class StopAtPlateau(_Choice):
    """Stop when the loss no longer falls."""

    kind: Literal["plateau"] = Field(description=KIND)
    patience: int = Field(400, gt=0, description=PATIENCE)
    drop: float = Field(0.005, ge=0, description="Share by which the loss must fall within that time.")
    interval: int = Field(20, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return Plateau(self.patience, self.drop, self.interval)


class StopAtVarianceMinimum(_Choice):
    """Stop when the variance of the last estimates has passed its minimum (ES-WMV)."""

    kind: Literal["variance_minimum"] = Field(description=KIND)
    window: int = Field(100, gt=1, description="How many estimates the variance is taken over.")
    patience: int = Field(1000, gt=0, description=PATIENCE)
    interval: int = Field(1, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return VarianceMinimum(self.patience, self.interval, self.window)


class StopAtMovingVariance(_Choice):
    """Stop when the exponentially moving variance of the estimates has passed its minimum (ES-EMV)."""

    kind: Literal["moving_variance"] = Field(description=KIND)
    share: float = Field(0.1, gt=0, lt=1, description="Weight of the newest estimate.")
    first: int = Field(100, ge=0, description="Estimates before which no minimum counts.")
    patience: int = Field(1000, gt=0, description=PATIENCE)
    interval: int = Field(1, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return MovingVariance(self.patience, self.interval, self.share, self.first)


class StopAtHeldOutMinimum(_Choice):
    """Stop when the error at pixels that are kept from the fit has passed its minimum."""

    kind: Literal["held_out"] = Field(description=KIND)
    share: float = Field(0.03, gt=0, lt=0.5, description="Share of the measured pixels that are kept from the fit.")
    patience: int = Field(500, gt=0, description=PATIENCE)
    interval: int = Field(10, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return HeldOut(self.patience, self.interval, self.share)


class StopAtRiskMinimum(_Choice):
    """Stop when Stein's unbiased risk estimate has passed its minimum."""

    kind: Literal["risk"] = Field(description=KIND)
    patience: int = Field(500, gt=0, description=PATIENCE)
    interval: int = Field(10, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return RiskMinimum(self.patience, self.interval)


class StopAtDiscrepancy(_Choice):
    """Stop when the residual is no larger than the noise, or some time later."""

    kind: Literal["discrepancy"] = Field(description=KIND)
    factor: float = Field(1.0, gt=0, description="Of the noise's standard deviation.")
    interval: int = Field(10, gt=0, description=INTERVAL)
    times: float = Field(
        1.0,
        ge=1,
        exclude_if=lambda times: times == 1,  # the keys of those that never heard of it stay
        description="Steps after which to stop, over those in which the residual reached the noise.",
    )

    def made(self) -> Stopper:
        """The stopper."""
        return Discrepancy(self.factor, self.interval, self.times)


class StopWhenOutgrown(_Choice):
    """Stop when the residual is larger than the noise: learned by heart."""

    kind: Literal["outgrown"] = Field(description=KIND)
    factor: float = Field(1.0, gt=0, description="Of the noise's standard deviation.")
    first: int = Field(600, ge=0, description="Step before which nothing stops.")
    interval: int = Field(100, gt=0, description=INTERVAL)

    def made(self) -> Stopper:
        """The stopper."""
        return Outgrown(self.factor, self.interval, self.first)


StopperChoice = Annotated[
    StopAtBudget
    | StopAtPlateau
    | StopAtVarianceMinimum
    | StopAtMovingVariance
    | StopAtHeldOutMinimum
    | StopAtRiskMinimum
    | StopAtDiscrepancy
    | StopWhenOutgrown,
    Field(discriminator="kind"),
]


def joined(choices: tuple[StopperChoice, ...]) -> Stopper | None:
    """One stopper of several choices, the first to fire counts; None without any: then a method's own is used."""
    made = tuple(choice.made() for choice in choices)
    return None if not made else made[0] if len(made) == 1 else FirstOf(made)
