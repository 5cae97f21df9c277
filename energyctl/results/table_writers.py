"""Tables as CSV and Parquet files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import importlib
import os
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol, TextIO

from energyctl.errors import MachineError, SettingsError
from energyctl.results.tables import LAYOUTS
from energyctl.results.tables.columns import (
    Column,
    Layout,
    Row,
    Type,
    cell,
    converted,
    microseconds,
)
from energyctl.results.tables.summary import summary
from energyctl.system.dependencies import extra_install

BATCH_ROWS = 50_000
"""So many rows of a table without families are held at once; a row group of Parquet."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parquet_library() -> Any:
    """pyarrow. Raises SettingsError where it is not installed."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise SettingsError(
            f"Parquet needs pyarrow: {extra_install('tables')}, or use --format csv"
        ) from error


class Staging:
    """Files beside their places, moved there together by :meth:`commit`, or dropped."""

    def __init__(self) -> None:
        self._staged: list[tuple[Path, Path]] = []

    def begin(self, place: Path) -> Path:
        """An empty file to write to, for *place*; a link there is followed. SettingsError."""
        target = Path(os.path.realpath(place))
        fresh = target.with_name(f".energyctl-{os.getpid()}-{len(self._staged)}.tmp")
        try:
            fresh.unlink(missing_ok=True)
            fresh.touch(exist_ok=False)
        except OSError as error:
            raise SettingsError(f"{place} cannot be written: {error.strerror}") from error
        self._staged.append((fresh, target))
        return fresh

    def commit(self) -> None:
        """Every file to its place; one that was there gives its mode and owner. MachineError."""
        for fresh, target in self._staged:
            try:
                self._finish(fresh, target)
            except OSError as error:
                raise MachineError(f"{target} cannot be written: {error.strerror}") from error

    def _finish(self, fresh: Path, target: Path) -> None:
        with open(fresh, "rb") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            before = target.stat()
            os.chmod(fresh, stat.S_IMODE(before.st_mode))
            os.chown(fresh, before.st_uid, before.st_gid)
        os.replace(fresh, target)

    def drop(self) -> None:
        """Removes what was not committed."""
        for fresh, _ in self._staged:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def staging() -> Iterator[Staging]:
    """Leaves no half file, however the block ends."""
    staged = Staging()
    try:
        yield staged
    finally:
        staged.drop()


class Sheet(Protocol):
    """A file that a table's rows are written to."""

    def begin(self, columns: Sequence[Column]) -> None: ...

    def write(self, rows: Sequence[Row]) -> None: ...

    def end(self) -> None: ...


class CsvSheet:
    """UTF-8, `,` between, a header; an empty cell is null, `""` an empty text."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._columns: Sequence[Column] = ()

    def begin(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._file.write(",".join(_quoted(column.name) for column in columns) + "\n")

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            cells = [csv_cell(row.get(column.name), column.type) for column in self._columns]
            self._file.write(",".join(cells) + "\n")

    def end(self) -> None:
        self._file.flush()


def csv_cell(value: Any, wanted: Type) -> str:
    """A value as it stands in the file; numbers in full precision."""
    value = converted(value, wanted)
    if value is None:
        return ""
    if wanted == "text":
        return _quoted(value)
    if wanted == "boolean":
        return "true" if value else "false"
    if wanted == "timestamp":
        moment = EPOCH + timedelta(microseconds=microseconds(value))
        return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    return repr(value)


def _quoted(text: str) -> str:
    if text and text == text.strip() and not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


class ParquetSheet:
    """Parquet by pyarrow; unit and meaning of each column are in its metadata."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrow, self._parquet = parquet_library()
        self._writer: Any = None

    def __enter__(self) -> ParquetSheet:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def begin(self, columns: Sequence[Column]) -> None:
        arrow = self._arrow
        types = {
            "text": arrow.string(),
            "integer": arrow.int64(),
            "float": arrow.float64(),
            "boolean": arrow.bool_(),
            "timestamp": arrow.timestamp("us", tz="UTC"),
        }
        self._columns = columns
        self._schema = arrow.schema(
            [
                arrow.field(
                    column.name,
                    types[column.type],
                    metadata={"unit": column.unit, "meaning": column.meaning},
                )
                for column in columns
            ]
        )
        self._writer = self._parquet.ParquetWriter(self._path, self._schema)

    def write(self, rows: Sequence[Row]) -> None:
        if rows:
            arrays = [
                self._arrow.array([cell(row.get(c.name), c.type) for row in rows], f.type)
                for c, f in zip(self._columns, self._schema, strict=True)
            ]
            self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def end(self) -> None:
        self._writer.close()


class TableWriter:
    """The rows of a table on their way to its file.

    Where the data name columns, all rows are held until the end; else a batch of them.
    """

    def __init__(self, layout: Layout, sheet: Sheet) -> None:
        self.layout, self.rows, self.columns = layout, 0, 0
        self._sheet = sheet
        self._held: list[Row] = []
        if not layout.families:
            self._begin()

    def _begin(self) -> None:
        columns = self.layout.resolved(self._held)
        self.columns = len(columns)
        self._sheet.begin(columns)

    def add(self, rows: Sequence[Row]) -> None:
        self.rows += len(rows)
        self._held += rows
        if not self.layout.families and len(self._held) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._sheet.write(self._held)
        self._held = []

    def end(self) -> None:
        if self.layout.families:
            self._begin()
        self._flush()
        self._sheet.end()


class SummaryWriter(TableWriter):
    """The users' wide table on its way to its file, with the line ends that theirs have."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(LAYOUTS["runs"], CsvSheet(file))
        self._file = file

    def end(self) -> None:
        header, cells = summary(self._held)
        self.columns = len(header)
        writer = csv.writer(self._file)
        writer.writerow(header)
        writer.writerows(cells)
        self._file.flush()
