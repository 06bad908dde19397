"""Types of config keys: what a value may be, how it is read, and the error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

#: Draws are multiples of 2^-24, so a smaller probability could never happen.
SMALLEST_PROBABILITY = 2.0**-24
#: A weight below this would be lost in float32.
LEAST_WEIGHT = 1e-30
MIX_TOLERANCE = 1e-9


class ConfigError(ValueError):
    """Bad input; the message is complete: key, value, what is allowed, nearest valid name."""


class Allowed(str):
    """What a key may be, in words, where its type alone does not say it."""


def refuse(text: str, key: str = "") -> PydanticCustomError:
    """The error a validator raises: what is allowed, as the end of a sentence, for `key` below what is validated."""
    return PydanticCustomError("refused", "{text}", {"text": text, "key": key})


def _whole(value: Any) -> Any:
    """Let 1e4 stand for 10000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _happens(value: float) -> float:
    if 0.0 < value < SMALLEST_PROBABILITY:
        raise refuse("must be 0 or at least 2^-24 (6e-8), the step of the draws")
    return value


def _weighs(value: float) -> float:
    if 0.0 < value < LEAST_WEIGHT:
        raise refuse(f"must be 0 or at least {LEAST_WEIGHT:g}")
    return value


def sequence(value: Any) -> Any:
    """A list as a tuple, all else as it is."""
    return tuple(value) if isinstance(value, list) else value


def one_or_several(value: Any) -> Any:
    """A list as a tuple, and so one name or number; ``last`` and ``all`` are words of their own."""
    if value in ("last", "all"):
        return value
    return (value,) if isinstance(value, str | int | float) and not isinstance(value, bool) else sequence(value)


def form(value: Any) -> str | None:
    """Tag of the form in which a key of several forms is given; pointed brackets keep tags apart from keys."""
    if isinstance(value, str):
        return "<word>"
    return "<list>" if isinstance(value, tuple) else "<mapping>" if isinstance(value, Mapping | BaseModel) else None


def check_sum(shares: Mapping[str, float]) -> None:
    """Refuse shares that do not sum to 1."""
    total = sum(shares.values())
    if abs(total - 1.0) > MIX_TOLERANCE:
        raise refuse(f"the shares must sum to 1, these sum to {total:.10g}")


def _one_form(value: str | dict[str, float]) -> str | dict[str, float]:
    """The one form of equal mixes: a bare name where nobody holds another theory, else shares above 0 by name."""
    if isinstance(value, str):
        return value
    check_sum(value)
    held = {name: value[name] for name in sorted(value) if value[name] > 0}
    return held if len(held) > 1 else next(iter(held))


Whole = Annotated[int, BeforeValidator(_whole)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1), AfterValidator(_happens)]
Threshold = Annotated[float, Field(ge=-100, le=100)]
Weight = Annotated[float, Field(ge=0, le=100), AfterValidator(_weighs)]
Strategy = Literal["avoidance", "accommodation", "compromise", "competition", "collaboration"]
Strategies = Annotated[tuple[Strategy, ...], BeforeValidator(sequence), Allowed("a list of strategies")]
Values = Annotated[
    tuple[Share, ...],
    Field(min_length=1, max_length=2**16 - 1),
    BeforeValidator(sequence),
    Allowed("a list of 1 to 65535 numbers in [0, 1]"),
]
Theories = Annotated[
    Annotated[str, Tag("<word>")] | Annotated[dict[str, Share], Tag("<mapping>")],
    Discriminator(form),
    AfterValidator(_one_form),
    Allowed("a theory's name or .yaml file, or {name: share}"),
]


class Group(BaseModel):
    """A group of keys: frozen; no key is unknown, no value of another type, no number infinite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
