"""An image that kills whoever restores or reads it: for every Python process that finds this folder on its path."""

from pathlib import Path

DEADLY = 54321  # a pixel value
_SITE = '''
"""Fitting, or reading, ends its process where it meets a deadly pixel."""
import importlib.abc, importlib.util, os, sys

WHAT, DEADLY = {what!r}, {deadly}


def on_fitting(module):
    live = module._fitted
    def fitted(tiles, *given):
        if any((tile.window.raw == DEADLY).any() for tile in tiles):
            os._exit(77)
        return live(tiles, *given)
    module._fitted = fitted


def on_reading(module):
    live = module.read_box
    def read_box(array, box):
        values = live(array, box)
        if (values == DEADLY).any():
            os._exit(78)
        return values
    module.read_box = read_box


PATCHES = {{"tasks.restoration": on_fitting, "tasks.measured": on_reading}}


class Poison(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != WHAT:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def poisoned(module):
            run(module)
            PATCHES[name](module)
        spec.loader.exec_module = poisoned
        return spec


sys.meta_path.insert(0, Poison())
'''
FITTING, READING = "tasks.restoration", "tasks.measured"


def poisoned(folder: Path, what: str) -> Path:
    """A folder for PYTHONPATH, with which all new processes die of DEADLY. what: FITTING or READING."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE.format(what=what, deadly=DEADLY))
    return folder
