"""Several recipes on the same tiles of a collection -> table, pictures and page of who is best."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.aside import ProgressBar, tag_run, unheard, untagged
from flows.following import WINDOW
from flows.telling import artifact_key
from tasks.comparison.challenge import make_challenge
from tasks.comparison.contenders import DEFAULT, Contender, suite_of
from tasks.comparison.outcome import Outcome, write_outcome
from tasks.doors import look_at_inputs, try_recipe
from tasks.stores.leases import locked
from tasks.workers import hired, require_cluster


@flow(
    name="compare",
    flow_run_name="compare {source}",
    task_runner=ThreadPoolTaskRunner(max_workers=WINDOW),  # type: ignore[arg-type]
    persist_result=False,
)
def compare(
    source: str,
    contenders: list[Contender] | None = None,
    catalog: str | None = None,
    out: str = "restored",
    tiles: int = 4,
    limit: int | None = None,
    degrade: str | None = None,
    cluster: str = "local",
    workers: int | None = None,
) -> Outcome:
    """Rank recipes: by PSNR where the collection has a reference, otherwise by estimated risk.

    Args:
        source: Name of a collection in the catalogue, or a path, glob or URI.
        contenders: Recipes, each with a name; without any those of the suite that ships.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        out: Folder or URI for the results; they come into OUT/compare/<collection>.
        tiles: Tiles of each input, chosen from the smooth to the textured.
        limit: Only so many inputs.
        degrade: Compare on the references, spoiled: noise:SIGMA, blur:WIDTH or jpeg:QUALITY.
        cluster: "local" (processes of this machine), "none" (this process), the address of a Dask scheduler, a cluster
            file, or the name of one that ships.
        workers: Processes, jobs or pods, in place of what the cluster's file says; without either one per core or GPU.

    Raises:
        RequestError: the request cannot be carried out; nothing was touched.
    """
    require_cluster(cluster)
    chosen = contenders or suite_of(DEFAULT)
    challenge = make_challenge(source, chosen, catalog=catalog, out=out, tiles=tiles, limit=limit, degrade=degrade)
    key = artifact_key(challenge.collection)
    with locked(challenge.out), untagged():
        tag_run(challenge.collection, "compare")
        with hired(cluster, workers) as (pool, crew):
            subjects = look_at_inputs(challenge, pool)
            pairs = [(contender, subject) for subject in subjects for contender in chosen]
            futures = [try_recipe.submit(contender, subject, crew, pool) for contender, subject in pairs]
            progress = ProgressBar(f"compare-{key}", 0.0, f"{len(pairs)} trials")
            for done, future in enumerate(as_completed(futures), 1):
                said = f"{done} of {len(pairs)} trials; the last: {future.result().contender}"
                progress.tell(100 * done / len(pairs), said, last=done == len(pairs))
            trials = [future.result() for future in futures]
        outcome = write_outcome(challenge, subjects, trials)
    lines = [f"# {outcome.sentence()}", "```", *outcome.lines(), "```", f"Page: `{outcome.out}/compare.html`"]
    with unheard("The ranking cannot be shown in Prefect"):
        create_markdown_artifact(key=f"ranking-{key}", markdown="\n".join(lines), description=outcome.sentence())
    return outcome
