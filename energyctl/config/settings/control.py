"""The same work, measured again and again over a campaign: the section `control` of a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import Name, Strict


def _shape(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<number>"


class Control(Strict):
    """Tells whether the machine stays the same: the quick start's training, or `repo`, `model`."""

    every: Annotated[
        Annotated[Literal["block"], Tag("<word>")]
        | Annotated[int, Field(ge=1, le=100_000), Tag("<number>")],
        Discriminator(_shape),
    ] = "block"
    """Before each block, or before every so many runs."""
    max_spread: float | None = Field(default=None, gt=0, le=1)
    """So far may its energies lie apart, as a share of their mean."""
    on_exceeded: Literal["warn", "wait", "fail"] = "warn"
    """Go on with a warning, cool down and measure it again, or pause the campaign."""
    repo: Name | None = None
    """Of the registry; without it, the quick start's training."""
    model: Name | None = None
    """One of the repository's models."""

    @property
    def training(self) -> dict[str, Any] | None:
        """As an experiment has it; None: the quick start's."""
        return None if self.repo is None else {"repo": self.repo, "model": self.model}
