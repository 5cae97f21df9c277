"""The experiment file: read, checked, typed. Reading is apart from checking.

document = read(path)          opens; SettingsError where it is no such file
checked = check(document)      all problems, and the settings where none is an "error"
migrate(text, name)            a file of an older dialect in today's words
"""

from __future__ import annotations

from energyctl.documents import Document, Problem
from energyctl.settings.checking import Checked, check
from energyctl.settings.dialects import Migration, migrate
from energyctl.settings.fields import Background, Mode, Settle, schema
from energyctl.settings.reading import parse, read
from energyctl.settings.renaming import Question
from energyctl.settings.resolved import Experiment, Foreground, Settings
from energyctl.settings.slurm import Slurm

__all__ = [
    "Background",
    "Checked",
    "Document",
    "Experiment",
    "Foreground",
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
