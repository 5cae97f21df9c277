"""Runs in Weights & Biases (extra `wandb`), uploaded at once or, offline, kept for `wandb sync`.

W&B cannot be asked offline, and a run that was uploaded cannot be opened without changing it: what
was logged stands in a small file beside the results, `wandb/energyctl-logged.jsonl`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import netrc
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from energyctl.errors import SettingsError
from energyctl.integrations.store import Outcome, StoreAway, Target
from energyctl.integrations.tracking import PREFIX, Record, digest_of
from energyctl.text import one_line

HOST = "https://api.wandb.ai"
OFFLINE = ("offline", "dryrun")
LOGGED = "energyctl-logged.jsonl"
QUIET = {
    "silent": True, "console": "off", "disable_git": True, "disable_code": True,
    "disable_job_creation": True, "x_disable_stats": True, "x_disable_meta": True,
    "x_disable_machine_info": True, "x_save_requirements": False,
}  # fmt: skip
"""It is no run of this process: nothing of this process belongs to it."""


class WandbStore:
    """A project of W&B, or one for each campaign."""

    def __init__(self, target: Target, folder: Path, say: Callable[[str], None]) -> None:
        self._target, self._say = target, say
        self._host = target.uri or os.environ.get("WANDB_BASE_URL") or HOST
        self._mode = os.environ.get("WANDB_MODE") or "online"
        if self._mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() == "true":
            raise SettingsError("WANDB_MODE or WANDB_DISABLED turns W&B off: nothing is logged")
        if not self.offline and not _has_key(self._host):
            raise SettingsError(
                f"W&B has no key for {self._host}: set WANDB_API_KEY, or log in by `wandb login`, "
                "or log offline by WANDB_MODE=offline"
            )
        root = os.environ.get("WANDB_DIR")
        self._root = Path(root) if root else folder
        self.place = str(self._root / "wandb") if self.offline else self._host
        self._record = self._root / "wandb" / LOGGED
        self._wandb = _imported()
        self._logged = _read(self._record)

    @property
    def offline(self) -> bool:
        return self._mode in OFFLINE

    def look(self) -> None:
        """What others have logged is seen from now on; W&B itself keeps what it cannot send."""
        self._logged = _read(self._record)

    def log(self, record: Record, shared: bool) -> Outcome:
        project, own = self._project(record), record.own
        key = f"{self._where} {project} {record.journal} {record.experiment_id}"
        before = self._logged.get(key)
        if before == record.sha256:
            return "there"
        own_run = None
        inherited = own is not None and os.environ.get("WANDB_RUN_ID") == own.run_id
        if own is not None and not (shared or inherited):
            own_run = self._own(record, own.project or project, own.run_id)
        group = record.journal if own is None or own_run is not None else own.run_id
        run = own_run or self._begin(
            project,
            _id_of(key),
            config={name: _plain(value) for name, value in record.parameters.items()},
            run_name=record.experiment_id,
            run_group=group or None,
            run_job_type="run",
        )
        # W&B knows only when a run was logged.
        times = {f"{PREFIX}started": record.started, f"{PREFIX}ended": record.ended}
        run.config.update({**record.tags, **times}, allow_val_change=True)
        _log_points(run, record, own=own_run is not None)
        run.summary.update(record.figures(own=own_run is not None))
        self._end(run, record.path, failed=record.status != "succeeded")
        self._note(key, record.sha256)
        return "logged" if before is None else "updated"

    def log_page(self, records: Sequence[Record], draw: Callable[[], Path]) -> Outcome:
        project, journal, digest = self._project(records[0]), records[0].journal, digest_of(records)
        key = f"{self._where} {project} {journal} page"
        before, _, runs = self._logged.get(key, "").partition(" ")
        if before == digest or int(runs or 0) > len(records):
            return "there"
        page = draw()
        run = self._begin(
            project,
            _id_of(key),
            config={f"{PREFIX}page_of": journal, f"{PREFIX}page_runs": len(records)},
            run_name=f"page of {journal or 'a campaign'}",
            run_group=journal or None,
            run_job_type="page",
        )
        self._end(run, page, failed=False)
        self._note(key, f"{digest} {len(records)}")
        return "updated" if before else "logged"

    def close(self) -> None:
        """Ends W&B's service."""
        with contextlib.suppress(Exception):
            self._wandb.teardown()

    @property
    def _where(self) -> str:
        return "offline" if self.offline else self._host

    def _project(self, record: Record) -> str:
        """PROJECT or ENTITY/PROJECT."""
        named = self._target.experiment or os.environ.get("WANDB_PROJECT")
        return named or record.campaign or "energyctl"

    # -- one run -----------------------------------------------------------------------------------

    def _begin(self, project: str, run_id: str, **how: Any) -> Any:
        """A run of ours; what is left of one that was cut off, or is out of date, goes."""
        for left in self._root.glob(f"wandb/offline-run-*-{run_id}"):
            if not list(left.glob("*.synced")):
                shutil.rmtree(left, ignore_errors=True)
        return self._init(project, run_id=run_id, resume="allow", **how)

    def _own(self, record: Record, project: str, run_id: str) -> Any | None:
        """The training's own run; None, after a word on it, where W&B has none of that name."""
        try:
            return self._init(project, run_id=run_id, resume="must", x_update_finish_state=False)
        except NotThere as error:
            self._say(
                f"{record.experiment_id}: the training's own run {run_id} is passed over, {error}; "
                "it gets another one"
            )
            return None

    def _init(self, project: str, config: Mapping[str, Any] | None = None, **how: Any) -> Any:
        """Raises StoreAway, or NotThere for a run that must be there."""
        entity, _, name = project.rpartition("/")
        wanted = {**QUIET, **how, "mode": self._mode, "base_url": self._host, "project": name}
        wanted |= {"root_dir": str(self._root), "init_timeout": 30.0}
        wanted |= {"entity": entity} if entity else {}
        if self.offline:
            del wanted["resume"]  # there is nobody to ask
        known = self._wandb.Settings.model_fields
        settings = self._wandb.Settings(
            **{key: value for key, value in wanted.items() if key in known and value is not None}
        )
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            return self._wandb.init(settings=settings, config=dict(config or {}))
        except self._wandb.errors.UsageError as error:
            if how["resume"] == "must":
                raise NotThere(one_line(str(error), 300)) from error
            raise StoreAway(f"W&B at {self._host}: {one_line(str(error), 300)}") from error
        except self._wandb.errors.Error as error:
            raise StoreAway(f"W&B at {self._host}: {one_line(str(error), 300)}") from error

    def _end(self, run: Any, file: Path, *, failed: bool) -> None:
        """With *file* beside it."""
        shutil.copy(file, run.dir)
        run.save(str(Path(run.dir) / file.name), base_path=run.dir, policy="end")
        run.finish(exit_code=int(failed))

    def _note(self, key: str, what: str) -> None:
        """The last thing: now it was logged."""
        self._logged[key] = what
        with open(self._record, "a", encoding="utf-8") as file:
            file.write(json.dumps({"run": key, "sha256": what}) + "\n")


class NotThere(Exception):
    """A run that must be there is not."""


def _imported() -> Any:
    """The module, which says nothing."""
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    logging.getLogger("wandb").setLevel(logging.ERROR)
    import wandb

    return wandb


def _has_key(host: str) -> bool:
    """Whether W&B would not have to ask for one."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return urlsplit(host).hostname in hosts


def _read(path: Path) -> dict[str, str]:
    """What was logged, by key; a torn last line is none."""
    found = dict[str, str]()
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                found[str(noted["run"])] = str(noted["sha256"])
    return found


def _id_of(key: str) -> str:
    """The id of a run of ours, the same each time."""
    return f"energyctl-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _log_points(run: Any, record: Record, *, own: bool) -> None:
    """The series, a row for each step: W&B takes steps in their order only."""
    rows = dict[int, dict[str, float]]()
    times = dict[int, float]()
    for name, points in record.series(own=own).items():
        for value, time, step in points:
            rows.setdefault(step, {})[name] = value
            if time is not None:
                times[step] = min(time, times.get(step, time))
    # In the training's own run the steps are the training's, which have gone by.
    named = {"energyctl.step": 0} if own else {}
    for step in sorted(rows):
        when = {"_timestamp": times[step]} if step in times else {}
        row = {**rows[step], **when, **dict.fromkeys(named, step)}
        run.log(row, **({} if own else {"step": step}))


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
