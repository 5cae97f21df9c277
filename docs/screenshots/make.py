"""Makes the pictures of docs/screenshots/ from a real campaign, in about three minutes.

    python docs/screenshots/make.py [--prefix COMMAND] [--keep FOLDER] [--only NAME]…

The campaign is run in a workspace of its own, live in a terminal (tmux) of 80 and of 120 columns,
and watched from another one; then a figure and the report page are made of its results, and the
page is taken by Chromium in both themes and as on a phone. Whatever meters the machine has are
used, and the pictures say where they are estimates. --prefix COMMAND is put in front of the
campaign, as `sudo` for counters that only root may read. On a quiet machine: the page
names foreign processes. Needs tmux, Debian's chromium, and pip install -e '.[report,test]'.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ENERGYCTL = Path(sys.executable).with_name("energyctl")
PICTURES = ("run", "watch", "plot", "report")
TERMINALS = ((80, 24), (120, 32))
DEADLINE_SECONDS = 180.0
MONOSPACE = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"

SETTINGS = {
    "experiment_name": "digits",
    "description": "A training alone and beside another one",
    "mode": "parallel",
    "seed": 1,
    "sample_interval_seconds": 0.25,
    "idle_seconds": 3,
    "cooldown_seconds": 2,
    "settle": {"seconds": 3, "timeout_seconds": 20},
    "experiments": [
        {
            "mode": "mutation",
            "repo": "digits",
            "model": "mlp",
            "mutate": ["learning_rate"],
            "hyperparameters": {"epochs": 70},
            "runs_per_config": 2,
        },
        {
            "foreground": {
                "repo": "digits",
                "model": "mlp",
                "mutate": ["learning_rate"],
                "hyperparameters": {"epochs": 70},
            },
            "background": {
                "repo": "digits",
                "model": "mlp_wide",
                "hyperparameters": {"epochs": 10},
            },
            "runs_per_config": 3,
        },
    ],
}


class Terminals:
    """Terminals of a tmux server of our own."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"
        self._environ = {**os.environ, "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        for name in ("TMUX", "NO_COLOR", "COLUMNS", "LINES"):
            self._environ.pop(name, None)

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        done = subprocess.run(
            command, env=self._environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, name: str, command: str) -> None:
        columns, rows = map(str, TERMINALS[0])
        self.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", rows, command)
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def resize(self, name: str, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-t", name, "-x", str(columns), "-y", str(rows))

    def screen(self, name: str, *, ansi: bool = False) -> str:
        return self.tmux("capture-pane", "-p", *(["-e"] if ansi else []), "-t", name)

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tmux("kill-server")


def wait_for(what: str, condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {DEADLINE_SECONDS:g} s in vain: {what}")
        time.sleep(0.1)


def terminal_svg(ansi: str, columns: int, title: str, name: str) -> str:
    """A screen as a picture that loads no font: each run of text is stretched to its columns."""
    console = Console(
        record=True,
        width=columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for line in ansi.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    console.print()  # else the last line's descenders are cut off
    svg = console.export_svg(title=title, unique_id=f"shot-{name}")
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: (Fira Code[^;]*|arial);", f"font-family: {MONOSPACE};", svg)


def take(terminals: Terminals, name: str, title: str) -> None:
    """The screen of one terminal at both widths; it is in the foreground's phase meanwhile."""
    for columns, rows in TERMINALS:
        terminals.resize(name, columns, rows)
        before = time.monotonic()
        # Two drawings later, the view has the new width.
        wait_for(f"{name} draws", lambda before=before: time.monotonic() - before > 2.5)
        screen = terminals.screen(name, ansi=True)
        begins = re.search(r"^.*\brun 1 of \d+ succeeded", screen, re.MULTILINE)
        screen = screen[begins.start() if begins and name == "run" else 0 :]
        svg = terminal_svg(screen, columns, title, f"{name}-{columns}")
        write(HERE / f"{name}-{columns}.svg", svg.encode())


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    print(f"{path.relative_to(HERE.parent)}: {len(content) / 1000:.0f} kB")


def campaign(workspace: Path, prefix: str, wanted: set[str]) -> None:
    """Runs it in a terminal, and takes its picture in the middle of its second parallel run."""
    (workspace / "settings" / "digits.json").write_text(json.dumps(SETTINGS, indent=2))
    own = f"{shlex.quote(str(ENERGYCTL))} -C {shlex.quote(str(workspace))}"
    with tempfile.TemporaryDirectory() as folder:
        terminals, ended = Terminals(Path(folder)), Path(folder, "ended")
        try:
            run = f"{prefix} {own} run digits.json; echo $? >{shlex.quote(str(ended))}"
            terminals.start("run", run)
            if "watch" in wanted:
                terminals.start("watch", f"{own} watch")
            wait_for("the second parallel run", lambda: in_foreground(terminals, ended, 4))
            for name in ("run", "watch"):
                if name in wanted:
                    take(terminals, name, f"energyctl {name}")
            wait_for("the end of the campaign", ended.exists)
            if (code := ended.read_text().strip()) != "0":
                raise SystemExit(f"the campaign ended with {code}:\n{terminals.screen('run')}")
            if "run" in wanted:
                ansi = terminals.tmux("capture-pane", "-p", "-e", "-t", "run", "-S", "-100")
                svg = terminal_svg(last_table(ansi), 120, "energyctl run", "run-end")
                write(HERE / "run-end.svg", svg.encode())
        finally:
            terminals.close()


def in_foreground(terminals: Terminals, ended: Path, number: int) -> bool:
    if ended.exists():
        raise SystemExit(f"the campaign ended too soon:\n{terminals.screen('run')}")
    screen = terminals.screen("run")
    return f"run {number} of 5" in screen and "[training" in screen


def last_table(ansi: str) -> str:
    """The table at the end, without the warnings below it."""
    lines = ansi.rstrip().split("\n")
    plain = [Text.from_ansi(line).plain.strip() for line in lines]
    head = max(at for at, line in enumerate(plain) if re.match(r"run +status\b", line))
    end = next((at for at in range(head, len(plain)) if not plain[at]), len(plain))
    return "\n".join(lines[head:end])


def figure(workspace: Path) -> None:
    run = sorted((workspace / "results").glob("*_parallel.json"))[-1]
    out = HERE / "plot.svg"
    options = ["--kind", "power", "--width", "double", "--out", str(out), "--force"]
    subprocess.run([ENERGYCTL, "-C", workspace, "plot", run, *options], check=True)
    print(f"{out.relative_to(HERE.parent)}: {out.stat().st_size / 1000:.0f} kB")


@contextlib.contextmanager
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


def refuse_foreign(workspace: Path) -> None:
    """A page with what others did meanwhile is no picture for a documentation."""
    for path in sorted((workspace / "results").glob("*.json")):
        for warning in json.loads(path.read_text(encoding="utf-8"))["warnings"]:
            if warning.startswith("foreign "):
                raise SystemExit(
                    f"{path.name}: {warning}\nno picture of the report: it would name those"
                    " processes; make the pictures anew when the machine is quiet"
                )


def report(workspace: Path) -> None:
    refuse_foreign(workspace)
    page = workspace / "report.html"
    options = ["--html", str(page), "--force"]
    subprocess.run([ENERGYCTL, "-C", workspace, "report", "results", *options], check=True)
    looks = (
        ("light", "light", (1280, 900)),
        ("dark", "dark", (1280, 900)),
        ("phone", "light", (390, 844)),
    )
    with browser() as chromium:
        for name, scheme, (width, height) in looks:
            context = chromium.new_context(  # type: ignore[attr-defined]
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            tab = context.new_page()
            tab.goto(page.as_uri(), wait_until="networkidle")
            tab.wait_for_selector("svg, canvas")
            write(HERE / f"report-{name}.png", tab.screenshot())
            if name != "phone" and (opened := open_a_run(tab)):
                write(HERE / f"report-run-{name}.png", opened)
            context.close()


def open_a_run(tab: object) -> bytes | None:
    """The last run, opened, where the page has runs that open."""
    runs = tab.locator("details.run")  # type: ignore[attr-defined]
    if not runs.count():
        return None
    run = runs.last
    run.locator("summary").first.click()
    run.locator("svg, canvas").first.wait_for()
    run.scroll_into_view_if_needed()
    run.evaluate("element => element.scrollIntoView({block: 'start'})")
    tab.evaluate("window.scrollBy(0, -70)")  # type: ignore[attr-defined]  # below what sticks
    return tab.screenshot()  # type: ignore[attr-defined, no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prefix", default="", help="put in front of the campaign's command")
    parser.add_argument("--keep", type=Path, help="the workspace; one with results is not run anew")
    parser.add_argument("--only", action="append", choices=PICTURES, help="may be repeated")
    asked = parser.parse_args()
    wanted = set(asked.only or PICTURES)
    with contextlib.ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()), "lab")
        if not (folder / "settings").is_dir():
            subprocess.run([ENERGYCTL, "init", folder], check=True, stdout=subprocess.DEVNULL)
        if wanted & {"run", "watch"} or not any((folder / "results").glob("*.json")):
            campaign(folder.resolve(), asked.prefix, wanted)
        if "plot" in wanted:
            figure(folder.resolve())
        if "report" in wanted:
            report(folder.resolve())


if __name__ == "__main__":
    main()
