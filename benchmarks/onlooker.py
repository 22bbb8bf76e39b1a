"""What stoppers have in common that look on and stop nothing."""

from abc import ABC
from dataclasses import dataclass

from il_models.stopper import Stopper


@dataclass(frozen=True)
class Onlooker(Stopper, ABC):
    """Sees the estimate every `interval` steps."""

    interval: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """It never stops."""
        return ()

    @property
    def every(self) -> int:
        """Steps between two looks."""
        return self.interval

    @property
    def watches_estimate(self) -> bool:
        """It compares estimates with the truth."""
        return True
