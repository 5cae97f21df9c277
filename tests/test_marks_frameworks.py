"""The callbacks in real trainings of the frameworks, where these are installed."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energyctl import marks
from energyctl.meters.marks.lines import Begin, EpochEnd, Line, Mark, parse

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # which the frameworks give of each other


class Told:
    """What reaches a socket while a training runs in this process."""

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)
        self._data = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while piece := connection.recv(65536):
                self._data += piece

    def lines(self) -> list[Line]:
        assert marks._sender is not None
        assert marks._sender._socket is not None
        marks._sender._socket.close()
        self._thread.join(timeout=30)
        self._server.close()
        return [parse(line)[1] for line in self._data.decode().splitlines()]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setenv(marks.SOCKET, str(tmp_path / "s"))
    monkeypatch.setattr(marks, "_looked", False)
    monkeypatch.setattr(marks, "_sender", None)
    yield Told(tmp_path / "s")
    marks._sender = None


def epochs(lines: list[Line]) -> dict[int, dict[str, float]]:
    """The figures of each."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        if isinstance(line, EpochEnd):
            figures = {name: float(text) for name, text in line.figures.items()}
            found[line.number] = {**found.get(line.number, {}), **figures}
    return found


def names(lines: list[Line]) -> list[str | None]:
    return [line.name for line in lines if isinstance(line, Mark)]


def test_lightning(told: Told, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    torch = pytest.importorskip("torch")
    import lightning

    class Model(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = self.layer(batch[0]).square().mean()
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_loss", self.layer(batch[0]).square().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = torch.utils.data.TensorDataset(torch.randn(16, 4))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=[marks.lightning_callback()],
    )  # fmt: skip
    trainer.fit(Model(), loader, loader)
    lines = told.lines()
    found = epochs(lines)
    assert list(found) == [0, 1]
    assert all({"val_loss", "train_loss"} <= set(figures) for figures in found.values())
    assert names(lines) == ["evaluate", None] * 3  # one of them is its check before the first epoch
    assert lines.index(Begin()) > lines.index(Mark("evaluate"))
    evaluated = [n for n, line in enumerate(lines) if line == Mark("evaluate")]
    ended = [n for n, line in enumerate(lines) if isinstance(line, EpochEnd)]
    assert evaluated[1] < ended[0] < evaluated[2] < ended[1]


def test_transformers(told: Told, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    pytest.importorskip("accelerate")

    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            y = self.layer(x).squeeze(-1)
            return {"loss": (y - labels).square().mean(), "logits": y}

    rows = [{"x": torch.randn(4), "labels": torch.tensor(1.0)} for _ in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), num_train_epochs=2, per_device_train_batch_size=8,
        eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch", report_to=[],
        use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=Model(), args=arguments, train_dataset=rows, eval_dataset=rows,
        callbacks=[marks.transformers_callback()],
    )  # fmt: skip
    trainer.train()
    lines = told.lines()
    found = epochs(lines)
    assert list(found) == [1, 2]
    assert all({"loss", "eval_loss"} <= set(figures) for figures in found.values())
    assert not any(name.endswith(("_runtime", "_per_second")) for name in found[1])
    assert names(lines) == ["evaluate", "save checkpoint", None] * 2
    assert lines[0] == Begin()
    saved = lines.index(Mark("save checkpoint"))
    assert any(isinstance(one, EpochEnd) and one.number == 1 for one in lines[saved:])


def test_keras(told: Told) -> None:
    keras = pytest.importorskip("keras")
    numpy = pytest.importorskip("numpy")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x, y = numpy.random.rand(32, 4), numpy.random.rand(32, 1)
    model.fit(x, y, epochs=2, validation_split=0.5, verbose=0, callbacks=[marks.keras_callback()])
    lines = told.lines()
    found = epochs(lines)
    assert list(found) == [0, 1]
    assert all(set(figures) == {"loss", "val_loss"} for figures in found.values())
    assert names(lines) == ["evaluate", None] * 2
    assert lines[0] == Begin()


def test_figures_of_numpy_and_of_tensors_of_the_cpu(told: Told) -> None:
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    marks.epoch(
        0, a=numpy.float32(0.5), b=numpy.int64(2), c=torch.tensor(0.25, requires_grad=True),
        d=torch.empty((), device="meta"), e=torch.zeros(3),
    )  # fmt: skip
    (line,) = told.lines()
    assert isinstance(line, EpochEnd)
    figures = {"a": "0.5", "b": "2.0", "c": "0.25", "d": "Tensor@meta", "e": "Tensor@cpu"}
    assert line.figures == figures
