"""The experiment file: read, checked, typed. Reading is apart from checking.

document = read(path)          opens; SettingsError where it is no such file
checked = check(document)      all problems, and the settings where none is an "error"
migrate(text, name)            a file of an older dialect in today's words
"""

from __future__ import annotations

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem
from energyctl.config.settings.migration.dialects import Migration, migrate
from energyctl.config.settings.migration.renames import Question
from energyctl.config.settings.model import Experiment, ForegroundSpec, Settings
from energyctl.config.settings.reader import parse, read
from energyctl.config.settings.schema import BackgroundSpec, Mode, Settle, schema
from energyctl.config.settings.slurm import Slurm
from energyctl.config.settings.validation import CheckedSettings, check

__all__ = [
    "BackgroundSpec",
    "CheckedSettings",
    "Document",
    "Experiment",
    "ForegroundSpec",
    "Migration",
    "Mode",
    "Problem",
    "Question",
    "Settings",
    "Settle",
    "Slurm",
    "check",
    "migrate",
    "parse",
    "read",
    "schema",
]
