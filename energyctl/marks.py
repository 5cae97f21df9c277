"""Epochs and marks, told by a training to the energyctl that measures it.

This file is complete by itself: copy it beside a training under any name (Python 3.8 or later,
nothing but the standard library), or use it as ``energyctl.epoch`` and ``energyctl.mark``.

    from energyctl import epoch, epoch_begin, mark

    epoch_begin()                          # the first epoch begins here, not with the imports
    for number in range(20):
        loss = train()
        mark("evaluate")
        accuracy = evaluate()
        mark(None)
        epoch(number, loss=loss, accuracy=accuracy)

Where energyctl does not measure, that is where ENERGYCTL_SOCKET is not in the environment, all of
it does nothing. It never raises, never waits, and never asks a GPU: a line that cannot be sent at
once waits for the next one, and of more than a thousand such lines the newest are dropped, counted
and told.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
from collections import deque
from time import monotonic
from typing import Any

SOCKET = "ENERGYCTL_SOCKET"
"""Variable: the path of the Unix stream socket at which energyctl listens."""

LONGEST_LINE = 4096
"""Bytes, with the end of the line."""

MOST_WAITING = 1000

SENT_A_SECOND, SENT_AT_ONCE = 1, 20
"""Marks: each wakes energyctl, which costs more than the line. Further ones wait for the next that
is sent, or for an epoch; their times stay their own."""


def epoch_begin() -> None:
    """An epoch begins here: what ran since the one before belongs to none.

    Without it an epoch begins where the one before ended, and the first with the training.
    """
    sender = _sender if _looked else _look()
    if sender is not None:
        sender.send("begin")


def epoch(number: int, /, **metrics: Any) -> None:
    """Epoch *number* has ended, with its figures; the same number again: it has gone on to here.

    A figure is a number, of Python or numpy, or a tensor with one element in the memory of the
    CPU. What is on a GPU is not waited for: it is left out, and energyctl says so.
    """
    sender = _sender if _looked else _look()
    if sender is not None:
        try:
            figures = "".join(f" {_word(k)}={_figure(v)}" for k, v in metrics.items())
            sender.send("epoch", f"{int(number)}{figures}")
        except Exception:  # whatever a strange value does, the training goes on
            sender.left_out()


def mark(name: str | None) -> None:
    """From here on it is *name*, as "evaluate", until the next mark or the end; None ends it."""
    sender = _sender if _looked else _look()
    if sender is not None:
        sender.send("mark", name, False)


def tracked(
    to: str | None = None,
    run_id: str | None = None,
    uri: str | None = None,
    project: str | None = None,
) -> None:
    """The training's own run in "mlflow" or "wandb"; without arguments what is active there."""
    sender = _sender if _looked else _look()
    if sender is None:
        return
    try:
        found = [(to, run_id, uri, project)] if to else _active()
        for name, identity, place, of in found:
            if identity:
                more = [("uri", place), ("project", of)]
                words = "".join(f" {key}={_word(value)}" for key, value in more if value)
                sender.send("tracked", f"{_word(name)} {_word(identity)}{words}")
    except Exception:
        sender.left_out()


def _active() -> list[tuple[Any, Any, Any, Any]]:
    """Of libraries that the training has imported already."""
    found: list[tuple[Any, Any, Any, Any]] = []
    mlflow: Any = sys.modules.get("mlflow")
    wandb: Any = sys.modules.get("wandb")
    run = mlflow and mlflow.active_run()
    if run:
        info = run.info
        found.append(("mlflow", info.run_id, mlflow.get_tracking_uri(), info.experiment_id))
    run = wandb and wandb.run
    if run:
        of = "/".join(filter(None, (run.entity, run.project)))
        found.append(("wandb", run.id, os.environ.get("WANDB_BASE_URL"), of))
    return found


def _figure(value: Any) -> str:
    """As text that energyctl reads as a number; else what it is."""
    kind = type(value)
    if isinstance(value, (int, float)):
        return repr(float(value))
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return repr(float(value))
    device = getattr(value, "device", None)
    if getattr(device, "type", None) == "cpu" and value.numel() == 1:
        return repr(float(value.item()))
    return _word(kind.__name__ if device is None else f"{kind.__name__}@{device}")


def _word(text: Any) -> str:
    """Without what would end it."""
    return "_".join(str(text).replace("=", "_").split()) if text else "_"


class _Sender:
    """Sends lines, each whole, in their order, without ever waiting."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._push)

    def _begin(self) -> None:
        """A process that was forked off has a connection and lines of its own."""
        self._lock = threading.Lock()
        self._waiting: deque[bytes | tuple[float, str, Any]] = deque()
        """Instants and words, or what is left of a line."""

        self._socket: socket.socket | None = None
        self._dropped = 0
        self._gone = False
        self._allowed: float = SENT_AT_ONCE
        self._since = self._quiet_until = monotonic()

    def left_out(self) -> None:
        self._dropped += 1

    def send(self, word: str, text: Any = None, at_once: bool = True) -> None:
        """Hardly anything is done here but to keep it: a training may call it at each step."""
        at, waiting = monotonic(), self._waiting
        if len(waiting) < MOST_WAITING:
            waiting.append((at, word, text))
        else:
            self._dropped += 1
        if (at_once or at >= self._quiet_until) and not self._gone:
            allowed = self._allowed + (at - self._since) * SENT_A_SECOND
            self._allowed, self._since = min(allowed, SENT_AT_ONCE) - 1, at
            self._quiet_until = at + max(0.0, 1 - self._allowed) / SENT_A_SECOND
            self._push()

    def _push(self) -> None:
        """Whoever holds the lock sends all; nobody waits for it, not even a signal handler."""
        while self._waiting and self._lock.acquire(False):
            try:
                if not self._send_all():
                    return
            except OSError:  # energyctl has ended, or does not listen
                self._gone = True
                self._waiting.clear()
            finally:
                self._lock.release()

    def _send_all(self) -> bool:
        """False where the socket is full. Raises OSError."""
        try:
            if self._socket is None:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.setblocking(False)
                connection.connect(self._path)
                self._socket = connection
            while self._waiting:
                first = self._waiting[0]
                line = first if isinstance(first, bytes) else _line(*first)
                sent = self._socket.send(line, socket.MSG_NOSIGNAL) if line else 0
                self._dropped += not line
                if sent < len(line):
                    self._waiting[0] = line[sent:]
                    return False
                self._waiting.popleft()
                if self._dropped:
                    self._waiting.appendleft(b"dropped %d\n" % self._dropped)
                    self._dropped = 0
        except BlockingIOError:
            return False
        return True


def _line(at: float, word: str, text: Any) -> bytes:
    """Nothing where it is too long, or no text."""
    try:
        whole = word if text is None else f"{word} {text}"
        line = b"at=%.6f %s\n" % (at, " ".join(whole.split()).encode("utf-8", "replace"))
    except Exception:  # whatever a strange name does, the training goes on
        return b""
    return line if len(line) <= LONGEST_LINE else b""


_sender: _Sender | None = None
_looked = False


def _look() -> _Sender | None:
    """Once: is there somebody to tell?"""
    global _sender, _looked
    path = os.environ.get(SOCKET)
    if path and not _looked:
        _sender = _Sender(path)
    _looked = True
    return _sender


# -- callbacks: nothing is imported before they are asked for -----------------------------------


def lightning_callback(gpu_metrics: bool = False) -> Any:
    """For ``lightning.Trainer(callbacks=[…])``: epochs with `callback_metrics`, and validation.

    gpu_metrics: metrics on a GPU are told, too; the training then waits for it once an epoch.
    """
    name = "pytorch_lightning" if "pytorch_lightning" in sys.modules else "lightning.pytorch"
    base: Any = _imported(name, "pytorch_lightning").Callback

    class EnergyctlCallback(base):  # type: ignore[misc]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                epoch_begin()

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                found = dict(trainer.callback_metrics)
                if gpu_metrics:
                    found = {key: value.item() for key, value in found.items()}
                epoch(trainer.current_epoch, **found)
                tracked()

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                mark("evaluate")

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                mark(None)

    return EnergyctlCallback()


def transformers_callback() -> Any:
    """For ``transformers.Trainer(callbacks=[…])``: epochs with what the trainer logs, evaluation
    and checkpoints, which belong to the epoch that they follow."""
    base: Any = _imported("transformers").TrainerCallback

    class EnergyctlCallback(base):  # type: ignore[misc]
        _ended: int | None = None  # the epoch that has ended, until the next one begins
        _new: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._ended, self._new = None, {}
            if state.is_world_process_zero:
                epoch_begin()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._ended = None

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._ended = round(state.epoch)
            self._tell(state)
            self._announce(state, control)
            if state.is_world_process_zero:
                tracked()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._announce(state, control)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self._new = {**self._new, **_figures_of(logs)}
            self._tell(state)

        def on_evaluate(
            self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
        ) -> None:
            self._tell(state)
            if state.is_world_process_zero:
                mark("save checkpoint" if control.should_save else None)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._tell(state)
            if state.is_world_process_zero:
                mark(None)

        def _announce(self, state: Any, control: Any) -> None:
            """What follows at once."""
            if state.is_world_process_zero and (control.should_evaluate or control.should_save):
                mark("evaluate" if control.should_evaluate else "save checkpoint")

        def _tell(self, state: Any) -> None:
            if self._ended is not None and state.is_world_process_zero:
                new, self._new = self._new, {}
                epoch(self._ended, **new)

    return EnergyctlCallback()


def _figures_of(logs: Any) -> dict[str, Any]:
    """Without what tells how fast it was, and the epoch itself."""
    ends = ("_runtime", "_per_second", "total_flos")
    return {k: v for k, v in (logs or {}).items() if k != "epoch" and not k.endswith(ends)}


def keras_callback() -> Any:
    """For ``model.fit(callbacks=[…])``: epochs with their logs, and validation."""
    base: Any = _imported("keras").callbacks.Callback

    class EnergyctlCallback(base):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            epoch_begin()

        def on_epoch_end(self, epoch_number: int, logs: Any = None) -> None:
            epoch(epoch_number, **(logs or {}))
            tracked()

        def on_test_begin(self, logs: Any = None) -> None:
            mark("evaluate")

        def on_test_end(self, logs: Any = None) -> None:
            mark(None)

    return EnergyctlCallback()


def _imported(*names: str) -> Any:
    """The first of these modules that is installed."""
    from importlib import import_module

    for name in names[:-1]:
        try:
            return import_module(name)
        except ImportError:
            pass
    return import_module(names[-1])
