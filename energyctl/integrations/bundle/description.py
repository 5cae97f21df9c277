"""What an archive is, as its ``bundle.json`` says: by the user, and by who made it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Annotated, Any, Final, Literal, TypedDict

SCHEMA: Final = 1
DESCRIPTION = "bundle.json"


class BundleJson(TypedDict):
    schema: Annotated[Literal[1], "version of this format"]
    journal: Annotated[str, "name of the campaign's journal"]
    campaign: str
    title: str
    authors: list[str]
    license: Annotated[str | None, "SPDX identifier"]
    energyctl: Annotated[str, "version that made it"]
    created: Annotated[str, "end of the last run, ISO 8601"]
    boamps: Annotated[dict[str, Any], "what the user told of the task and its place"]
    left_out: Annotated[list[str], "what is not in it, in words"]


@dataclass(frozen=True)
class Description:
    """created: end of the last run, Unix seconds: the same inputs shall make the same bytes."""

    journal: str
    campaign: str
    title: str
    authors: Sequence[str]
    license: str | None
    energyctl: str
    created: float
    boamps: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @property
    def created_iso(self) -> str:
        return iso(self.created)

    @property
    def namespace(self) -> uuid.UUID:
        """Tells the things of this campaign apart from those of all others."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"energyctl:{self.journal}:{self.created!r}")

    def document(self) -> BundleJson:
        return {
            "schema": SCHEMA,
            "journal": self.journal,
            "campaign": self.campaign,
            "title": self.title,
            "authors": list(self.authors),
            "license": self.license,
            "energyctl": self.energyctl,
            "created": self.created_iso,
            "boamps": dict(self.boamps),
            "left_out": list(self.left_out),
        }

    @classmethod
    def of_document(cls, data: BundleJson) -> Description:
        """Raises KeyError or ValueError where something of it is missing."""
        return cls(
            data["journal"],
            data["campaign"],
            data["title"],
            data["authors"],
            data["license"],
            data["energyctl"],
            datetime.fromisoformat(data["created"].replace("Z", "+00:00")).timestamp(),
            data["boamps"],
            data["left_out"],
        )


def iso(instant: float) -> str:
    """UTC, to the second, as SPDX has it."""
    return datetime.fromtimestamp(int(instant), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
