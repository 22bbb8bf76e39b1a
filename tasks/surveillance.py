"""How a learned start does in a collection, night after night: audits, fallbacks, and when it is taken out of use."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from tasks.audit import Audit, kept_audits
from tasks.errors import RequestError
from tasks.fallbacks import ALARMING, FEWEST, fallbacks
from tasks.plan import Lot
from tasks.registry.card import Card
from tasks.registry.loading import registry_place
from tasks.registry.states import quarantine_for, quarantined_for
from tasks.run import Run
from tasks.stores.place import Place

FILE = "starts.json"  # beside the images of a collection
AUDITED = 30  # inputs from which a win rate is told
INPUTS = 3  # from which a fallback rate of many tiles is believed: one odd input is no reason
HALF = 0.5
NORMAL = 1.645  # standard deviations: one-sided, 95 %


@dataclass(frozen=True)
class Watched:
    """What is known of a start in one collection.

    tiles, given_up: that began at it, and those of them that were left to the control. inputs: of these tiles.
    audits: by input, whether the start was no worse than what can be had without it.
    """

    start: str
    tiles: int = 0
    given_up: int = 0
    inputs: int = 0
    audits: dict[str, bool] = field(default_factory=dict)

    @property
    def won(self) -> int:
        """Audits that it won."""
        return sum(self.audits.values())

    @property
    def reason(self) -> str:
        """Why it is to be taken out of use; empty while there is no reason.

        Win rate: the upper 95 % bound is below one half. Fallbacks: the lower 95 % bound is above one half.
        """
        count = len(self.audits)
        if count >= AUDITED and bounds(self.won, count)[1] < HALF:
            return f"it won {self.won} of {count} audits against what can be had without it"
        if self.tiles >= FEWEST and self.inputs >= INPUTS and bounds(self.given_up, self.tiles)[0] > ALARMING:
            return f"{self.given_up} of {self.tiles} tiles of {self.inputs} inputs were left to the control"
        return ""

    @property
    def sentence(self) -> str:
        """How it does."""
        told = f"start {self.start}: {self.given_up} of {self.tiles} tiles left to the control"
        return f"{told}, {self.won} of {len(self.audits)} audits won" if self.audits else told


def bounds(hits: int, count: int) -> tuple[float, float]:
    """One-sided 95 % bounds of a rate. Wilson, "Probable inference", J. Am. Stat. Assoc. 1927."""
    rate, square = hits / count, NORMAL**2
    centre = (rate + square / (2 * count)) / (1 + square / count)
    half = NORMAL * (rate * (1 - rate) / count + square / (4 * count**2)) ** 0.5 / (1 + square / count)
    return centre - half, centre + half


def watch(run: Run, lots: Sequence[Lot]) -> Watched | None:
    """Add what a run did to what is known of its start, and keep it beside the images.

    Args:
        run: None is watched where no start was learned.
        lots: that it has done itself.
    """
    start = run.request.start
    if start is None:
        return None
    out, name = run.request.out, f"{start.card.name}:{start.card.id}"
    kept = read_watched(out)
    known = kept.get(start.card.id, Watched(name))
    own = fallbacks(run.work, lots, name)
    audits = {each.input: each.is_won for each in kept_audits(run.work, run.plan.inputs) if _is_of(each, start.card)}
    now = replace(
        known,
        tiles=known.tiles + own.tiles,
        given_up=known.given_up + own.given_up,
        inputs=known.inputs + own.inputs,
        audits=known.audits | audits,
    )
    if now != known:
        told = {id_: asdict(each) for id_, each in (kept | {start.card.id: now}).items()}
        out.write(FILE, json.dumps(told, indent=1).encode())
    return now


def read_watched(out: Place) -> dict[str, Watched]:
    """What is known of the starts of a collection, by id.

    Raises:
        RequestError: the file is broken.
    """
    try:
        return {id_: Watched(**each) for id_, each in json.loads(out.read(FILE)).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(
            f"'{out.uri}/{FILE}' cannot be read ({error}); remove it, and counting begins anew."
        ) from error


def taken_out(run: Run, watched: Watched) -> str:
    """Quarantine a start for the run's collection where there is a reason; a sentence that says so.

    The run itself goes on with it, for what it restored was held against the control, tile by tile.
    """
    start, collection = run.request.start, run.plan.collection
    if start is None or not watched.reason or collection in quarantined_for(registry_place(), start.card.id):
        return ""
    counts = (watched.tiles, watched.given_up, len(watched.audits), watched.won)
    evidence = {name: float(n) for name, n in zip(("tiles", "given_up", "audits", "won"), counts, strict=True)}
    told = f"The start {watched.start} does not suit {collection}: {watched.reason}."
    try:
        quarantine_for(registry_place(), start.card.id, collection, watched.reason, evidence)
    except (OSError, RequestError) as error:
        return f"{told} It could not be quarantined: {error}"
    again = f"selfmend starts promote {start.card.id} --collection {collection}"
    return (
        f"{told} It is quarantined for this collection, and the next run takes another one, if there is one: learn one "
        f"from it (selfmend learn), or allow it again ({again})."
    )


def _is_of(found: Audit, card: Card) -> bool:
    return found.start == card.id
