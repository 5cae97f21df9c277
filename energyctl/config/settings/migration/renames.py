"""Old names in an experiment file → today's, and the questions where there are two readings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from energyctl.config.jsonfile.editor import Edits
from energyctl.config.jsonfile.reader import Document, json_path
from energyctl.config.jsonfile.validation import shown
from energyctl.config.settings.misspelled import Level, NearMiss, misread_names

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Question:
    """A place with more than one reading. `topic` is the same where the same is in doubt."""

    where: str
    line: int
    topic: str
    choices: Mapping[str, str]  # each with what it means here


@dataclass(frozen=True)
class Change:
    """What was written otherwise at one place of the old file, and why where it is not plain."""

    where: str
    line: int
    text: str


Decide = Callable[[Question], str | None]


class Fields(dict[str, Any]):
    """An object's values by today's names; `keys_of` has the names that the file has for them."""

    def __init__(self, path: Path, data: Mapping[str, Any], level: Level) -> None:
        super().__init__({name: value for name, value in data.items() if name in level.fields})
        self.path, self.data, self.level = path, data, level
        self.keys_of = {name: name for name in self}

    def place_of(self, field: str) -> Path:
        return (*self.path, self.keys_of[field])


class Renaming:
    """The changes to one file, as they are found."""

    def __init__(self, document: Document, edits: Edits, decide: Decide) -> None:
        self._document, self._edits, self._decide = document, edits, decide
        self._renamed: dict[Path, str] = {}
        self.changes: list[Change] = []
        self.questions: list[Question] = []

    def text(self) -> str:
        for path, name in self._renamed.items():
            self._edits.rename(path, name)
        return self._edits.text()

    def fields(self, level: Level, path: Path, data: Any, above: Any = None) -> Fields:
        """The object by today's names; `above` is the runs_per_config that it would inherit."""
        if not isinstance(data, dict):
            return Fields(path, {}, level)
        fields = Fields(path, data, level)
        for misread in misread_names(level, data):
            if misread.field is not None and (misread.sure or self._is_field(fields, misread)):
                self._name(fields, misread.name, misread.field, above)
        self._mutate(fields)
        return fields

    def _is_field(self, fields: Fields, misread: NearMiss) -> bool:
        """Whether a name that may be one, or free text, is taken for the field."""
        name, field = misread.name, misread.field
        kind = _KINDS.get(str(field), object)
        if field is None or field in fields or not isinstance(fields.data[name], kind):
            return False
        meaning = {
            field: f'the field "{field}"',
            "free_text": f'free text, "{self._free(fields, name)}"',
        }
        choice = self.ask((*fields.path, name), f"{shown(name)} is no field", meaning)
        if choice == "free_text":
            self.set_aside(fields, name, "free text")
        return choice == field

    def _name(self, fields: Fields, name: str, field: str, above: Any) -> None:
        """An old name that stands for the field."""
        value = fields.data[name]
        if field in fields:
            self._twice(fields, name, field)
        elif field != "runs_per_config" or self._counts(fields, name, value, above):
            self._take(fields, name, field)

    def _take(self, fields: Fields, name: str, field: str) -> None:
        path = (*fields.path, name)
        self._renamed[path] = field
        self.note(path, f'"{name}" is now "{field}"')
        fields[field], fields.keys_of[field] = fields.data[name], name

    def _twice(self, fields: Fields, name: str, field: str) -> None:
        """Two names of one object for the same field: at most one of them counts."""
        known, value = fields.keys_of[field], fields.data[name]
        if _same(fields[field], value):
            self.set_aside(fields, name, f'"{known}" says the same')
            return
        meaning = {known: _brief(fields[field]), name: _brief(value)}
        topic = f'"{known}" and "{name}" are the same field, with different values'
        choice = self.ask((*fields.path, name), topic, meaning)
        if choice == known:
            self.set_aside(fields, name, f'"{known}" counts')
        elif choice == name:
            self.set_aside(fields, known, f'"{name}" counts')
            self._take(fields, name, field)

    def _counts(self, fields: Fields, name: str, value: Any, above: Any) -> bool:
        """Whether an old name for the number of runs simply counts, also beside another number."""
        if not _is_count(value) or not _is_count(above) or above == 1:
            return True
        meaning = {
            name: _runs(value),
            "runs_per_config": _runs(above),
            "product": f"{value} x {above}, {_runs(value * above)}",
        }
        topic = f'"{name}" stands under a "runs_per_config" that would count otherwise'
        choice = self.ask((*fields.path, name), topic, meaning)
        if choice == "runs_per_config":
            self.set_aside(fields, name, "what stands above it counts")
        elif choice == "product":
            self._edits.replace((*fields.path, name), value * above)
        return choice in (name, "product")

    def set_aside(self, fields: Fields, name: str, why: str) -> None:
        """Nothing that a user wrote is lost: it becomes free text."""
        free = self._free(fields, name)
        path = (*fields.path, name)
        self._renamed[path] = free
        self.note(path, f'"{name}" is now "{free}", free text: {why}')

    def _free(self, fields: Fields, name: str) -> str:
        free = f"_{name}"
        while free in fields.data:
            free = f"_{free}"
        return free

    def _mutate(self, fields: Fields) -> None:
        """The names to mutate as a list, where they are written as text or as an object."""
        value = fields.get("mutate")
        names: list[str] | None = None
        if isinstance(value, str) and value.strip():
            names = [name.strip() for name in value.split(",") if name.strip()]
        elif isinstance(value, dict) and value:
            names = list(value)
            if any(detail not in (None, True, {}) for detail in value.values()):
                topic = "more than names to mutate: ranges belong to the registry"
                meaning = {"names": f"only the names: {', '.join(names)}"}
                if self.ask(fields.place_of("mutate"), topic, meaning) is None:
                    names = None
        if names is not None:
            self._edits.replace(fields.place_of("mutate"), names)
            self.note(fields.place_of("mutate"), "the names to mutate are a list now")
            fields["mutate"] = names

    # -- notes -------------------------------------------------------------------------------

    def ask(self, path: Path, topic: str, choices: Mapping[str, str]) -> str | None:
        line, _ = self._document.locate(*path)
        question = Question(json_path(*path), line, topic, choices)
        choice = self._decide(question)
        if choice in choices:
            return choice
        self.questions.append(question)
        return None

    def note(self, path: Path, text: str) -> None:
        line, _ = self._document.locate(*path)
        self.changes.append(Change(json_path(*path), line, text))


# What a value must be to be taken for the field.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "hyperparameters": dict,
    "mutate": (list, str),
    "runs_per_config": int,
}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _runs(count: int) -> str:
    return f"{count} run" + ("" if count == 1 else "s")


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
