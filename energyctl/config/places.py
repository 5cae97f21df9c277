"""Where a training runs: which GPUs it sees, and which CPUs it may use.

A :class:`Place` is what settings and registry ask for, a :class:`Placed` what it is on a machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from energyctl.config.jsonfile.validation import Strict, shown, text
from energyctl.launchers.cpu_list import cpus_of

VISIBLE = "CUDA_VISIBLE_DEVICES"


def _gpu(value: Any) -> int | str:
    if isinstance(value, str) and value.strip():
        return text(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"must be an index from 0 or a UUID, not {shown(value)}")


def _cpus(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", value):
        cpus_of(value)
        return value
    raise ValueError(f'must be CPUs in the form "0-7,16", not {shown(value)}')


Gpu = Annotated[
    int | str, PlainValidator(_gpu), WithJsonSchema({"type": ["integer", "string"], "minimum": 0})
]
Gpus = Annotated[tuple[Gpu, ...], Field(strict=False)]
CpuList = Annotated[
    str,
    PlainValidator(_cpus),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"}),
]


class Place(Strict):
    """GPUs and CPUs of a training. What is left out is as without a place."""

    gpus: Gpus | None = None
    """GPUs that it sees, in this order: indices as nvidia-smi counts them, or UUIDs; []: none."""
    cpus: CpuList | None = None
    """CPUs that it may use, as "0-7,16"."""

    def or_else(self, other: Place | None) -> Place:
        """With what *other* says where this says nothing."""
        if other is None:
            return self
        gpus = other.gpus if self.gpus is None else self.gpus
        return Place(gpus=gpus, cpus=self.cpus or other.cpus)

    @property
    def words(self) -> str:
        """``GPU 0, 1, CPUs 0-7``."""
        parts = [f"CPUs {self.cpus}"] if self.cpus else []
        if self.gpus is not None:
            named = ", ".join(map(str, self.gpus))
            parts.insert(0, f"GPU {named}" if named else "no GPU")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


ANYWHERE = Place()


@dataclass(frozen=True)
class PlacedGpu:
    """A GPU of this machine; `uuid`: as CUDA is told it, of a MIG device its own."""

    index: int
    uuid: str


@dataclass(frozen=True)
class Placed:
    """A place on this machine; None is as without it."""

    gpus: tuple[PlacedGpu, ...] | None = None
    cpus: str | None = None

    def __bool__(self) -> bool:
        return self.gpus is not None or self.cpus is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the training is told of it."""
        return {} if self.gpus is None else {VISIBLE: ",".join(gpu.uuid for gpu in self.gpus)}


NOT_PLACED = Placed()
