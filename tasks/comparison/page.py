"""compare.html: ranking, quality against time, contact sheet and table, in one page of the report's style."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from tasks.comparison.challenge import Challenge
from tasks.comparison.ranking import Ranked, is_white
from tasks.report import words

HERE = Path(__file__).parent
ROWS = 400  # of the table of trials


def page_of(
    challenge: Challenge, by: str, ranked: Sequence[Ranked], rows: Sequence[dict[str, Any]], plot: bytes, sheet: bytes
) -> str:
    """The page, which needs nothing beside it."""
    # Names of inputs, and reasons, come from outside: all that is put in is escaped.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, HERE.parent / "report"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "fixed": _fixed}
    return environment.get_template("compare.html.j2").render(
        challenge=challenge,
        by=by,
        ranked=ranked,
        best=next((each for each in ranked if each.rank == 1), None),
        white={(each.recipe, each.part): is_white(each) for each in ranked},
        rows=[row for row in rows if row["place"] >= 0][:ROWS],
        more=max(0, len(rows) - ROWS),
        failures=sorted(
            {(row["recipe"], row["input"], row["stop_reason"]) for row in rows if row["status"] == "error"}
        ),
        plot=_data_uri(plot),
        sheet=_data_uri(sheet),
        recipes=[(each.name, _recipe(each.recipe)) for each in challenge.contenders],
    )


def _fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals, never with a power of ten, or a dash."""
    return words.number(None if value is None else round(value, digits) + 0.0, digits)


def _recipe(recipe: Any) -> str:
    return yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
