"""Reads what W&B keeps offline (`run-ID.wandb`): a LevelDB log of W&B's own protocol buffers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER, BLOCK = 7, 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    run_id: str = ""
    name: str = ""
    project: str = ""
    group: str = ""
    started: float = 0.0
    exit_code: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def read_run(folder: Path) -> OfflineRun:
    """An `offline-run-…` folder."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("run-*.wandb")
    found = OfflineRun()
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.run_id, found.name = run.run_id, run.display_name
            found.project, found.group = run.project, run.run_group
            found.started = run.start_time.ToMicroseconds() / 1e6
            found.config |= {one.key: json.loads(one.value_json) for one in run.config.update}
        elif kind == "config":
            update = record.config.update
            found.config |= {_key(one): json.loads(one.value_json) for one in update}
        elif kind == "history":
            items = record.history.item
            found.history.append({_key(one): json.loads(one.value_json) for one in items})
        elif kind == "summary":
            update = record.summary.update
            found.summary |= {_key(one): json.loads(one.value_json) for one in update}
        elif kind == "files":
            found.files += [one.path for one in record.files.files]
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def _records(data: bytes) -> Iterator[bytes]:
    """Of checksum, length and type before each part, in blocks (LevelDB, log_format.md)."""
    place, parts = HEADER, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (FULL, LAST):
            yield parts
            parts = b""
