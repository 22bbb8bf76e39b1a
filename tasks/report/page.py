"""The report of a collection: which tiles to trust, and where to look. One page that needs nothing beside it.

Reads what lies in the collection's folder; and the inputs, where they are still there, for the pictures
before restoration.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml

from tasks.convergence import MEANING
from tasks.report import words
from tasks.report.before_after import before_after, chosen_tiles
from tasks.report.charts import Curve, curve, scatter
from tasks.report.figures import PSNR, distributions, input_table, look_at, means
from tasks.report.published import PublishedImage, open_published
from tasks.report.tile_rows import TileRows, read_rows
from tasks.report.verdict_maps import verdict_maps, worst_inputs
from tasks.stores.place import Place
from tasks.summary import Summary, read_summary
from tasks.tolerance import Tolerance

__all__ = ["read_summary", "write_report"]

PAGE = "report.html"
MAPS = 24  # inputs whose verdicts are shown as a map
INPUTS = 200  # rows of the table of inputs
SHARED = {"collection": "one for all", "input": "one per input"}  # networks, by scope
TILES = 200  # rows of the table of tiles to look at
FAILURES = 100  # inputs that failed, one by one
CURVES = 6


def write_report(out: Place, summary: Summary) -> str:
    """Write the report of a collection.

    Args:
        out: folder of the collection.
        summary: of its last run.

    Returns:
        URI of the page.

    Raises:
        RequestError: a file of the convergence table is damaged.
        OSError: the page cannot be written.
    """
    page = _template().render(_content(out, summary, read_rows(out)))
    out.write(PAGE, page.encode())
    return f"{out.uri}/{PAGE}"


def _template() -> jinja2.Template:
    # Names of collections and inputs, and reasons, come from outside: all that is put in is escaped.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "decibel": words.decibel, "share": words.share}
    return environment.get_template("report.html.j2")


def _content(out: Place, summary: Summary, rows: TileRows) -> dict[str, Any]:
    """All that the template shows, by name."""
    worst = [int(number) for number in worst_inputs(rows)]
    image = next(filter(None, (open_published(out, rows.names[number]) for number in worst[:10])), None)
    said = image.said if image else {}
    chosen = chosen_tiles(rows)
    failed = sorted(summary.failed.items())
    return {
        "summary": summary,
        "title": said.get("facts", {}).get("title", ""),
        "is_good": summary.is_good and words.ratio(rows.bad, rows.judged) <= summary.allowed_bad,
        "counts": [int(n) for n in rows.counts.sum(0)],
        "judged": rows.judged,
        "bad": rows.bad,
        "tiles": len(rows),
        "inputs": len(rows.names),
        "reasons": rows.reasons(),
        "failed": failed[:FAILURES],
        "failed_count": len(failed),
        "late": sorted(summary.late.items())[:FAILURES],
        "late_count": len(summary.late),
        "maps": verdict_maps(rows, out, worst[:MAPS]),
        "pictures": before_after(rows, out, chosen),
        "has_planes": bool((rows.columns[["t", "c", "z"]].max() > 0).any()),
        "look_at": look_at(rows, TILES),
        "distributions": distributions(rows, Tolerance()),
        "input_rows": input_table(rows, worst[:INPUTS]),
        "estimated": _estimated(rows),
        "psnr": means(rows, PSNR),
        "curves": _curves(rows, [number for _, number in chosen]),
        "steps_are_of_the_input": _scope(summary, rows) in SHARED and not summary.recipe.get("own_steps"),
        "network": _network(summary, rows),
        "noise": words.noise(said.get("facts", {})) if said else "–",
        "duration": words.duration(summary.seconds),
        "versions": said.get("versions", {}),
        "device": ", ".join(sorted({str(name) for name in rows.columns["device"].dropna().unique()})),
        "peak": words.size(rows.columns["peak_bytes"].max()),
        "recipe": yaml.safe_dump(summary.recipe, sort_keys=False, allow_unicode=True),
        "snippets": words.snippets(_of_each_layout(out, rows, worst)),
        "query": words.QUERY,
        "limits": Tolerance(),
        "meaning": MEANING,
    }


def _network(summary: Summary, rows: TileRows) -> str:
    """Whose networks restored the tiles, in words."""
    if told := words.rungs(Counter(rows.columns["rung"].dropna().astype(str))):
        return told
    if set(rows.columns["status"].dropna().unique()) <= {"direct", "skipped"} and rows.judged:
        return "none, a direct method"
    own = summary.recipe.get("own_steps")
    owner = {**SHARED, "tile": "one per tile"}.get(_scope(summary, rows), "–")
    return f"{owner}, then {own} own steps" if own else owner


def _scope(summary: Summary, rows: TileRows) -> str:
    """The scope of the recipe; where it left the choice, that of the tiles."""
    scope = str(summary.recipe.get("scope"))
    starts = rows.columns["start"].dropna().astype(str)
    return scope if scope != "auto" else "input" if bool(starts.str.startswith("input:").any()) else "tile"


def _estimated(rows: TileRows) -> Any:
    """Estimated against true PSNR, or None without a reference."""
    true, estimated = (rows.columns[name].to_numpy(np.float64) for name in ("psnr", "risk_psnr"))
    return scatter(true, estimated, rows.codes)


def _curves(rows: TileRows, chosen: list[int]) -> list[tuple[dict[str, Any], Curve]]:
    """Loss curves of the tiles in the pictures; of tiles that share their input's network, one."""
    found: dict[tuple[Any, ...], tuple[dict[str, Any], Curve]] = {}
    for number in chosen:
        row = rows.row(number)
        steps, losses = rows.curve(number)
        line = curve(steps, losses, row["best_step"])
        if line is not None:
            found.setdefault((row["input"], *losses), (row, line))
    return list(found.values())[:CURVES]


def _of_each_layout(out: Place, rows: TileRows, numbers: list[int]) -> list[PublishedImage]:
    """One published image of each layout among the first inputs."""
    found: dict[str, PublishedImage] = {}
    for image in (open_published(out, rows.names[number]) for number in numbers[:10]):
        if image is not None:
            found.setdefault(image.layout, image)
    return list(found.values())
