"""Inputs of a collection that were restored well -> a candidate start, from the one that restored them."""

from prefect import flow
from prefect.logging import get_run_logger

from flows.learn_start import carried_out
from tasks.learning.folding import make_folding
from tasks.learning.outcome import LearnedOutcome
from tasks.recipe import Recipe


@flow(name="fold start", flow_run_name="fold {source}", persist_result=False)
def fold_start(
    source: str,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    catalog: str | None = None,
    out: str = "restored",
    run: str | None = None,
) -> LearnedOutcome:
    """Learn from what was restored well; the start that restored it is left as it is.

    Args:
        source: Name of a collection in the catalogue, or a path, glob or URI.
        recipe: That it was restored by; its `fold` says how long and how fast.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        out: Folder or URI of the results.
        run: Id of a flow run: only what that restored; without it all that is in the convergence table.

    Raises:
        RequestError: there is no start that could be gone on from, or too little was restored well.
    """
    folding = make_folding(source, recipe, catalog, out, run)
    get_run_logger().info("%s", folding.sentence())
    return carried_out(folding.lesson)
