"""A run's counts for the facility's monitor: OpenMetrics text in a file, as node_exporter's textfile collector reads.

Gauges only: they speak of the run under way, or of the last one, and the collector's older format spells them alike.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from tasks.errors import RequestError
from tasks.run import Run
from tasks.stores.place import Place

METRICS = "metrics.prom"  # beside the images of a collection
FOLDER = "SELFMEND_METRICS"  # environment: a folder for the files of all collections, such as the textfile collector's
STATES = ("running", "completed", "stopped", "failed", "crashed")
SUCCESS = "selfmend_last_success_timestamp_seconds"


def write_metrics(run: Run, state: str, began: float) -> None:
    """Write the file beside the images, and into the folder of the environment where that is set; each whole.

    Args:
        run: whose counts are written.
        state: one of STATES.
        began: time.time() of its start.

    Raises:
        OSError: one of them cannot be written.
    """
    out, now = run.request.out, time.time()
    text = exposition(run, state, began, now, now if state == "completed" else last_success(out))
    out.write(METRICS, text)
    if folder := os.environ.get(FOLDER):
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in run.plan.collection)
        Place(folder).write(f"selfmend-{name}.prom", text)


def exposition(run: Run, state: str, began: float, now: float, success: float | None) -> bytes:
    """The counts of a run as OpenMetrics text.

    Args:
        state: one of STATES. began, now: of the run, seconds since 1970. success: when a run last ended well, or None.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(_families(run, state, began, now, success)))
    return generate_latest(registry)


def last_success(out: Place) -> float | None:
    """When a run of the collection last ended well, as its metrics say, seconds since 1970; None where nobody knows."""
    try:
        found = text_string_to_metric_families(out.read(METRICS).decode())
        return next((sample.value for family in found for sample in family.samples if sample.name == SUCCESS), None)
    except (FileNotFoundError, ValueError):
        return None


class _Counts(Collector):
    """Hands families to the library, which spells them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterator[Metric]:
        """Asked by the library."""
        yield from self.families


def _families(run: Run, state: str, began: float, now: float, success: float | None) -> Iterator[Metric]:
    """All metrics, each labelled with the collection."""
    tally, collection = run.tally, run.plan.collection
    if state not in STATES:
        raise RequestError(f"'{state}' is no state of a run; those are {', '.join(STATES)}.")

    def gauge(name: str, meaning: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"selfmend_{name}", meaning, labels=["collection"])
        family.add_metric([collection], value)
        return family

    def gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(f"selfmend_{name}", meaning, labels=["collection", label])
        for key, value in values.items():
            family.add_metric([collection, key], value)
        return family

    told = {"run": run.id, "method": run.request.recipe.method.name, "device": run.crew.device}
    told |= {"version": run.plan.versions["selfmend"]}
    info = GaugeMetricFamily("selfmend_run_info", "What runs.", labels=["collection", *told])
    info.add_metric([collection, *told.values()], 1)
    yield info
    yield gauges("run_state", "1 for the state of the run.", "state", {each: float(each == state) for each in STATES})
    yield gauge("run_start_timestamp_seconds", "When the run began.", began)
    yield gauge("run_updated_timestamp_seconds", "When this was written: at most 15 s ago while a run is alive.", now)
    if success is not None:
        yield gauge(SUCCESS.removeprefix("selfmend_"), "When a run last ended well.", success)
    verdicts = {"good": 0.0, "suspect": 0.0, "failed": 0.0, "empty": 0.0} | tally.all_verdicts
    yield gauges("tiles", "Tiles that are done, by verdict.", "verdict", verdicts)
    yield gauge("tiles_planned", "Tiles of the plan, done or not.", tally.tiles)
    yield gauges("tiles_fitted", "Tiles of this run, by how their fit ended.", "status", dict(tally.statuses))
    speeds = {"recent": tally.recent_speed(), "run": tally.speed()}
    yield gauges("tiles_per_second", "Speed over the last minute, and over the run.", "window", speeds)
    to_go = tally.seconds_to_go()
    if to_go is not None:
        yield gauge("remaining_seconds", "Until the last tile is restored, at the recent speed.", to_go)
    yield gauges("lots", "Lots by state.", "state", {"done": tally.lots_done, "left": tally.lots - tally.lots_done})
    left = tally.inputs - tally.published - tally.failed
    inputs = {"published": tally.published, "failed": tally.failed, "left": left}
    yield gauges("inputs", "Inputs by state.", "state", inputs | {"published_before": tally.inputs_before})
    yield gauge("published_bytes", "Bytes of the images that this run published.", tally.published_bytes)
    yield gauge("device_seconds", "Of this run's fits.", tally.device_seconds)
    yield gauge("retries", "Handfuls of lots that this run tried again.", tally.retries)
    yield gauge("bad_tiles_allowed_ratio", "Share of bad tiles that the recipe allows.", run.request.recipe.bad_tiles)
