"""How far a run is: what its task runs count while they wait for lots. Shared by the threads of one process."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from tasks.lot_done import LotDone

RECENT = 60.0  # seconds that the recent speed looks back
FEW = 5  # lots, whose tiles make a speed
MARKS = 1000  # of the recent past that are kept; with more lots in RECENT the speed looks back less far


class Tally:
    """Counts of a run. Change them by its verbs only, which hold the lock.

    No dataclass: Prefect walks through those among the parameters of every task run, while other threads count.

    tiles, lots: of the plan. inputs: to do. before: tiles by verdict that earlier runs restored, and lots_before and
    inputs_before what they did of those. verdicts, statuses: of the tiles of this run. published_bytes: of its images.
    failed: inputs. retries: handfuls that were tried again. clock: in seconds, never back.
    """

    def __init__(
        self, tiles: int = 0, lots: int = 0, inputs: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is done yet."""
        self.tiles, self.lots, self.inputs, self.clock = tiles, lots, inputs, clock
        self.before: Counter[str] = Counter()
        self.lots_before = self.inputs_before = 0
        self.verdicts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.device_seconds = self.lot_seconds = 0.0
        self.published_bytes = self.failed = self.retries = 0
        self._counted: set[str] = set()
        self._shown: set[str] = set()
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)
        self._began = 0.0
        self._lock = threading.Lock()

    def begin(self, before: Counter[str], lots_before: int) -> None:
        """The first lot can be handed out: speed counts from here. before: tiles that are done already, by verdict."""
        self.before, self.lots_before = before, lots_before
        self._began = self.clock()
        self._marks.append((self._began, 0))

    def restored(self, done: LotDone) -> None:
        """Count a lot; one that is done again, for its shard was torn, is counted once."""
        with self._lock:
            if done.id in self._counted:
                return
            self._counted.add(done.id)
            self.verdicts.update(done.verdicts)
            self.statuses.update(done.statuses)
            self.device_seconds += done.device_seconds
            self.lot_seconds += done.seconds
            self._marks.append((self.clock(), self.tiles_restored))

    def retried(self) -> None:
        """Count a handful that is tried again."""
        with self._lock:
            self.retries += 1

    def shown(self, name: str, size: int) -> None:
        """Count an input whose image of so many bytes is published; once, however often that is tried."""
        with self._lock:
            self.published_bytes += 0 if name in self._shown else size
            self._shown.add(name)

    @property
    def published(self) -> int:
        """Inputs that this run published."""
        return len(self._shown)

    @property
    def tiles_restored(self) -> int:
        """By this run."""
        return sum(self.verdicts.values())

    @property
    def tiles_done(self) -> int:
        """By this run and those before."""
        return self.tiles_restored + sum(self.before.values())

    @property
    def lots_done(self) -> int:
        """By this run and those before."""
        return len(self._counted) + self.lots_before

    @property
    def all_verdicts(self) -> dict[str, int]:
        """Of all tiles that are done."""
        with self._lock:
            return dict(self.before + self.verdicts)

    def speed(self) -> float:
        """Tiles per second of this run, from its first lot on."""
        return self.tiles_restored / max(1e-6, self.clock() - self._began)

    def recent_speed(self) -> float:
        """Tiles per second lately: over a minute, or over the last few lots where they take longer."""
        now = self.clock()
        with self._lock:
            old = sum(now - at >= RECENT for at, _ in self._marks)
            at, count = self._marks[max(0, min(old - 1, len(self._marks) - FEW))] if self._marks else (now, 0)
        return (self.tiles_restored - count) / max(1.0, now - at)

    def seconds_to_go(self) -> float | None:
        """Until the last tile is restored, by the recent speed, or the run's while nothing ended recently."""
        left, speed = self.tiles - self.tiles_done, self.recent_speed() or self.speed()
        if left <= 0:
            return 0.0
        return left / speed if speed > 0 else None
