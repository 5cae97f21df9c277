"""Settings without what is no part of the measurement."""

from __future__ import annotations

from energyctl.config import settings as settings_file
from energyctl.results.folder import to_text
from energyctl.results.journal_schema import JournalHead

TOOLS = ("notify", "log_to")
"""Commands and stores that are to be told: with keys of their owner's, often, and of no use to
others, on whose machine they would be run."""


def without_tools(head: JournalHead) -> tuple[JournalHead, list[str]]:
    """The head of a journal, and which of :data:`TOOLS` its settings do not have any more.

    Raises SettingsError where they are no JSON.
    """
    given = settings_file.parse(head["settings"], head["settings_name"]).data
    taken = [tool for tool in TOOLS if tool in given]
    if not taken:
        return head, []
    kept = {key: value for key, value in given.items() if key not in taken}
    return {**head, "settings": to_text(kept)}, taken
