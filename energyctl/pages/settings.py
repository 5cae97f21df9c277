"""Edge: the settings files of campaigns, from their journals beside the results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energyctl.loading import Run


def settings_of(runs: Iterable[Run]) -> dict[str, str]:
    """Campaign → its settings as they stood, where its journal is there and can be read."""
    found: dict[str, str] = {}
    for run in runs:
        journal, name = run.environment.get("journal"), run.campaign or "campaign"
        if not isinstance(journal, str) or name in found or "/" in journal:
            continue
        try:
            path = run.path.parent / "campaigns" / f"{journal}.jsonl"
            with open(path, encoding="utf-8") as file:
                head = json.loads(file.readline())
            found[name] = str(head["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
