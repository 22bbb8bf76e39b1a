"""Masks beside the images: how they pair, what their values mean, and what becomes of the pixels that they name."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
import tifffile
import yaml
import zarr
from contracts.pipeline import begun, pixels, restored

from tasks.adapted import adaptation_of
from tasks.catalog.document import facts_of, find_inputs, load_catalog
from tasks.errors import InputError, RequestError
from tasks.measured import measured_pixels, read_box
from tasks.readers import open_input
from tasks.report.published import open_published, open_source, source_window
from tasks.stores.place import Place
from tasks.tiling import Box
from tasks.treatment import treatment_of

SIDE = 160
RUN = {"tiling__tile": 96, "tiling__shard": 192, "bad_tiles": 1, "method": "nlm"}


def cloud() -> np.ndarray:
    """Where a cloud of 255 on an image of up to 200 hides the scene."""
    hidden = np.zeros((SIDE, SIDE), bool)
    hidden[40:60, 70:110] = True
    return hidden


def written(folder: Path, mask: np.ndarray | None = None, **rule: Any) -> Path:
    """Two scenes with a cloud in each, masks of the same name, and the catalogue's file."""
    for name, start in (("a", 0), ("b", 100)):
        clean = skimage.data.camera()[start : start + SIDE, 200 : 200 + SIDE] * 0.75
        noisy = clean + np.random.default_rng(start).normal(0, 10, clean.shape)
        tifffile.imwrite(folder / f"{name}.tif", np.where(cloud(), 255, noisy).astype(np.float32))
        (folder / "masks").mkdir(exist_ok=True)
        tifffile.imwrite(folder / "masks" / f"{name}.tif", cloud().astype(np.uint8) if mask is None else mask)
    entry = {
        "title": "scenes",
        "source": "*.tif",
        "noise": {"kind": "gaussian", "sigma": 10.0},
        "mask": {"source": "masks/*.tif", **rule},
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"scenes": entry}}))
    return folder / "catalog.yaml"


def measured(folder: Path) -> np.ndarray:
    """Where scene 'a' was measured, as its catalogue says."""
    name, facts = facts_of("scenes", load_catalog(folder / "catalog.yaml"))
    ref = find_inputs(name, facts)[0]
    array = open_input(ref.uri, facts, ref.mask)
    box = Box((0, 0, 0, 0, 0), (1, 1, 1, SIDE, SIDE))
    return measured_pixels(array, box, read_box(array, box))[0, 0, 0]


def test_what_a_mask_names_is_neither_seen_nor_touched(tmp_path: Path) -> None:
    restored("scenes", tmp_path / "out", catalog=written(tmp_path), **RUN)
    for name in "ab":
        image, raw = pixels(tmp_path / "out" / "scenes", name), tifffile.imread(tmp_path / f"{name}.tif")
        assert np.array_equal(image[cloud()], raw[cloud()])
        beside = np.roll(cloud(), 1, 0) & ~cloud()
        assert image[beside].max() < 240  # nothing of the cloud runs into the scene
    table = pd.read_parquet(tmp_path / "out" / "scenes" / "convergence")
    seen = float((table["valid"] * table["h"] * table["w"]).sum())
    assert seen == pytest.approx(2 * np.count_nonzero(~cloud()))


def test_what_a_mask_names_is_filled_and_flagged(tmp_path: Path) -> None:
    restored("scenes", tmp_path / "out", catalog=written(tmp_path), fill__within=16, **RUN)
    image = pixels(tmp_path / "out" / "scenes", "a")
    codes = zarr.open_group(tmp_path / "out" / "scenes" / "a.zarr", mode="r")["labels/filled/0"][:]
    assert np.array_equal(codes == 1, cloud())
    assert image[cloud()].max() < 220


@pytest.mark.parametrize(
    ("mask", "rule"),
    [
        (cloud().astype(np.uint8) * 7, {}),
        ((~cloud()).astype(np.uint8), {"missing": "zero"}),
        (np.where(cloud(), 9, 4).astype(np.uint8), {"values": [8, 9]}),
        (np.where(cloud(), 0b10110, 0b00110).astype(np.uint16), {"bits": [4, 12]}),
        (np.where(cloud(), np.nan, 0).astype(np.float32), {}),
        (np.repeat(cloud()[None], 1, 0).astype(np.uint8), {}),
    ],
)
def test_values_mean_what_the_catalogue_says(tmp_path: Path, mask: np.ndarray, rule: dict[str, Any]) -> None:
    written(tmp_path, mask, **rule)
    assert np.array_equal(measured(tmp_path), ~cloud())


def test_the_report_shows_what_was_measured(tmp_path: Path) -> None:
    restored("scenes", tmp_path / "out", catalog=written(tmp_path, bits=[0]), **RUN)
    image = open_published(Place(str(tmp_path / "out" / "scenes")), "a")
    assert image is not None
    seen = source_window(open_source(image), {}, (0,), slice(0, SIDE), slice(0, SIDE, 2))
    assert np.array_equal(np.isnan(seen[0]), cloud()[:, ::2])


def test_one_plane_of_mask_holds_for_a_whole_stack(tmp_path: Path) -> None:
    written(tmp_path)
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 2, SIDE, SIDE), np.uint16), metadata={"axes": "ZCYX"}, ome=True)
    name, facts = facts_of("scenes", load_catalog(tmp_path / "catalog.yaml"))
    ref = find_inputs(name, facts)[0]
    array = open_input(ref.uri, facts, ref.mask)
    box = Box((0, 0, 1, 30, 50), (1, 2, 3, 90, 120))
    raw = read_box(array, box)
    assert measured_pixels(array, box, raw).shape == (1, 1, 2, 60, 70)
    assert np.array_equal(measured_pixels(array, box, raw, joint=False)[0, 1, 1], ~cloud()[30:90, 50:120])


def test_a_mask_of_another_size_is_refused_with_its_input(tmp_path: Path) -> None:
    written(tmp_path, np.zeros((SIDE, SIDE - 1), np.uint8))
    with pytest.raises(InputError, match=r"The mask '.*a\.tif' is y=160 x=159, and its input y=160 x=160; give one"):
        measured(tmp_path)


def test_bits_of_fractions_are_refused(tmp_path: Path) -> None:
    written(tmp_path, np.zeros((SIDE, SIDE), np.float32), bits=[4])
    with pytest.raises(InputError, match="holds float32 numbers, and 'bits' and 'values' are of whole ones"):
        measured(tmp_path)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"missing": "zero", "bits": [4]}, "mask: expected one of missing, values and bits"),
        ({"bits": [64]}, r"mask\.bits: expected numbers of bits, 0 \(the lowest\) to 63"),
        ({"value": [3]}, r"mask\.value is not a known key; allowed: source, missing, values, bits"),
    ],
)
def test_rules_that_say_nothing_are_refused(tmp_path: Path, rule: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        load_catalog(written(tmp_path, **rule))


def test_masks_that_do_not_pair_are_refused(tmp_path: Path) -> None:
    catalog = written(tmp_path)
    for name, other in (("a", "one"), ("b", "two")):
        os.rename(tmp_path / "masks" / f"{name}.tif", tmp_path / "masks" / f"{other}.tif")
    tifffile.imwrite(tmp_path / "masks" / "three.tif", np.zeros((SIDE, SIDE), np.uint8))
    with pytest.raises(RequestError, match="2 inputs and 3 masks do not pair"):
        find_inputs("scenes", load_catalog(catalog)["scenes"])


def test_another_mask_re_opens_its_input_and_another_place_none(tmp_path: Path) -> None:
    catalog = written(tmp_path)
    restored("scenes", tmp_path / "out", catalog=catalog, **RUN)
    os.rename(tmp_path / "masks", tmp_path / "clouds")
    entry = yaml.safe_load(catalog.read_text())
    entry["collections"]["scenes"]["mask"]["source"] = "clouds/*.tif"
    catalog.write_text(yaml.safe_dump(entry))
    assert not begun("scenes", tmp_path / "out", catalog=catalog, **RUN)[1].left
    tifffile.imwrite(tmp_path / "clouds" / "b.tif", np.zeros((SIDE, SIDE), np.uint8))
    assert [ref.name for ref in begun("scenes", tmp_path / "out", catalog=catalog, **RUN)[1].left] == ["b"]


def test_what_a_mask_means_is_part_of_the_key(tmp_path: Path) -> None:
    keys = set()
    for place, rule in enumerate(({}, {"bits": [0]}, {"values": [1]})):
        run, _ = begun("scenes", tmp_path / str(place), catalog=written(tmp_path, **rule), **RUN)
        keys.add(run.plan.key)
    assert len(keys) == 3


def test_an_adaptation_is_not_taken_again_where_the_mask_means_something_else(tmp_path: Path) -> None:
    run, _ = begun("scenes", tmp_path / "out", catalog=written(tmp_path), method="pretrained")
    facts, (entry, *_) = run.request.facts, run.plan.inputs
    assert facts.mask is not None
    other = facts.model_copy(update={"mask": facts.mask.model_copy(update={"bits": (3,)})})
    treatment = treatment_of(run.request.recipe, facts, 1, "cpu", run.request.start)
    told = adaptation_of(entry, facts, treatment, 0, 1)
    assert told is not None
    assert told == adaptation_of(entry, facts, treatment, 0, 1) != adaptation_of(entry, other, treatment, 0, 1)
