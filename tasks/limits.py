"""What one run may take: inputs, time of the clock, device hours. One model for command line and Prefect's form."""

import re
from datetime import datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.errors import RequestError
from tasks.validation import sentence

_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")


class Limits(BaseModel):
    """Where a run stops, cleanly; the next one goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: int | None = Field(None, description="At most so many inputs that are not done yet, in all collections.")
    until: str | None = Field(
        None,
        description="Deadline: 07:00 is the next 07:00 of this machine's clock; or an ISO time, 2026-11-27T07:00 or, "
        "with a zone, 2026-11-27T07:00+01:00. What cannot be expected to end by then is left for the next run.",
    )
    hours: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Budget of device hours: the time for which workers have a lot, summed over them.",
    )
    quiet: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds for which an input must not have been written to; a younger one may be half copied, and "
        "is left for the next run. Without it 60 in a night, 0 otherwise.",
    )

    @field_validator("inputs")
    @classmethod
    def _is_some(cls, count: int | None) -> int | None:
        if count is not None and count < 1:
            raise ValueError(f"--limit {count} leaves nothing to do; give 1 or more.")
        return count

    @field_validator("until")
    @classmethod
    def _is_time(cls, text: str | None) -> str | None:
        if text is None or _CLOCK.fullmatch(text):
            return text
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"'{text}' is no time; give --until 07:00, or an ISO time: 2026-11-27T07:00.") from None
        return text

    def deadline(self, now: datetime | None = None) -> datetime | None:
        """The moment that `until` means, with its zone; None without one.

        Args:
            now: when it is, with a zone; None: now, on this machine's clock.
        """
        if self.until is None:
            return None
        if not _CLOCK.fullmatch(self.until):
            return datetime.fromisoformat(self.until).astimezone()
        now = now or datetime.now().astimezone()
        hour, minute = map(int, self.until.split(":"))
        clock = time(hour, minute)
        # A day is not always 24 hours: the clock's reading is set on a day, and then gets that day's zone.
        days = (datetime.combine(now.date() + timedelta(day), clock).astimezone() for day in (0, 1))
        return next(moment for moment in days if moment > now)

    def settled(self) -> "Limits":
        """The same limits with the deadline as a moment, which means the same whenever it is read.

        Raises:
            RequestError: the deadline has passed.
        """
        moment = self.deadline()
        if moment is None:
            return self
        if moment <= datetime.now().astimezone():
            raise RequestError(
                f"The deadline {self.until} has passed, so nothing could be done; give one that is to come, such as "
                "--until 07:00 for the next 07:00, or leave it out."
            )
        return self.model_copy(update={"until": moment.isoformat()})


def make_limits(**given: Any) -> Limits:
    """Limits from plain values.

    Raises:
        RequestError: a value that is not allowed, or a deadline that has passed.
    """
    try:
        return Limits(**given).settled()
    except ValidationError as error:
        raise RequestError(sentence(error, "Limits of the run", Limits.model_fields)) from None
