"""Campaigns of the older tool → results of our format.

``perf``, ``sampled``, ``old_runs``, ``presence`` and ``document`` are pure; ``folders`` finds,
opens and writes.
"""

from __future__ import annotations

from energyctl.results.importer.convert import make_result
from energyctl.results.importer.folders import ImportOutcome, import_folder, import_folders
from energyctl.results.importer.parse import BrokenRun, OldRun, read_run

__all__ = [
    "BrokenRun",
    "ImportOutcome",
    "OldRun",
    "import_folder",
    "import_folders",
    "make_result",
    "read_run",
]
