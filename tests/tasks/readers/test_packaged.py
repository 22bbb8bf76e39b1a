"""Pictures of the scikit-image wheel: the simulated camera, its clean twin, and what it refuses."""

import numpy as np
import pytest
from contracts.reader import check_attributes, check_sentence, facts, window

from tasks.errors import InputError
from tasks.readers import open_input, packaged, reader_for

CAMERA = "skimage://cell?photons=200&gain=3&offset=100&read_noise=5"


def read(uri, **known):
    image = open_input(uri, facts(**known))
    check_attributes(image)
    return window(image).astype(float)


def test_as_it_is():
    image = open_input("skimage://moon", facts())
    assert reader_for("skimage://moon", facts()) == "packaged"
    assert (image.dims, image.shape, image.dtype) == (("y", "x"), (512, 512), np.dtype("uint8"))
    assert open_input("skimage://ihc", facts()).dims == ("c", "y", "x")


def test_nothing_is_simulated_at_open(monkeypatch):
    monkeypatch.setattr(packaged.Simulated, "_exposed", lambda self: 1 / 0)
    image = open_input(CAMERA + "&seed=1", facts())
    with pytest.raises(InputError, match="cannot be read: ZeroDivisionError"):
        window(image)


def test_the_same_bytes_every_time():
    first = open_input(CAMERA + "&seed=1", facts())
    whole = window(first)
    np.testing.assert_array_equal(window(open_input(CAMERA + "&seed=1", facts())), whole)
    np.testing.assert_array_equal(window(first, y=slice(30, 400, 3), x=slice(7, 8)), whole[30:400:3, 7:8])
    assert (whole != window(open_input(CAMERA + "&seed=2", facts()))).any()


def test_clean_twin_shares_the_scale():
    noisy, clean = read(CAMERA + "&seed=1"), read(CAMERA + "&dtype=float32")
    assert clean.max() == pytest.approx(100 + 3 * 200)
    error = noisy - clean
    assert abs(error.mean()) < 0.1
    for low, high in [(100, 200), (250, 400), (500, 700)]:
        inside = (clean >= low) & (clean < high)
        expected = 3 * clean[inside].mean() + 5**2 - 3 * 100
        assert error[inside].var() == pytest.approx(expected, rel=0.1)


def test_gaussian_noise():
    error = read("skimage://cell?sigma=7&seed=1&dtype=float32") - read("skimage://cell?dtype=float32")
    assert error.std() == pytest.approx(7, rel=0.02)


def test_exposures_are_independent_and_do_not_depend_on_their_number():
    image = open_input(CAMERA + "&seed=1&frames=3&crop=0,0,64,64", facts())
    assert (image.dims, image.shape) == (("t", "y", "x"), (3, 64, 64))
    stack = window(image)
    assert (stack[0] != stack[1]).mean() > 0.9
    np.testing.assert_array_equal(stack[:2], window(open_input(CAMERA + "&seed=1&frames=2&crop=0,0,64,64", facts())))


def test_a_crop_is_on_the_scale_of_the_whole():
    whole, part = read(CAMERA), read(CAMERA + "&crop=100,200,50,60")
    np.testing.assert_array_equal(part, whole[100:150, 200:260])


def test_one_colour():
    colours = read("skimage://ihc")
    np.testing.assert_array_equal(read("skimage://ihc?channel=1"), colours[1])


def test_on_the_ground_with_a_corner_that_was_not_measured():
    image = open_input("skimage://moon?crs=EPSG:32633&pixel=10&nodata=0&corner=50&crop=10,20,100,100", facts())
    assert image.attrs["layout"] == "geo"
    assert image.rio.crs.to_epsg() == 32633
    assert image.attrs["pixel_size"] == {"y": 10.0, "x": 10.0}
    assert image.attrs["nodata"] == 0.0
    y, x = np.ogrid[10:110, 20:120]
    np.testing.assert_array_equal(window(image)[x + y < 50], 0)
    assert (window(image)[x + y >= 50] > 0).mean() > 0.99
    assert image.x.values[0] == 500_000 + 10 * 20.5


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("skimage://sell", r"scikit-image brings no picture 'sell'; it has .*cell.* Did you mean 'cell'\?"),
        ("skimage://cells3d", "brings no picture 'cells3d'"),
        ("skimage://../cell", "brings no picture"),
        ("skimage://cell?photon=3", r"'photon' is not known; allowed: photons, .* Did you mean 'photons'\?"),
        ("skimage://cell?gain=much", "gain is a number, not 'much'"),
        ("skimage://cell?dtype=int64", "dtype is uint8, uint16 or float32, not 'int64'"),
        ("skimage://cell?sigma=-1", r"sigma cannot be -1\.0"),
        ("skimage://cell?crop=1,2,3", "crop is four whole numbers"),
        ("skimage://cell?crop=0,0,9000,3", "is not inside the picture of 660 x 550 pixels"),
        ("skimage://cell?channel=1", "there is no channel 1; the picture has 0 colours"),
        ("skimage://cell?frames=5000", "a simulated image is at most 512 MiB"),
        ("skimage://cell?crs=EPSG:nonsense", "is not a coordinate reference system"),
    ],
)
def test_what_it_refuses(uri, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        open_input(uri, facts())
    check_sentence(str(caught.value))
