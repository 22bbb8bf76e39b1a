"""The demonstration: two small collections restored on this machine, with what a user would look at next.

    python -m benchmarks.demo --out restored

Pictures inside the scikit-image wheel, with simulated acquisition noise (data_catalog.yaml says how much), restored by
the recipe `demo`, and the true PSNR printed beside the classical control's, whatever it is.
"""

import argparse
import time
from pathlib import Path

import pandas as pd

from flows.environment import settle

COLLECTIONS = ("cells_demo", "moon_demo")


def main() -> None:
    """Restore both collections and say where everything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="restored")
    out = Path(parser.parse_args().out).resolve()
    settle(quiet=True)
    print("Starting Prefect's own embedded server (7 to 40 s) ...", flush=True)
    from flows.restore import restore
    from tasks.recipe import load_recipe
    from tasks.summary import BadRun

    began = time.monotonic()
    for collection in COLLECTIONS:
        try:
            summary = restore(collection, load_recipe("demo"), out=str(out))
        except BadRun as bad:
            summary = bad.summary
        print(summary.sentence(), flush=True)
        print(_psnr(out / collection).to_string(), end="\n\n", flush=True)
    print(f"{time.monotonic() - began:.0f} s in all. Look at:")
    for collection in COLLECTIONS:
        print(f"  {out / collection / 'report.html'}")


def _psnr(folder: Path) -> pd.DataFrame:
    """Mean true PSNR per input, dB: as measured, restored, and by the control."""
    rows = pd.read_parquet(folder / "convergence")
    mean = rows.groupby("input")[["psnr_noisy", "psnr", "psnr_control"]].mean().round(2)
    return mean.rename(columns={"psnr_noisy": "noisy dB", "psnr": "restored dB", "psnr_control": "control dB"})


if __name__ == "__main__":
    main()
