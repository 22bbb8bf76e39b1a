"""Plans as tables for a terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.catalog.noise import pooled_over
from tasks.forecast import Forecast, size, workers_that_fit
from tasks.plan import Plan
from tasks.pooled_noise import advice
from tasks.requests import Request
from tasks.standing import Standing
from tasks.workers import Crew


def print_plan(request: Request, found: Standing, plan: Plan, predicted: Forecast, crew: Crew) -> None:
    """Inputs, tiles, lots, memory, bytes and time of what is left to do."""
    console = Console()
    for name, reason in plan.rejected.items():
        console.print(f"[yellow]'{escape(name)}' is left out:[/] {escape(reason)}", soft_wrap=True)
    console.print(_inputs(plan))
    fitting = workers_that_fit(predicted, crew)
    rows = {
        "inputs": f"{len(request.inputs)}, {len(found.done)} of them done, {len(plan.rejected)} not readable",
        "tiles": f"{predicted.tiles} in {predicted.lots} lots to do",
        "workers": f"{fitting} × {crew.threads} thread on {crew.device}, {size(predicted.worker_bytes)} each",
        "to be written": f"{size(predicted.work_bytes)} of work, {size(predicted.image_bytes)} of images, uncompressed",
        "time": f"about {_duration(predicted.seconds * crew.workers / fitting)}",
        "results": request.out.uri,
    }
    if pooled := pooled_over(request.facts.noise):
        rows["noise"] = f"that of {pooled} inputs together"
    elif told := advice(request.facts, plan.inputs):
        console.print(f"[yellow]{escape(told)}[/]", soft_wrap=True)
    table = Table(title="Plan", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _inputs(plan: Plan) -> Table:
    table = Table("input", "axes", "pixels", "type", "tiles", "shards", "noise", title="Inputs to do")
    for entry in plan.inputs[:20]:
        grids = (entry.grid,) if entry.factor == 1 else (entry.grid, entry.image_grid)
        sizes = [[str(n) for axis, n in zip("tczyx", grid.shape, strict=True) if axis in entry.dims] for grid in grids]
        noise = entry.survey.noise[0]
        told = f"gain {noise.gain:.3g}, variance {noise.variance:.3g}" if noise.gain else f"σ {noise.variance**0.5:.3g}"
        told = f"speckle, {noise.speckle.looks:.3g} looks" if noise.speckle else told
        along = [f"{axis} {value:.2f}" for axis, value in zip("yx", noise.correlation, strict=True) if value > 0.2]
        colour = f", correlated along {', '.join(along)}" if along else ""
        table.add_row(
            entry.name, "".join(entry.dims), " → ".join(map("×".join, sizes)), entry.dtype,
            str(entry.grid.tiles), str(entry.grid.shards), told + colour,
        )  # fmt: skip
    if len(plan.inputs) > 20:
        table.add_row(f"… and {len(plan.inputs) - 20} more", *[""] * 6)
    return table


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
