"""What tells the shares of foreground and background: the section `references` of a file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import Strict

_Phase = Annotated[float, Field(ge=0, le=86_400)]


class References(Strict):
    """Phases and runs that a load is compared with, beside the idle machine."""

    context_held_seconds: _Phase = 10.0
    """A process holds each metered GPU and launches nothing, for so long; 0: no such phase."""
    background_alone_seconds: _Phase = 0.0
    """The load alone is watched for so long at least before the training, and after it; never
    shorter than `settle` says."""
    foreground_alone: bool = True
    """The training alone is a condition of its own where none is listed."""
    earlier: bool = False
    """A run alone of an earlier campaign stands for one like it, which is not done again."""


def _shape(value: Any) -> str:
    return "<word>" if isinstance(value, bool) else "<object>"


Given = Annotated[
    Annotated[References, Tag("<object>")] | Annotated[bool, Tag("<word>")], Discriminator(_shape)
]


def chosen(*given: References | bool | None) -> References | None:
    """The first that says something; `true` are those of the defaults."""
    for one in given:
        if one is not None:
            return one if isinstance(one, References) else References() if one else None
    return None
