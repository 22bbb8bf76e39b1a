"""The commands `selfmend catalog` and `selfmend catalog check`."""

import typer

from flows.options import CatalogFile, Source
from tasks.errors import InputError

catalog_app = typer.Typer(help="Show the collections of the catalogue, or check one.", invoke_without_command=True)


@catalog_app.callback()
def catalog(context: typer.Context, catalog: CatalogFile = None) -> None:
    """Show the collections of the catalogue."""
    if context.invoked_subcommand is not None:
        return
    from tasks.catalog.document import find_catalog, load_catalog

    file = find_catalog(catalog)
    for name, facts in load_catalog(file).items():
        typer.echo(f"{name}: {facts.title}")
    typer.echo(f"({file})")


@catalog_app.command()
def check(name: Source, catalog: CatalogFile = None) -> None:
    """Open every input of a collection, without its pixels, and say what is wrong with any."""
    from tasks.catalog.document import facts_of, find_catalog, find_inputs, load_catalog
    from tasks.readers import open_input

    collection, facts = facts_of(name, load_catalog(find_catalog(catalog)))
    bad = 0
    for ref in find_inputs(collection, facts):
        try:
            array = open_input(ref.uri, facts, ref.mask, ref.guide)
        except InputError as error:
            bad += 1
            typer.echo(f"{ref.name}: {error}")
            continue
        shape = " ".join(f"{axis}={length}" for axis, length in array.sizes.items())
        typer.echo(f"{ref.name}: {shape} {array.dtype}, {array.attrs['layout']}")
    if bad:
        raise typer.Exit(1)
