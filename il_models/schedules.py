"""How a learning rate falls."""

import math


def cosine(step: int, steps: int, first: float, last: float) -> float:
    """Half a cosine from `first` at step 0 down to `last` at the last of `steps`."""
    done = step / max(1, steps - 1)
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2
