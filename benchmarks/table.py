"""Small markdown tables that say when, from which commit and on what machine they were made."""

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write_table(
    name: str, title: str, sections: Sequence[tuple[str, Sequence[str], Sequence[Sequence[object]]]]
) -> None:
    """Print tables, and write them to benchmarks/results/<name>.md unless the name is empty (a quick look).

    Args:
        sections: a line or two of text, the heads of the columns, and the rows; a float is written with two decimals.
    """
    lines = [f"# {title}", "", provenance()]
    for text, heads, rows in sections:
        lines += [
            "",
            text,
            "",
            _row(heads),
            _row(["---"] * len(heads)),
            *(_row([_word(cell) for cell in row]) for row in rows),
        ]
    print("\n".join(lines))
    if name:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")


def provenance() -> str:
    """Date, commit and machine (its processor, never its name)."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=RESULTS.parent, check=False
    ).stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "il_models"],
        capture_output=True,
        text=True,
        cwd=RESULTS.parents[1],
        check=False,
    ).stdout.strip()
    date = datetime.datetime.now(datetime.UTC).date()
    return f"{date}, commit {commit or 'unknown'}{' with changes' if changed else ''}, {processor()}"


def processor() -> str:
    """Model of the processor and how many cores there are."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _word(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
