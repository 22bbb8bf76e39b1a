"""How far pixels are from their clean twin."""

import numpy as np
import pytest

from tasks.truth import on_scale_of


def test_a_twin_is_brought_to_the_scale_of_the_capture_which_noise_does_not_lower() -> None:
    random = np.random.default_rng(0)
    clean = random.random((2, 64, 64)).astype(np.float32)
    valid = np.ones((64, 64), bool)
    gain = np.float32([50, 3])[:, None, None]
    noise = 0.5 * gain * random.standard_normal(clean.shape)
    scaled = on_scale_of((gain * clean + 7 + noise).astype(np.float32), clean, valid)
    assert np.allclose(scaled / gain, clean + 7 / gain, atol=0.05)


def test_what_was_not_measured_decides_nothing_and_what_the_twin_lacks_stays_unknown() -> None:
    clean = np.random.default_rng(1).random((1, 32, 32)).astype(np.float32)
    capture, valid = 4 * clean + 1, np.ones((32, 32), bool)
    capture[0, :4], valid[:4] = 1e6, False
    clean[0, -1] = np.nan
    scaled = on_scale_of(capture, clean, valid)
    assert scaled[0, :-1] == pytest.approx(4 * clean[0, :-1] + 1, abs=1e-4)
    assert np.isnan(scaled[0, -1]).all()
