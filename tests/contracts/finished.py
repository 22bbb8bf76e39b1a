"""A collection as a finished run leaves it, without any fit: published images, convergence table, last_run.json."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tifffile
from contracts.publishing import grid_of, restored, source
from numpy.typing import NDArray

from tasks import ledger
from tasks.convergence import CONVERGENCE, SCHEMA
from tasks.publish import publish_input
from tasks.stores.image_facts import VERDICTS
from tasks.stores.place import Place
from tasks.summary import LAST_RUN, Summary
from tasks.tiles import place_of

REASONS = ("", "", "only 0.71 of the expected noise was removed", "the loss was not a number at step 310")


def published(
    out: Place,
    name: str,
    pixels: NDArray[Any],
    dims: tuple[str, ...],
    *,
    tile: int = 32,
    codes: Sequence[int] = (1,),
    input_folder: Path | None = None,
    joint: bool = True,
    facts: dict[str, Any] | None = None,
    noise: Sequence[dict[str, Any]] | None = None,
    fingerprint: str | None = None,
    names: Sequence[str] = (),
    **attrs: Any,
) -> list[dict[str, Any]]:
    """Publish an image one brighter than its input, and give the rows of its tiles.

    Args:
        codes: verdicts of the tiles, repeated.
        input_folder: where the input is written as TIFF; without it the input is gone.
        facts: of the collection, beside title and source.
        noise: by channel; without it Gaussian of standard deviation 2. fingerprint: of the input when it was restored.
        names: of the channels.
        attrs: of the input, such as layout and nodata.
    """
    opened = source(pixels, dims, **attrs)
    if names:
        opened.coords["c"] = list(names)
    grid = grid_of(opened, tile=tile, shard=2 * tile, joint=joint)
    verdicts = np.resize(np.array(codes, np.uint8), grid.tiles)
    file = (input_folder or Path("/gone")) / f"{name.replace('/', '_')}.tif"
    if input_folder:
        tifffile.imwrite(file, pixels, photometric="minisblack", metadata={"axes": "".join(dims).upper()})
    provenance = {
        "input": str(file),
        "facts": {"title": "A test", "source": str(file), "axes": "".join(dims), **(facts or {})},
        "noise": list(noise) if noise is not None else [{"gain": 0.0, "variance": 4.0}] * grid.shape[1],
        "fingerprint": fingerprint,
        "versions": {"selfmend": "0.1.0", "torch": "2.4"},
    }
    publish_input(restored(opened, grid, out, 1.0, name=name, verdicts=verdicts, provenance=provenance))
    (out / ".work").remove()
    return [row(name, n, int(verdicts[n]), **place_of(grid, n)) for n in range(grid.tiles)]


def row(name: str, tile: int, code: int = 1, **given: Any) -> dict[str, Any]:
    """A row of the convergence table; columns that are not given are likely, or null."""
    likely = {
        "run": "a-run", "collection": "liver", "input": name, "key": "key", "tile": tile, "t": 0, "c": 0, "z": 0,
        "y0": 0, "x0": 32 * tile, "h": 32, "w": 32, "method": "zs_n2n", "noise_sigma": 2.0, "noise_correlation": 0.0,
        "valid": 1.0, "steps": 100, "best_step": 90, "status": "stopped", "stop_reason": "plateau",
        "curve_step": [1, 50, 100], "curve_loss": [9.0 + tile, 3.0, 2.0], "risk": 0.2, "residual_ratio": 1.0,
        "residual_correlation": 0.0, "residual_mean": 0.0, "verdict": "empty" if code == 0 else VERDICTS[code],
        "verdict_reason": REASONS[code], "device": "cpu", "peak_bytes": 2**30,
    }  # fmt: skip
    return dict.fromkeys(SCHEMA.names) | likely | given


def keep(out: Place, rows: list[dict[str, Any]], file: str = "a") -> None:
    """Write a file of the convergence table."""
    out.write(f"{CONVERGENCE}/{file}.parquet", ledger.joined([pa.Table.from_pylist(rows, schema=SCHEMA)]))


def many_rows(count: int, inputs: int = 100, seed: int = 0) -> pa.Table:
    """A large table, made by columns; a twentieth of its tiles is suspect."""
    rng = np.random.default_rng(seed)
    per_input = -(-count // inputs)
    number = np.arange(count)
    bad = rng.random(count) < 0.05
    ratio = np.where(bad, rng.uniform(0.5, 0.84, count), rng.uniform(0.9, 1.1, count))
    reasons = [
        f"only {value:.2f} of the expected noise was removed" if b else "" for value, b in zip(ratio, bad, strict=True)
    ]
    likely = row("", 0)
    known: dict[str, Any] = {
        "input": [f"plate{n // per_input:03d}" for n in number],
        "tile": number % per_input,
        "y0": number % per_input // 32 * 256,
        "x0": number % per_input % 32 * 256,
        "h": np.full(count, 256),
        "w": np.full(count, 256),
        "residual_ratio": ratio,
        "skill": rng.normal(1, 0.5, count),
        "verdict": np.where(bad, "suspect", "good"),
        "verdict_reason": reasons,
    }
    columns = [pa.array(known.get(name, [likely[name]] * count), SCHEMA.field(name).type) for name in SCHEMA.names]
    return pa.table(columns, schema=SCHEMA)


def summarised(out: Place, counts: dict[str, int], **given: Any) -> Summary:
    """The summary of a run, written beside the images."""
    likely: dict[str, Any] = {
        "collection": "liver", "out": out.uri, "run": "a-run", "method": "zs_n2n",
        "recipe": {"method": {"name": "zs_n2n"}, "scope": "tile", "control": "nlm"}, "workers": 2, "device": "cpu",
        "published": 1, "done_before": 0, "tiles": sum(counts.values()), "verdicts": counts, "seconds": 83.0,
        "allowed_bad": 0.05, "finished_at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    summary = Summary(**(likely | given))
    out.write(LAST_RUN, summary.to_json())
    return summary
