"""What stoppers have in common that look on and stop nothing."""

from abc import ABC
from dataclasses import dataclass

from il_models.stopper import Watching


@dataclass(frozen=True)
class Onlooker(Watching, ABC):
    """Sees the estimate every `interval` steps."""

    interval: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """It never stops."""
        return ()
