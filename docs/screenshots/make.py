"""Makes the pictures of docs/screenshots/ on an emulated server, in about eight minutes.

    python docs/screenshots/make.py [--only NAME]… [--keep FOLDER]

A campaign of three conditions in five blocks, with RAPL and two GPUs emulated (emulated_server.py),
is run live in a terminal (tmux) of 80 and of 120 columns, and watched from another one; then a
figure and the report page are made of its results, and the page is taken by Chromium in both themes
and as on a phone. NAME is that of a file, without its ending, or `answer`: the text of the
campaign's end in both READMEs and docs/report.md. With --keep the workspace stays in FOLDER; where
that holds results already, all but the terminals are made of them in seconds. On a quiet machine:
the pictures name foreign processes. Needs tmux, a C compiler, Debian's chromium, and
pip install -e '.[report,test]'.
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from emulated_server import NAME, RUNS, emulated_server, furnish
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ENERGYCTL = Path(sys.executable).with_name("energyctl")
LIVE = ("run-80", "run-120", "watch-80", "watch-120", "run-end")
PAGE = ("report-light", "report-run-dark", "report-phone")
PICTURES = (*LIVE, "plot", *PAGE, "answer")
BLOCK = re.compile(r"(?<=```text\n)run  .*?(?=\n```)", re.DOTALL)
ANSWERS = ("README.md", "README.zh-CN.md", "docs/report.md")
TERMINALS = ((120, 32), (80, 24))
TALL = (120, 60)
"""For the end of the campaign."""
DEADLINE_SECONDS = 480.0
MONOSPACE = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


class Terminals:
    """Terminals of a tmux server of our own."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._socket = folder / "tmux"
        self._environ = {**environ, "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
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


def take(terminals: Terminals, wanted: set[str]) -> None:
    """Both terminals at both widths, within the seconds of a training."""
    for columns, rows in TERMINALS:
        for name in ("run", "watch"):
            terminals.resize(name, columns, rows)
        before = time.monotonic()
        # Two drawings later, the views have the new width.
        wait_for("they draw", lambda before=before: time.monotonic() - before > 2.5)
        screens = {name: terminals.screen(name, ansi=True) for name in ("run", "watch")}
        for name, screen in screens.items():
            begins = re.search(r"^.*\brun \d+ of \d+ succeeded", screen, re.MULTILINE)
            shown = screen[begins.start() if begins and name == "run" else 0 :]
            put_screen(f"{name}-{columns}", shown, columns, wanted)


def put_screen(name: str, ansi: str, columns: int, wanted: set[str]) -> None:
    if name in wanted:
        title = f"energyctl {name.partition('-')[0]} ({NAME})"
        write(HERE / f"{name}.svg", terminal_svg(ansi, columns, title, name).encode())


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    print(f"{path.relative_to(HERE.parent)}: {len(content) / 1000:.0f} kB")


def energyctl(workspace: Path, *arguments: object) -> list[str]:
    return list(map(str, (ENERGYCTL, "-C", workspace, *arguments)))


def campaign(workspace: Path, wanted: set[str]) -> None:
    """Runs it in a terminal, and takes its picture in a run beside two, half-way."""
    with tempfile.TemporaryDirectory() as name, emulated_server(Path(name)) as environ:
        terminals, ended = Terminals(Path(name), environ), Path(name, "ended")
        try:
            run = shlex.join(energyctl(workspace, "run", "load.json"))
            terminals.start("run", f"{run}; echo $? >{shlex.quote(str(ended))}")
            if wanted & {*LIVE}:
                terminals.start("watch", shlex.join(energyctl(workspace, "watch")))
                wait_for("a run beside two", lambda: half_way(workspace, environ, ended))
                take(terminals, wanted)
            terminals.resize("run", *TALL)
            wait_for("the end of the campaign", ended.exists)
            if (code := ended.read_text().strip()) != "0":
                raise SystemExit(f"the campaign ended with {code}:\n{terminals.screen('run')}")
            ansi = terminals.tmux("capture-pane", "-p", "-e", "-t", "run", "-S", "-200")
            put_screen("run-end", last_table(ansi), TALL[0], wanted)
        finally:
            terminals.close()


def half_way(workspace: Path, environ: Mapping[str, str], ended: Path) -> bool:
    if ended.exists():
        raise SystemExit("the campaign ended too soon; look with: energyctl run load.json")
    time.sleep(1)
    if len(list((workspace / "results").glob("*.json"))) < RUNS // 2:
        return False  # a look at the status costs CPU time, which the pictures would name
    command = energyctl(workspace, "status", "--json")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    run = json.loads(done.stdout)["run"] or {"index": 0}
    late = RUNS // 2 < run["index"] < RUNS
    return late and run["phase"] == "foreground" and run["condition"] == "beside two"


def last_table(ansi: str) -> str:
    """The end of a campaign, from its table on."""
    lines = ansi.rstrip().split("\n")
    plain = [Text.from_ansi(line).plain.strip() for line in lines]
    head = max(at for at, line in enumerate(plain) if re.match(r"run +condition\b", line))
    ends = ("warning: ", "results: ")
    end = next((at for at in range(head, len(plain)) if plain[at].startswith(ends)), len(plain))
    return "\n".join(lines[head:end]).rstrip()


def answer(workspace: Path) -> None:
    """The first block of the runs, the means, and the sentences about one condition."""
    environ = {**os.environ, "COLUMNS": "108"}
    command = energyctl(workspace, "report")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    head = next(at for at, line in enumerate(lines) if line.startswith("run "))
    left_out = re.compile(r"  |Beside two, |each pair: |a page of it|.* package-")
    rest = [line for line in lines[lines.index("", head) :] if not left_out.match(line)]
    text = "\n".join([*lines[head : head + 5], "…", *rest])
    for page in (HERE.parents[1] / name for name in ANSWERS):
        old = page.read_text(encoding="utf-8")
        new, times = re.subn(
            r"(?<=```text\n)run  .*?(?=\n```)", lambda _: text, old, flags=re.DOTALL
        )
        if times != 1:
            raise SystemExit(f"{page}: {times} blocks with the end of a campaign")
        page.write_text(new, encoding="utf-8")


def figure(workspace: Path) -> None:
    run = sorted((workspace / "results").glob("*_parallel.json"))[-1]
    out = HERE / "plot.svg"
    options = ("--kind", "power", "--width", "double", "--out", out, "--force")
    subprocess.run(energyctl(workspace, "plot", run, *options), check=True)
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


def count_foreign(workspace: Path) -> None:
    """A picture with what others did meanwhile is none for a documentation."""
    results = (workspace / "results").glob("*.json")
    warnings = [w for p in results for w in json.loads(p.read_text(encoding="utf-8"))["warnings"]]
    if foreign := [warning for warning in warnings if warning.startswith("foreign ")]:
        print(f"{len(foreign)} warnings like this: {foreign[0]}", file=sys.stderr)


def report(workspace: Path, wanted: set[str]) -> None:
    count_foreign(workspace)
    page = workspace / "report.html"
    options = ("--html", page, "--force", "--title", f"What load costs ({NAME})")
    subprocess.run(energyctl(workspace, "report", *options), check=True)
    looks = {
        "report-light": ("light", (1280, 900)),
        "report-run-dark": ("dark", (1280, 900)),
        "report-phone": ("light", (390, 844)),
    }
    with browser() as chromium:
        for name in [name for name in looks if name in wanted]:
            scheme, (width, height) = looks[name]
            context = chromium.new_context(  # type: ignore[attr-defined]
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            tab = context.new_page()
            tab.goto(page.as_uri(), wait_until="networkidle")
            tab.wait_for_selector("#c-energy svg.marks")
            if name == "report-run-dark":
                open_a_run(tab)
            write(HERE / f"{name}.png", tab.screenshot())
            context.close()


def open_a_run(tab: object) -> None:
    """The last run that is opened by a click."""
    run = tab.locator("details.run").last  # type: ignore[attr-defined]
    run.locator("summary").first.click()
    run.locator("svg, canvas").first.wait_for()
    run.evaluate("element => element.scrollIntoView({block: 'start'})")
    tab.evaluate("window.scrollBy(0, -70)")  # type: ignore[attr-defined]  # below what sticks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, help="the workspace; it stays")
    parser.add_argument("--only", action="append", choices=PICTURES, help="may be repeated")
    asked = parser.parse_args()
    wanted = set(asked.only or PICTURES)
    with contextlib.ExitStack() as stack:
        kept = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()), "lab")
        folder = kept.resolve()
        subprocess.run([ENERGYCTL, "init", folder], check=True, stdout=subprocess.DEVNULL)
        if wanted & {*LIVE} or not any((folder / "results").glob("*.json")):
            furnish(folder)
            campaign(folder, wanted)
        if "plot" in wanted:
            figure(folder)
        if "answer" in wanted:
            answer(folder)
        if wanted & {*PAGE}:
            report(folder, wanted)


if __name__ == "__main__":
    main()
