"""A point spread function from what stands on the objective: its shape, its sampling, its way into a run, refusals."""

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from contracts.pipeline import begun, pixels, restored
from scipy.special import j1
from xarray import DataArray

from tasks.catalog.companions import Optics, SampledPsf
from tasks.catalog.facts import Facts
from tasks.errors import InputError, RequestError
from tasks.optics import pattern, psf_of_optics, require_sampling

RUN = {"tiling__tile": 64, "tiling__shard": 128, "bad_tiles": 1}
LENS = {"kind": "optics", "na": 0.5, "wavelength": 520}


def written(folder: Path, *, psf: object = None, **facts: object) -> Path:
    """A catalogue of one collection, whose files say that a pixel is 0.2 um wide."""
    entry = {"title": "cells", "source": "*.tif", "noise": {"kind": "gaussian", "sigma": 5}, "psf": psf or LENS}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": {**entry, **facts}}}))
    return folder / "catalog.yaml"


def captured(folder: Path, name: str = "cell", size: float | None = 0.2) -> np.ndarray:
    """Points and bars through the lens, in a file that states its pixel size, or none."""
    scene = np.zeros((90, 100))
    scene[20:70:12, 20:80:15] = 4000
    scene[40:44, 10:90] = 900
    light = psf_of_optics(Optics(**LENS), (200, 200), "x")[0]
    seen = np.fft.irfft2(np.fft.rfft2(scene) * np.fft.rfft2(light, s=scene.shape), s=scene.shape)
    seen = np.roll(seen, [-(side // 2) for side in light.shape], (0, 1))
    image = (seen + 200 + 5 * np.random.default_rng(0).standard_normal(scene.shape)).astype(np.float32)
    if size is None:
        tifffile.imwrite(folder / f"{name}.tif", image)
    else:
        said = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
        tifffile.imwrite(folder / f"{name}.ome.tif", image, metadata=said)
    return scene


def test_a_small_aperture_makes_an_airy_pattern() -> None:
    distance, light = pattern(Optics(kind="optics", na=0.1, wavelength=600), 600)
    v = 2 * np.pi * 0.1 / 600 * distance[1:]
    assert np.abs(light[1:] - (2 * j1(v) / v) ** 2).max() < 1e-3
    assert light[np.abs(distance - 0.61 * 600 / 0.1).argmin()] < 1e-3  # Rayleigh's distance
    assert light[-2] >= 1e-3 > light[-1]


def test_a_confocal_microscope_sees_a_smaller_point_than_a_wide_field_one() -> None:
    lens = {**LENS, "na": 1.2, "refractive_index": 1.33}

    def width(**more: float) -> float:
        distance, light = pattern(Optics(**lens, **more), 520)
        return float(np.interp(0.5, light[::-1][-60:], distance[::-1][-60:]))

    closed, open_ = width(excitation=488, pinhole=0.05), width(excitation=488, pinhole=1)
    assert closed == pytest.approx(width() / 2**0.5 * (488 / 520) ** 0.5, rel=0.05)  # the product of two patterns
    assert closed < open_ < width()
    assert open_ == pytest.approx(width() * 488 / 520, rel=0.02)  # an open pinhole leaves that of the excitation


def test_light_is_summed_over_pixels_and_kept() -> None:
    lens = Optics(**LENS)
    coarse, fine = psf_of_optics(lens, (200, 200), "x")[0], psf_of_optics(lens, (200 / 3, 200 / 3), "x")[0]
    assert coarse.sum() == pytest.approx(1)
    assert all(side % 2 for side in coarse.shape)
    middle = fine.shape[0] // 2
    assert coarse[coarse.shape[0] // 2, coarse.shape[1] // 2] == pytest.approx(
        fine[middle - 1 : middle + 2, middle - 1 : middle + 2].sum(), rel=0.01
    )
    high, wide = psf_of_optics(lens, (100, 200), "x")[0].shape
    assert high > 1.9 * wide
    assert psf_of_optics(lens, (200, 200), "x", 2).shape[1] % 2 == 0


def test_each_channel_has_its_wavelength() -> None:
    blue, red = psf_of_optics(Optics(kind="optics", na=0.5, wavelength=(450, 650)), (200, 200), "x")
    assert blue.shape == red.shape
    assert blue.max() > 1.5 * red.max()


def test_it_deconvolves_by_the_pixel_size_of_the_file(tmp_path: Path) -> None:
    scene = captured(tmp_path)
    summary = restored("cells", tmp_path / "out", catalog=written(tmp_path), method="wiener", control="none", **RUN)
    assert summary.published == 1
    image = pixels(tmp_path / "out" / "cells", "cell").astype(float) - 200
    blurred = tifffile.imread(tmp_path / "cell.ome.tif").astype(float) - 200
    assert np.square(image - scene).mean() < 0.8 * np.square(blurred - scene).mean()
    assert image.sum() == pytest.approx(blurred.sum(), rel=0.02)


def test_the_key_knows_the_optics_and_the_pixel(tmp_path: Path) -> None:
    captured(tmp_path, size=None)
    keys = []
    size = {"y": 0.2, "x": 0.2}
    for psf, pixel in ((LENS, size), ({**LENS, "na": 0.6}, size), (LENS, {"y": 0.1, "x": 0.2}), (LENS, size)):
        catalog = written(tmp_path, psf=psf, pixel_size=pixel)
        keys.append(begun("cells", tmp_path / str(len(keys)), catalog=catalog, method="wiener", **RUN)[0].plan.key)
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


@pytest.mark.parametrize(
    ("psf", "facts", "words"),
    [
        (LENS, {}, "neither file nor catalogue states that along y; add `pixel_size:"),
        (LENS, {"pixel_size": {"y": 1, "x": 1, "unit": "degree"}}, "1 in 'degree' along y, and that is no length"),
        (LENS, {"pixel_size": {"y": 1e-3, "x": 1e-3}}, "more than 129; see that wavelength"),
        (
            {**LENS, "na": 1.4},
            {},
            "does not go with a refractive index of 1: it must be smaller; state refractive_index",
        ),
        ({**LENS, "wavelength": 0.52}, {}, "a wavelength of 0.52 nm: expected 100 to 3000"),
        ({"kind": "optics", "na": 0.5}, {}, "'wavelength' is missing"),
        ({**LENS, "apperture": 1}, {}, "'apperture' is not a known key"),
    ],
)
def test_what_no_psf_follows_from_is_refused(tmp_path: Path, psf: object, facts: dict[str, object], words: str) -> None:
    captured(tmp_path, size=None)
    with pytest.raises(RequestError) as told:
        begun("cells", tmp_path / "out", catalog=written(tmp_path, psf=psf, **facts), method="wiener", **RUN)
    assert words in str(told.value)
    assert not (tmp_path / "out").exists()


def test_too_coarse_pixels_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        psf_of_optics(Optics(**LENS), (250, 250), "The PSF of 'cells'")
        assert not caplog.records
        psf_of_optics(Optics(**LENS), (300, 300), "The PSF of 'cells'")
    assert "pixels of 300 nm are coarser than the 260 nm" in caplog.text


def test_an_input_of_other_pixels_is_refused() -> None:
    facts = Facts(title="cells", source="a.tif", psf=SampledPsf(values=(((1.0,),),), pixel=(200.0, 200.0)))
    assert Facts.model_validate_json(facts.model_dump_json()) == facts
    other = DataArray(attrs={"pixel_size": {"y": 0.1, "x": 0.1}, "unit": {"y": "micrometer", "x": "micrometer"}})
    with pytest.raises(InputError, match="has pixels of 100 x 100 nm, and the first input"):
        require_sampling(facts, other, "b.tif")
