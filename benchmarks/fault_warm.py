"""Imported once by the process from which the campaign's runs are forked: so they find loaded what they need."""

import tempfile
from pathlib import Path

import torch

from benchmarks.fault_points import Fault
from benchmarks.fault_run import Setting, run_flow
from benchmarks.fault_surroundings import collection

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    source = collection(Path(folder) / "plates")
    run_flow(Setting(str(source), f"{folder}/out"), Fault("nothing", 0, "flow", folder))
