"""A stand-in for docker: a client that waits and forwards, and a daemon that holds the work.

Started as ``docker …`` (a link on PATH) it is the client; ``daemon FOLDER`` is the daemon, whose
socket, calls (``calls.jsonl``) and containers are in FOLDER. As with docker, what runs in a
container is a child of the daemon, gets the variables that ``--env`` names and no others, and goes
on when its client is killed. A file ``silent`` in FOLDER: the daemon does not answer; ``hides``:
what runs gets no variables, so that nobody can tell whose it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

IMAGE = "trainer:1"
FLAGS = ("--rm", "--init")
HOME = Path(os.environ.get("STAND_IN_RUNTIME", "/nonexistent"))


# -- the client ----------------------------------------------------------------------------


def call(words: list[str], out: Any) -> int:
    """Asks the daemon; what it says goes to *out*. The exit code."""
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(HOME / "socket"))
        except OSError:
            print("Cannot connect to the daemon. Is the daemon running?", file=sys.stderr)
            return 1
        link.sendall(json.dumps([words, dict(os.environ)]).encode() + b"\n")
        for line in link.makefile("r", encoding="utf-8"):
            answer = json.loads(line)
            if "exit" in answer:
                return int(answer["exit"])
            print(answer["text"], end="", file=sys.stderr if answer["error"] else out, flush=True)
    return 1


def client(words: list[str]) -> int:
    if words[0] == "run":
        name = words[words.index("--name") + 1]

        def forward(signum: int, frame: object) -> None:
            call(["kill", "--signal", str(signum), name], sys.stderr)

        signal.signal(signal.SIGTERM, forward)
        signal.signal(signal.SIGINT, forward)
    return call(words, sys.stdout)


# -- the daemon ----------------------------------------------------------------------------


class Container:
    def __init__(self, words: list[str], environment: dict[str, str], hides: bool) -> None:
        self.options: dict[str, list[str]] = {}
        words = words[:]
        while words[0].startswith("-"):
            option = words.pop(0)
            if option not in FLAGS:
                self.options.setdefault(option, []).append(words.pop(0))
        self.image, self.command = words[0], words[1:]
        names = self.options.get("--env", [])
        self.environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        if not hides:
            self.environment |= {name: environment[name] for name in names if name in environment}
        self.work: subprocess.Popen[str] | None = None

    def signal(self, signum: int) -> None:
        if self.work is not None and self.work.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.work.pid, signum)


class Daemon:
    def __init__(self, folder: Path) -> None:
        self.folder, self.containers = folder, dict[str, Container]()

    def serve(self) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.folder / "socket"))
            server.listen(64)
            while True:
                link, _ = server.accept()
                threading.Thread(target=self.answer, args=(link,), daemon=True).start()

    def answer(self, link: socket.socket) -> None:
        # A client that was killed does not hear the rest.
        gone = contextlib.suppress(BrokenPipeError)
        with gone, link, link.makefile("rw", encoding="utf-8") as file:
            words, environment = json.loads(file.readline())

            def say(**answer: Any) -> None:
                with contextlib.suppress(OSError, ValueError):
                    file.write(json.dumps(answer) + "\n")
                    file.flush()

            while (self.folder / "silent").exists():
                time.sleep(0.05)
            with open(self.folder / "calls.jsonl", "a", encoding="utf-8") as calls:
                calls.write(json.dumps(words) + "\n")
            code, text, error = getattr(self, words[0])(words[1:], environment, say)
            if text:
                say(text=f"{text}\n", error=error)
            say(exit=code)

    def run(self, words: list[str], environment: dict[str, str], say: Any) -> Any:
        container = Container(words, environment, (self.folder / "hides").exists())
        (name,) = container.options["--name"]
        if container.image != IMAGE:
            return 125, f"Unable to find image '{container.image}' locally", True
        if name in self.containers:
            return 125, f"The container name {name} is already in use", True
        self.containers[name] = container
        (folder,) = container.options.get("--workdir", ["/"])
        try:
            container.work = subprocess.Popen(
                container.command, cwd=folder, env=container.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True,
            )  # fmt: skip
        except OSError as error:
            del self.containers[name]
            return 127, str(error), True
        assert container.work.stdout is not None
        for line in container.work.stdout:
            say(text=line, error=False)
        code = container.work.wait()
        container.signal(signal.SIGKILL)
        self.containers.pop(name, None)
        return (code if code >= 0 else 128 - code), "", False

    def kill(self, words: list[str], *_: Any) -> Any:
        signum = int(words[1]) if words[0] == "--signal" else signal.SIGKILL
        return self.each(words[-1:], lambda container: container.signal(signum))

    def stop(self, words: list[str], *_: Any) -> Any:
        def end(container: Container) -> None:
            container.signal(signal.SIGTERM)
            deadline = time.monotonic() + float(words[1])
            while container.work and container.work.poll() is None:
                if time.monotonic() > deadline:
                    container.signal(signal.SIGKILL)
                time.sleep(0.01)

        return self.each(words[2:], end)

    def rm(self, words: list[str], *_: Any) -> Any:
        return self.each(words[1:], lambda container: container.signal(signal.SIGKILL))

    def each(self, names: list[str], do: Any) -> Any:
        for name in names:
            if name not in self.containers:
                return 1, f"No such container: {name}", True
            do(self.containers[name])
        return 0, "", False

    def ps(self, words: list[str], *_: Any) -> Any:
        names = list(self.containers)
        if "--filter" in words:
            kind, _, wanted = words[words.index("--filter") + 1].partition("=")
            labels = {n: c.options.get("--label", []) for n, c in self.containers.copy().items()}
            if kind == "label":
                names = [name for name in names if wanted in labels.get(name, [])]
            else:
                names = [name for name in names if re.search(wanted, name)]
        return 0, "\n".join(names), False

    def inspect(self, words: list[str], *_: Any) -> Any:
        container = self.containers.get(words[-1])
        if container is None or container.work is None:
            return 1, f"No such object: {words[-1]}", True
        return 0, str(container.work.pid), False

    def image(self, words: list[str], *_: Any) -> Any:
        if words[-1] != IMAGE:
            return 1, f"Error: No such image: {words[-1]}", True
        return 0, "[]", False


if __name__ == "__main__":
    if sys.argv[1] == "daemon":
        Daemon(Path(sys.argv[2])).serve()
    sys.exit(client(sys.argv[1:]))
