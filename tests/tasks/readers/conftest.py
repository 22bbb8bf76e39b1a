"""The folder of real images: $SELFMEND_DATA, or shared/data beside the checkout. Tests that need it skip without it."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data():
    """Path of the real images."""
    folder = Path(os.environ.get("SELFMEND_DATA") or Path(__file__).parents[4] / "shared" / "data")
    if not (folder / "MANIFEST.md").exists():
        pytest.skip(f"no real images in {folder}; set SELFMEND_DATA")
    return folder
