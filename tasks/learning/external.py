"""A related clean frame as material: a start is taught by it, and judged by a whole collection that it never saw."""

from tasks.catalog.noise import KnownNone
from tasks.errors import RequestError
from tasks.learning.collection import judging_trials
from tasks.learning.material import SIDE, Material, clean_material
from tasks.learning.planes import resized
from tasks.learning.reading import Source, read_units


def external_material(source: Source, frame: Source) -> Material:
    """Crops of a frame with noise of all kinds; held out is the collection itself.

    External adaptation (Vaksman, Elad and Milanfar, "LIDIA", CVPRW 2020, section 3): one clean frame of what an
    instrument sees, long exposed or averaged, teaches a network what such images are made of. A frame of something else
    teaches it the wrong thing, and no training curve tells: so none of the evidence is from the frame.

    Args:
        source: the collection that the start is for. Where it has no clean references its own measurements judge.
        frame: clean images of the same kind.

    Raises:
        RequestError: the frame or the collection holds nothing that could be used.
    """
    shown, _ = read_units(as_clean(frame))
    planes = [plane for unit in shown for seen in unit.planes for plane in resized(seen.plane)]
    if not planes:
        raise RequestError(
            f"Nothing can be learned from the frame '{frame.collection}': it has no window of {SIDE} px or more of "
            "which every pixel was measured; give a larger one."
        )
    units, left_out = read_units(source)
    trials = judging_trials(source, units)
    if not trials:
        why = " ".join(left_out.values()) or f"its planes are smaller than {SIDE} px."
        raise RequestError(f"Nothing of '{source.collection}' can judge what was learned from the frame: {why}")
    origins = [unit.origin for unit in shown]
    told = f"{len({trial.image for trial in trials})} of {source.collection}, of which nothing was learned from"
    return clean_material(planes, trials, origins, told, frame.facts.licence or "not stated", left_out)


def as_clean(frame: Source) -> Source:
    """The same, said to be without noise."""
    facts = frame.facts.model_copy(update={"noise": KnownNone(kind="none")})
    return Source(frame.collection, facts, frame.inputs)
