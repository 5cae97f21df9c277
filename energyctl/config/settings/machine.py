"""What of the machine itself an experiment may set: for all its runs, or as levels of its grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from energyctl.config.jsonfile.validation import sentences

# All that Linux has (Documentation/admin-guide/pm/cpufreq.rst); a machine offers some of them.
Governor = Literal["performance", "powersave", "userspace", "ondemand", "conservative", "schedutil"]
PowerLimit = Annotated[float, Field(gt=0, le=100_000)]
Clock = Annotated[int, Field(gt=0, le=100_000)]

GOVERNOR, LIMIT, CLOCK = "governor", "gpu_power_limit_watts", "gpu_clock_mhz"
_TYPES: Mapping[str, TypeAdapter[Any]] = {
    GOVERNOR: TypeAdapter(Governor),
    LIMIT: TypeAdapter(PowerLimit),
    CLOCK: TypeAdapter(Clock),
}
MACHINE_SETTINGS = tuple(_TYPES)
"""Their names, in the order in which they are set."""


def machine_settings(*fields: object) -> dict[str, Any]:
    """Those that *fields* give; of two that give one, the later wins."""
    given = {}
    for name in MACHINE_SETTINGS:
        for one in fields:
            if (value := getattr(one, name, None)) is not None:
                given[name] = value
    return given


def level_problem(name: str, level: Any) -> tuple[str, str | None] | None:
    """Why *level* is no value of that machine setting, and what to write; None where it is one."""
    try:
        _TYPES[name].validate_python(level, strict=True)
    except ValidationError as error:
        _, message, suggestion = next(sentences(error))
        return message, suggestion
    return None
