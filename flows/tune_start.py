"""A related clean frame -> a candidate start for a collection, which judges it."""

from prefect import flow

from flows.learn_start import carried_out
from tasks.learning.lesson import make_tuning
from tasks.learning.outcome import LearnedOutcome


@flow(name="tune start", flow_run_name="tune {name}", persist_result=False)
def tune_start(
    name: str,
    source: str,
    frame: str,
    parent: str = "grey",
    steps: int = 150,
    seed: int = 17,
    catalog: str | None = None,
) -> LearnedOutcome:
    """Teach a start by a clean frame; the evidence for the gate is of the collection, of which nothing is learned.

    Args:
        name: Of the start: small letters, digits, '-' and '_'.
        source: Name of the collection that the start is for, or a path, glob or URI.
        frame: Path, glob or URI of related clean images.
        parent: Name, id or path of the start to go on from.
        steps: Of the training.
        seed: Of crops and noise.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.

    Raises:
        RequestError: the request cannot be carried out; nothing was touched.
    """
    return carried_out(make_tuning(name, source, frame, parent, steps=steps, seed=seed, catalog=catalog))
