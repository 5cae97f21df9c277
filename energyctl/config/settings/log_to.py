"""Where the runs of a campaign are logged as they end: the field `log_to` of a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from energyctl.config.jsonfile.validation import Name, Strict

Tracker = Literal["mlflow", "wandb"]


class LogTo(Strict):
    """An experiment tracker."""

    to: Tracker
    """MLflow, or Weights & Biases."""
    uri: Name | None = None
    """Its store or server; without it, as the tracker's own environment variables say."""
    experiment: Name | None = None
    """The MLflow experiment or W&B project; without it, the name of the campaign."""


def _shape(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<object>"


Given = Annotated[
    Annotated[LogTo, Tag("<object>")] | Annotated[Tracker, Tag("<word>")], Discriminator(_shape)
]
