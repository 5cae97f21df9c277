"""An experiment file of an older dialect → the same file in today's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.config.jsonfile.editor import Edits
from energyctl.config.jsonfile.validation import shown
from energyctl.config.settings.experiment import is_separator
from energyctl.config.settings.migration.renames import (
    Change,
    Decide,
    Fields,
    Path,
    Question,
    Renaming,
)
from energyctl.config.settings.misspelled import Level, intended_mode
from energyctl.config.settings.reader import parse
from energyctl.config.settings.schema import MODES

BOM = "\ufeff"


@dataclass(frozen=True)
class Migration:
    """`text` is the file in today's words as far as `questions`, the open ones, let it be."""

    text: str
    changes: tuple[Change, ...]
    questions: tuple[Question, ...]


def migrate(text: str, name: str, decide: Decide = lambda question: None) -> Migration:
    """Today's words for the old ones; all else stays as it is written.

    `decide` answers a question with one of its choices, or None. Raises SettingsError where the
    text is no experiment file.
    """
    mark = BOM if text.startswith(BOM) else ""
    plain = text.removeprefix(BOM)
    migrator = _Migrator(parse(plain, name), Edits(plain), decide)
    migrator.file()
    changes = sorted(migrator.changes, key=lambda change: change.line)
    questions = sorted(migrator.questions, key=lambda question: question.line)
    return Migration(mark + migrator.text(), tuple(changes), tuple(questions))


class _Migrator(Renaming):
    def file(self) -> None:
        """All of it: names first, since modes follow from what the names say."""
        data = self._document.data
        top = self.fields(Level.TOP, (), data)
        for level in (Level.SETTLE, Level.KEEP_LOGS):
            self.fields(level, (level.title,), data.get(level.title))
        modeless = []
        for number, entry in enumerate(data["experiments"]):
            if isinstance(entry, dict) and not is_separator(entry):
                fields = self._experiment(("experiments", number), entry, top)
                if "mode" not in fields:
                    modeless.append(fields)
        self._file_mode(top, modeless)

    def _experiment(self, path: Path, entry: Mapping[str, Any], top: Fields) -> Fields:
        fields = self.fields(Level.EXPERIMENT, path, entry, top.get("runs_per_config"))
        above = fields.get("runs_per_config", top.get("runs_per_config"))
        foreground = self.fields(
            Level.FOREGROUND, (*path, "foreground"), entry.get("foreground"), above
        )
        jobs = entry.get("background")
        self.fields(Level.BACKGROUND, (*path, "background"), jobs)
        for number, job in enumerate(jobs if isinstance(jobs, list) else ()):
            self.fields(Level.BACKGROUND, (*path, "background", number), job)
        self._mode(fields, fields, [m for m in MODES if m != "grid" or "grid" in fields])
        self._mode(foreground, {**fields, **foreground}, ("mutation", "default"))
        return fields

    # -- modes -------------------------------------------------------------------------------

    def _mode(self, fields: Fields, whole: Mapping[str, Any], allowed: Sequence[str]) -> None:
        """A word for the mode that is none of today's; `whole` has what is inherited, too."""
        word = fields.get("mode")
        if not isinstance(word, str) or word in allowed:
            return
        path = fields.place_of("mode")
        meant = self._meant(path, word, whole, allowed)
        if meant == "all":
            self._edits.insert("mutate", ["all"], after=path)
            meant = "mutation"
        if meant in allowed:
            self._edits.replace(path, meant)
            self.note(path, f"mode {shown(word)} is now {shown(meant)}")

    def _meant(
        self, path: Path, word: str, whole: Mapping[str, Any], allowed: Sequence[str]
    ) -> str | None:
        meant = intended_mode(word)
        if meant is None:
            topic = f"{shown(word)} is not a mode"
            return self.ask(path, topic, {mode: f'mode "{mode}"' for mode in allowed})
        if word.casefold() == meant or meant == "parallel":
            return meant
        if meant == "default" and whole.get("mutate"):
            topic = f'mode {shown(word)} beside "mutate"'
            return self.ask(path, topic, {m: f'mode "{m}"' for m in ("mutation", "default")})
        if meant == "mutation" and not whole.get("mutate"):
            return self._without_mutate(path, whole)
        return meant

    def _without_mutate(self, path: Path, whole: Mapping[str, Any]) -> str | None:
        """The mode of a training alone that names nothing to mutate: "all" for all of it."""
        if whole.get("hyperparameters"):
            return "default"
        topic = 'neither "mutate" nor values, and no mode that says which is meant'
        meaning = {
            "default": "the registry's values",
            "all": "every hyper-parameter that can be drawn",
        }
        return self.ask(path, topic, meaning)

    def _evident(self, fields: Fields) -> str | None:
        """The only mode in which an experiment without one can be run."""
        if fields.get("foreground") is not None and fields.get("background") is not None:
            return "parallel"
        if fields.get("mutate"):
            return "mutation"
        return self._without_mutate(fields.path, fields)

    def _file_mode(self, top: Fields, modeless: Sequence[Fields]) -> None:
        """The mode of the file, and of the experiments that go by it."""
        word = top.get("mode")
        if word in MODES or (word is None and "mode" in top) or not isinstance(word, str | None):
            return  # one of today's, or of a type that the checker names
        if word is not None and word.casefold() in MODES:
            self._edits.replace(top.place_of("mode"), word.casefold())
            self.note(top.place_of("mode"), f"mode {shown(word)} is in small letters")
            return
        meant = [self._evident(fields) for fields in modeless]
        one = meant[0] if meant and meant[0] in MODES and len(set(meant)) == 1 else None
        if word is None:
            if one not in (None, "mutation"):
                self._edits.insert("mode", one, before=("experiments",))
                self.note(("experiments",), f'"mode": "{one}" is added: {_REASONS[str(one)]}')
                return
        elif one is not None:
            self._edits.replace(top.place_of("mode"), one)
            text = f'mode {shown(word)}, which is none, is now "{one}": {_REASONS[one]}'
            self.note(top.place_of("mode"), text)
            return
        else:
            why = "each experiment has its own mode"
            self.set_aside(top, top.keys_of["mode"], f"it is no mode, and {why}")
        for fields, mode in zip(modeless, meant, strict=True):
            self._add_mode(fields, mode)

    def _add_mode(self, fields: Fields, mode: str | None) -> None:
        if mode is None or mode == "mutation":  # what a file without a mode means
            return
        beside = next((n for n in ("model", "repo") if n in fields), next(iter(fields)))
        path = fields.place_of(beside)
        if mode == "all":
            self._edits.insert("mutate", ["all"], after=path)
            self.note(path, '"mutate": ["all"] is added')
        else:
            self._edits.insert("mode", mode, after=path)
            self.note(path, f'"mode": "{mode}" is added: {_REASONS[mode]}')


_REASONS = {
    "parallel": "there are a foreground and a background",
    "mutation": 'they have no mode of their own, and name what to "mutate"',
    "default": "they have no mode of their own, and fixed values only",
}
