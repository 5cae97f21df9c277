"""The experiment file: read, checked, typed. Reading is apart from checking.

document = read(path)          opens; SettingsError where it is no such file
checked = check(document)      all problems, and the settings where none is an "error"
migrate(text, name)            a file of an older dialect in today's words
"""

from __future__ import annotations

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem
from energyctl.config.settings.control import Control
from energyctl.config.settings.log_to import LogTo
from energyctl.config.settings.machine import machine_settings
from energyctl.config.settings.migration.dialects import Migration, migrate
from energyctl.config.settings.migration.renames import Question
from energyctl.config.settings.model import ALONE, Experiment, ForegroundSpec, Settings
from energyctl.config.settings.reader import parse, read
from energyctl.config.settings.references import References
from energyctl.config.settings.schema import BackgroundSpec, Mode, Settle, schema
from energyctl.config.settings.search import Search
from energyctl.config.settings.slurm import Slurm
from energyctl.config.settings.validation import CheckedSettings, check

__all__ = [
    "ALONE",
    "BackgroundSpec",
    "CheckedSettings",
    "Control",
    "Document",
    "Experiment",
    "ForegroundSpec",
    "LogTo",
    "Migration",
    "Mode",
    "Problem",
    "Question",
    "References",
    "Search",
    "Settings",
    "Settle",
    "Slurm",
    "check",
    "machine_settings",
    "migrate",
    "parse",
    "read",
    "schema",
]
