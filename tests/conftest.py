"""What every test shares: shapes checked at run time, one thread per process, and the folder of real images."""

import os
from pathlib import Path

import jaxtyping
import pytest

# before anything imports il_models, or its signatures stay unchecked
jaxtyping.install_import_hook("il_models", "beartype.beartype")

import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images: $SELFMEND_DATA, or shared/data beside the checkout. Skips without."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SELFMEND_DATA", default))
    if not (folder / "MANIFEST.md").exists():
        pytest.skip(f"no real images in {folder}; set SELFMEND_DATA")
    return folder
