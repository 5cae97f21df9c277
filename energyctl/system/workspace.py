"""Where the files of a workspace are, and the copies in the package behind them.

A file of the workspace wins over the packaged one of the same name.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from energyctl.errors import SettingsError

_PACKAGE = Path(__file__).resolve().parents[1]
MEMBERS = ("settings", "templates", "supervisord.conf.j2")


def packaged() -> Path:
    """The folder of the packaged copies: ``share`` of a wheel, or the checkout itself."""
    share = _PACKAGE / "share"
    return share if share.is_dir() else _PACKAGE.parent


def _is_there(path: Path) -> bool:
    """Whether there is something but a folder; whoever opens it says that it cannot be read."""
    return os.path.lexists(path) and not os.path.isdir(path)


@dataclass(frozen=True)
class Workspace:
    """A folder that energyctl works in; ``root`` is absolute."""

    root: Path

    def find(self, name: str) -> Path:
        """``root/name``, else the packaged file of that name. Raises SettingsError for neither."""
        for folder in (self.root, packaged()):
            if _is_there(folder / name):
                return folder / name
        raise SettingsError(f"{self.root / name}: no such file, in the workspace or the package")

    def given(self, name: str) -> Path:
        """The file or folder that a user means by *name*: from the workspace, else from here.

        A name that neither has is one from the workspace, as with ``git -C`` and ``make -C``.
        """
        inside, here = self.root / name, Path(name)
        return here.resolve() if os.path.exists(here) and not os.path.lexists(inside) else inside

    def settings_file(self, name: str) -> Path:
        """The settings file that a user means by *name*: also a bare name in ``settings/``."""
        named = self.given(name)
        inner = name.removeprefix("settings/")
        for candidate in (named, self.root / "settings" / inner, packaged() / "settings" / inner):
            if _is_there(candidate):
                return candidate
        return named  # whoever opens it says that it is missing

    @property
    def registry(self) -> Path:
        return self.find("settings/models_config.json")

    @property
    def node_meters(self) -> Path | None:
        """The meters outside of the machine; None where the workspace declares none."""
        path = self.root / "settings/meters.json"
        return path if _is_there(path) else None

    @property
    def templates(self) -> tuple[Path, Path]:
        """The templates of a background group: its entries and its script."""
        return self.find("templates/background.conf.j2"), self.find("templates/background.sh.j2")

    @property
    def daemon_template(self) -> Path:
        return self.find("supervisord.conf.j2")

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def daemon_configuration(self) -> Path:
        return self.root / "supervisord.conf"


def init(folder: Path) -> list[Path]:
    """Makes *folder* a workspace from the packaged copies; returns what was written.

    Files that are there already are left as they are. Raises SettingsError where the folder
    cannot be written.
    """
    written: list[Path] = []
    try:
        for member in MEMBERS:
            source = packaged() / member
            files = sorted(source.rglob("*")) if source.is_dir() else [source]
            for file in (entry for entry in files if entry.is_file()):
                target = folder / file.relative_to(packaged())
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
                    written.append(target)
        for name in ("repos", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make a workspace in {folder}: {error.strerror}") from error
    return written
