"""What every fact is, and how a fact says where something lies."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _places(value: Any) -> Any:
    """One sentence instead of one per member of the union."""
    entries = value if isinstance(value, (list, tuple)) else [value]
    if not entries or not all(isinstance(entry, str) and entry.strip() for entry in entries):
        raise ValueError("expected a path, glob or URI, or a list of them")
    return value


Location = Annotated[str | tuple[str, ...], BeforeValidator(_places)]


class Fact(BaseModel):
    """Base of all facts: they never change, and a key that nobody knows is an error."""

    # JSON has no NaN, and a nodata value often is one.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
