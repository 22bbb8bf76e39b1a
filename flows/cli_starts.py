"""The commands `selfmend starts list | show | promote | quarantine | retire | fold | tune`."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.environment import settle, where_prefect_is
from flows.options import CatalogFile, OutOption, RecipeName, Settings, Source, chosen_settings

if TYPE_CHECKING:
    from tasks.registry.loading import Known
    from tasks.registry.states import State

starts_app = typer.Typer(help="Show the learned starts, and say which may be used.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help="Name or id of a start (its first digits will do), or its path.")]
Why = Annotated[str, typer.Option("--why", help="The reason, which is kept.")]
Collection = Annotated[
    str | None, typer.Option("--collection", help="Only for this collection; everywhere without it.")
]
Force = Annotated[str | None, typer.Option("--force", help="Pass by the gate, for this reason, which is kept.")]


@starts_app.command("list")
def list_() -> None:
    """List the starts that ship and those of the registry, with their states."""
    from tasks.registry.loading import known_starts, registry_place
    from tasks.registry.states import quarantined_for

    for each in known_starts():
        if each.card is None:
            typer.echo(f"{each.stem}: broken. {each.problem}")
            continue
        network = " ".join(str(value) for value in each.card.network.values())
        origin = "ships" if each.bundled else f"made {each.card.made}"
        without = ", ".join(quarantined_for(registry_place(), each.id))
        told = f"; quarantined for {without}" if without else ""
        typer.echo(f"{each.name} {each.id} {each.state}: {network}, {origin}{told}")
    typer.echo(f"({registry_place().uri})")


@starts_app.command()
def show(reference: Reference) -> None:
    """Show the card of a start, what it has shown, and what became of it."""
    from tasks.registry.gate import findings
    from tasks.registry.loading import find_start, registry_place
    from tasks.registry.states import history

    found = find_start(reference)
    assert found.card is not None
    for line in _lines(found):
        typer.echo(line)
    for finding in findings(found.card):
        typer.echo(f"gate {'passed' if finding.passed else 'not passed'}: {finding.words}")
    for change in history(registry_place(), found.id):
        where = f" for {change.collection}" if change.collection else ""
        typer.echo(f"{change.when} {change.state}{where} by {change.who}: {change.why}")


@starts_app.command()
def promote(reference: Reference, force: Force = None, collection: Collection = None) -> None:
    """Make a start active, if it passes the gate: it must beat its referee on what was held out.

    With --collection a quarantine for that collection is taken back, which asks no gate.
    """
    from tasks.errors import RequestError
    from tasks.registry.gate import findings
    from tasks.registry.loading import load_start, registry_place
    from tasks.registry.states import allow_for

    found = _named(reference)
    if collection is not None:
        allow_for(registry_place(), found.id, collection, force or "allowed again")
        typer.echo(f"{found.name} {found.id} may be used for {collection} again.")
        return
    card = load_start(found.uri).card  # a start that cannot be used is not promoted
    judged = findings(card)
    failed = [finding.words for finding in judged if not finding.passed]
    if failed and force is None:
        raise RequestError(
            f"The start {found.id} is not promoted: {'; '.join(failed)}. To promote it all the same, "
            "give --force REASON."
        )
    words = "; ".join(finding.words for finding in judged)
    _change(found, "active", f"forced: {force} (gate: {words})" if failed else f"gate: {words}")


@starts_app.command()
def quarantine(reference: Reference, why: Why, collection: Collection = None) -> None:
    """Keep a start from being used, everywhere or for one collection, until it is promoted again."""
    from tasks.registry.loading import registry_place
    from tasks.registry.states import quarantine_for

    found = _named(reference)
    if collection is None:
        _change(found, "quarantined", why)
        return
    quarantine_for(registry_place(), found.id, collection, why)
    typer.echo(f"{found.name} {found.id} is quarantined for {collection}: {why}")


@starts_app.command()
def retire(reference: Reference, why: Why) -> None:
    """Keep a start from being used for good; its files stay, for what was restored with it."""
    _change(_named(reference), "retired", why)


@starts_app.command()
def fold(
    source: Source,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    out: OutOption = "restored",
    run: Annotated[str | None, typer.Option("--run", help="Only what this flow run restored.")] = None,
) -> None:
    """Learn from the inputs of a collection that were restored well: a candidate, from the start that they had.

    Give the recipe that they were restored by; its key `fold` says how long and how fast.
    """
    settle(quiet=True)
    from tasks.learning.folding import make_folding
    from tasks.recipe import load_recipe

    chosen = load_recipe(recipe, chosen_settings(setting))
    folding = make_folding(source, chosen, catalog, out, run)  # who is turned away shall not wait for Prefect to start
    typer.echo(f"{folding.sentence()} ({where_prefect_is()})", err=True)
    from rich.console import Console

    from flows.fold_start import fold_start
    from flows.watching import steps_taken, watched

    with watched(folding.lesson.work, Console(stderr=True), steps_taken, "steps"):
        outcome = fold_start(source, chosen, catalog, out, run)
    for line in outcome.lines():
        typer.echo(line)


@starts_app.command()
def tune(
    source: Source,
    frame: Annotated[str, typer.Option("--frame", help="Related clean images to learn from.")],
    name: Annotated[str, typer.Option("--name", help="What the start is called.")],
    parent: Annotated[str, typer.Option("--parent", help="The start to go on from.")] = "grey",
    steps: Annotated[int, typer.Option("--steps", help="Of the training.")] = 150,
    seed: Annotated[int, typer.Option("--seed", help="Of crops and noise.")] = 17,
    catalog: CatalogFile = None,
) -> None:
    """Teach a start by one related clean frame: a candidate, judged by the collection, which it never saw."""
    settle(quiet=True)
    from tasks.learning.lesson import make_tuning

    lesson = make_tuning(name, source, frame, parent, steps=steps, seed=seed, catalog=catalog)
    typer.echo(where_prefect_is(), err=True)
    from rich.console import Console

    from flows.tune_start import tune_start
    from flows.watching import steps_taken, watched

    with watched(lesson.work, Console(stderr=True), steps_taken, "steps"):
        outcome = tune_start(name, source, frame, parent, steps, seed, catalog)
    for line in outcome.lines():
        typer.echo(line)


def _named(reference: str) -> "Known":
    """The start that is meant; here a name also stands for the only one of that name, whatever its state."""
    from tasks.registry.loading import find_start, known_starts

    alike = [each for each in known_starts() if each.card and reference in (each.name, each.stem)]
    return alike[0] if len(alike) == 1 else find_start(reference)


def _change(found: "Known", to: "State", why: str) -> None:
    from tasks.registry.loading import registry_place
    from tasks.registry.states import change_state

    change = change_state(registry_place(), found.id, to, why, found.first)
    typer.echo(f"{found.name} {found.id} is {change.state}: {change.why}")


def _lines(found: "Known") -> list[str]:
    card = found.card
    assert card is not None
    fields = ", ".join(f"{key} {value}" for key, value in card.schedule.items())
    lines = [
        f"{card.name} {card.id} {found.state} ({found.uri})",
        f"network: {', '.join(f'{key} {value}' for key, value in card.network.items())}; channels {card.channels}; "
        f"stored as {card.stored}",
        f"noise: sigma {card.sigma[0]:.3g} to {card.sigma[1]:.3g} of a range of 1; {card.normalisation}",
        f"learned: {fields}; from {len(card.inputs)} inputs, {', '.join(each.name for each in card.inputs[:8])}"
        + (" ..." if len(card.inputs) > 8 else ""),
        f"parent: {card.parent or 'none'}; made {card.made} with "
        f"{', '.join(f'{key} {value}' for key, value in card.code.items())}",
        f"licence: {card.licence}",
        f"held out: {card.held_out}",
    ]
    told = ", ".join(f"{level:g}" if level else "as measured" for level in card.levels)
    every = max(1, len(card.curve) // 8)
    shown = card.curve[::-1][::every][::-1]  # the last one among them
    lines += [f"  PSNR in dB at noise {told} after {each.steps} steps: " + _numbers(each.psnr) for each in shown]
    return lines


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
