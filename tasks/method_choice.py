"""A method as a recipe names it -> the method, with its fields checked."""

from dataclasses import fields, replace
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from il_models.from_start import FromStart
from il_models.method import Direct, Fitted, Method
from il_models.methods import known_methods
from tasks.errors import RequestError, nearest
from tasks.registry.suited import BUNDLED
from tasks.validation import sentence


class MethodChoice(BaseModel):
    """A method by name, one of its presets, and any of its own fields; `selfmend methods` lists them."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field("pretrained", description="Restoration method; `selfmend methods` lists them with their fields.")
    preset: str | None = Field(None, description="Fields that belong together, such as 'fast'; others can be added.")


# Mixed by risk, they lose 0.01 dB by the fast preset of the second, and half of their time: starts_default.md
CLASSICAL = (MethodChoice(name="nlm"), MethodChoice(name="dct", preset="fast"))
AUTOMATIC = (MethodChoice(name="noise_tuning"), MethodChoice(name="lidia"))  # the ladder of a learned start


def chosen_method(choice: MethodChoice, where: str) -> Method:
    """The method with its fields checked; `where` begins the sentence of an error.

    Raises:
        RequestError: unknown method or preset, or a field that it does not have.
    """
    known = known_methods()
    if choice.name not in known:
        raise RequestError(
            f"{where}: unknown method '{choice.name}'. Known: {', '.join(known)}.{nearest(choice.name, known)}"
        )
    kind = known[choice.name]
    if choice.preset is not None and choice.preset not in kind.presets:
        named = f"Known: {', '.join(kind.presets)}." if kind.presets else "It has none."
        raise RequestError(
            f"{where}: {choice.name} has no preset '{choice.preset}'. {named}{nearest(choice.preset, kind.presets)}"
        )
    fields_chosen = {**kind.presets.get(choice.preset or "", {}), **(choice.model_extra or {})}
    try:
        return _adapter(kind).validate_python(fields_chosen)
    except ValidationError as error:
        raise RequestError(
            sentence(error, f"{where}, method {choice.name}", [field.name for field in fields(kind)])
        ) from None


@cache
def _adapter(kind: type[Method]) -> TypeAdapter[Method]:
    """What checks the fields of a method; made once, for that takes a hundred times as long as the checking."""
    return TypeAdapter(kind)


def start_asked(start: str, choice: MethodChoice, method: Method) -> str | None:
    """What a recipe's word for a start refers to: a name, id, path or URI; None: random weights.

    Args:
        start: the word. choice, method: as the recipe names it, and as it is.

    Raises:
        RequestError: the method, or its preset, cannot do without a start, or has no use for one.
    """
    shipped = BUNDLED if method.needs_start else method.preset_starts.get(choice.preset or "")
    if start == "random" and shipped:
        told = method.name if method.needs_start else f"{method.name}, preset {choice.preset},"
        raise RequestError(f"{told} is worth nothing from random weights; leave `start` out, or give one.")
    if start not in ("auto", "random") and not isinstance(method, Fitted):
        raise RequestError(f"{method.name} fits nothing, so that it has no use for a start; leave `start` out.")
    return {"auto": shipped, "random": None}.get(start, start)


def chosen_controls(control: str, method: str) -> tuple[Direct, ...]:
    """The classical methods that make up a control.

    Args:
        control: none, classical or the name of one.
        method: what is restored with; the method itself is no control.
    """
    choices = {"classical": CLASSICAL, "none": ()}.get(control, (MethodChoice(name=control),))
    made = (chosen_method(choice, "Recipe, control") for choice in choices if choice.name != method)
    return tuple(each for each in made if isinstance(each, Direct))


def chosen_rung(choice: MethodChoice, method: Fitted) -> Fitted:
    """A method of the ladder, for the network of the one whose start it adapts.

    Raises:
        RequestError: it is none that adapts a start.
    """
    rung = chosen_method(choice, "Recipe, ladder")
    if not isinstance(rung, FromStart) or not isinstance(method, FromStart):
        raise RequestError(
            f"Recipe, ladder: '{rung.name}' adapts no learned start of {method.name}; take methods such as gain_tuning."
        )
    return replace(rung, size=method.size)
