"""What was found of a GPU's counter on the machine itself, and what may be claimed by that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from energyctl.energy.schema import AcceptanceJson

NOT_KNOWN = "the delay and the accuracy of its counter are not known"
NOT_TRUE = "the accuracy of its counter is not known"


@dataclass(frozen=True)
class Acceptance:
    """Of one GPU. date: of the day, UTC. delay_seconds, delay_within_seconds, part_time: None
    where not known. why: it is void, or which steps failed. wall: a wall meter agreed, too."""

    verdict: Literal["accepted", "failed", "void", "none"]
    date: str | None = None
    delay_seconds: float | None = None
    delay_within_seconds: float | None = None
    part_time: bool | None = None
    why: str | None = None
    wall: bool = False

    @property
    def claim(self) -> str:
        """In words."""
        if self.verdict == "none":
            return f"not accepted (energyctl doctor --accept): {NOT_KNOWN}"
        if self.verdict == "void":
            return f"accepted on {self.date}, but {self.why}: {NOT_KNOWN}"
        if self.verdict == "failed":
            unknown = NOT_KNOWN if self.delay_seconds is None else NOT_TRUE
            return f"not accepted on {self.date} ({self.why}): {unknown}"
        wall = ", and linear to 1 % against a wall meter" if self.wall else ""
        return f"accepted on {self.date}: 1 % between runs on this card{wall}"

    def to_json(self) -> AcceptanceJson:
        return {
            "verdict": self.verdict,
            "date": self.date,
            "delay_seconds": self.delay_seconds,
            "delay_within_seconds": self.delay_within_seconds,
            "part_time": self.part_time,
            "claim": self.claim,
        }
