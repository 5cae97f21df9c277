"""Settings without what is no part of the measurement."""

from __future__ import annotations

from energyctl.config import settings as settings_file
from energyctl.results.folder import to_text

TOOLS = ("notify", "log_to")
"""Commands and stores that are to be told: with keys of their owner's, often, and of no use to
others, on whose machine they would be run."""


def without_tools(text: str, name: str) -> tuple[str, list[str]]:
    """Settings as text, and which of :data:`TOOLS` are not in it any more. *name*: of the file.

    Raises SettingsError where it is no JSON.
    """
    given = settings_file.parse(text, name).data
    taken = [tool for tool in TOOLS if tool in given]
    if not taken:
        return text, []
    return to_text({key: value for key, value in given.items() if key not in taken}), taken
