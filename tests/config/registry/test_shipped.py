"""The entries of the shipped registry: command lines of upstream programs, and what they print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energyctl.config import registry
from energyctl.config.plan.checks import check_reach
from energyctl.config.registry.values import complete
from energyctl.config.settings.problems import ProblemList

SHIPPED = registry.read(Path(__file__).parents[3] / "settings" / "models_config.json")
LAB = Path("/lab")


def started(repo: str, model: str, **values: Any) -> registry.Invocation:
    """The first step with the defaults of the model, and *values* instead of them."""
    repository = SHIPPED.repositories[repo]
    whole = complete(repository.parameters_of(model), values)
    where = registry.InvocationContext(
        LAB, registry.Interpreter("python"), workdir=LAB / "run", run_id="RUN"
    )
    return registry.invocations(repository, model, whole, where)[0]


@pytest.mark.parametrize(
    ("repo", "model", "values", "command", "cwd"),
    [
        (
            "pytorch_mnist", "cnn", {"epochs": 2, "batch_size": 32, "gamma": 0.5},
            "python main.py --epochs 2 --lr 1.0 --seed 1 --batch-size 32 --gamma 0.5",
            "/lab/run/mnist",
        ),
        (
            "pytorch_imagenet", "resnet18", {"workers": 2, "seed": 7},
            "python main.py --arch=resnet18 --epochs 90 --lr 0.1 --wd 0.0001 --workers 2 --seed 7"
            " /lab/data/imagenet",
            "/lab/run/imagenet",
        ),
        (
            "pytorch_imagenet", "alexnet", {},
            "python main.py --arch=alexnet --epochs 90 --lr 0.01 --wd 0.0001 /lab/data/imagenet",
            "/lab/run/imagenet",
        ),
        (
            "nanoGPT", "shakespeare_char", {"iterations": 500, "compile": False, "device": "cpu"},
            "python train.py config/train_shakespeare_char.py --max_iters=500 --lr_decay_iters=500"
            " --learning_rate=0.001 --min_lr=0.0001 --dropout=0.2 --compile=False --device=cpu",
            "/lab/run",
        ),
        (
            "timm", "resnet50", {"learning_rate": 0.05, "amp": True},
            "python train.py --data-dir /lab/data/imagenet --model resnet50 --epochs 300 --lr 0.05"
            " --weight-decay 2e-05 --drop 0.0 --seed 42 --amp",
            "/lab/run",
        ),
        (
            "ultralytics", "yolo11n", {"epochs": 2, "learning_rate": 0.005, "device": "cpu"},
            "python -c from ultralytics.cfg import entrypoint; entrypoint() detect train"
            " model=yolo11n.yaml data=/lab/data/detection/data.yaml project=/lab/run/runs"
            " name=train plots=False epochs=2 optimizer=SGD lr0=0.005 weight_decay=0.0005 seed=0"
            " device=cpu",
            "/lab/run",
        ),
        (
            "transformers_glue", "roberta-base",
            {"task_name": "sst2", "pad_to_max_length": False, "bf16": True},
            "python /lab/repos/transformers/examples/pytorch/text-classification/run_glue.py"
            " --model_name_or_path roberta-base --do_train --do_eval --output_dir output"
            " --overwrite_output_dir --overwrite_cache --save_strategy no --report_to none"
            " --task_name sst2 --num_train_epochs 3 --learning_rate 2e-05"
            " --per_device_train_batch_size 32 --weight_decay 0.0 --seed 42 --logging_steps 50"
            " --no_pad_to_max_length --bf16",
            "/lab/run",
        ),
    ],
)  # fmt: skip
def test_upstream_programs_get_their_own_command_lines(
    repo: str, model: str, values: dict[str, Any], command: str, cwd: str
) -> None:
    invoked = started(repo, model, **values)
    assert (" ".join(invoked.argv), invoked.cwd) == (command, cwd)


# Lines in the form in which the programs print them.
OUTPUTS: dict[str, tuple[str, dict[str, float], tuple[float, float | None]]] = {
    "pytorch_mnist": (
        "Train Epoch: 2 [0/2000 (0%)]\tLoss: 0.561700\n"
        "\nTest set: Average loss: 0.0312, Accuracy: 9912/10000 (99%)\n\n"
        "Train Epoch: 3 [640/2000 (31%)]\tLoss: 0.012345\n"
        "\nTest set: Average loss: 0.0335, Accuracy: 9874/10000 (99%)\n\n",
        {"test_accuracy": 98.74, "best_test_accuracy": 99.12, "test_loss": 0.0335,
         "training_loss": 0.012345},
        (3, None),
    ),
    "pytorch_imagenet": (
        "Epoch: [0][1/3]\tTime 14.214 (14.214)\tData  1.074 ( 1.074)"
        "\tLoss 7.0659e+00 (7.0659e+00)\tAcc@1   0.00 (  0.00)\tAcc@5   0.00 (  0.00)\n"
        "Test: [1/1]\tTime  4.083 ( 4.083)\tLoss 2.8062e+04 (2.8062e+04)"
        "\tAcc@1  33.33 ( 33.33)\tAcc@5 100.00 (100.00)\n"
        " *   Acc@1 33.333 Acc@5 100.000\n"
        "Epoch: [1][1/3]\tTime  5.000 ( 5.000)\tData  1.000 ( 1.000)"
        "\tLoss 5.5000e+00 (6.2500e+00)\tAcc@1  25.00 ( 12.50)\tAcc@5  50.00 ( 40.00)\n"
        "Test: [1/1]\tTime  2.500 ( 2.500)\tLoss 6.0000e+00 (6.1250e+00)"
        "\tAcc@1  16.67 ( 16.67)\tAcc@5  50.00 ( 50.00)\n"
        " *   Acc@1 16.667 Acc@5 50.000\n",
        {"val_accuracy": 16.667, "best_val_accuracy": 33.333, "val_accuracy_top5": 50.0,
         "training_loss": 6.25, "val_loss": 6.125},
        (1, None),
    ),
    "nanoGPT": (
        "step 0: train loss 3.2451, val loss 3.2478\n"
        "iter 0: loss 3.2510, time 269.75ms, mfu -100.00%\n"
        "step 20: train loss 2.6900, val loss 2.6941\n"
        "saving checkpoint to out-shakespeare-char\n"
        "iter 20: loss 3.0112, time 260.71ms, mfu 0.00%\n"
        "step 40: train loss 2.6600, val loss 2.7012\n"
        "iter 40: loss 2.7312, time 315.03ms, mfu 0.00%\n",
        {"val_loss": 2.7012, "best_val_loss": 2.6941, "train_loss": 2.66, "training_loss": 2.7312},
        (40, None),
    ),
    "timm": (
        "Train: 0 [   2/3 (100%)]  Loss: 6.72 (6.88)  Time: 2.505s,    4.79/s  "
        "(3.150s,    3.81/s)  LR: 4.688e-03  Data: 0.000 (0.383)\n"
        "Test: [   0/0]  Time: 1.289 (1.289)  Loss:   6.805 ( 6.805)  Acc@1:  25.000 ( 33.333)  "
        "Acc@5:  50.000 ( 41.667)\n"
        "Train: 1 [   2/3 (100%)]  Loss: 6.44 (6.52)  Time: 1.808s,    6.64/s  "
        "(2.182s,    5.50/s)  LR: 2.344e-03  Data: 0.036 (0.273)\n"
        "Test: [   0/0]  Time: 0.641 (0.641)  Loss:   6.673 ( 6.673)  Acc@1:   0.000 (  8.333)  "
        "Acc@5:   0.000 ( 16.667)\n"
        "*** Best metric: 33.333333333333336 (epoch 0)\n",
        {"val_accuracy": 8.333, "best_val_accuracy": 33.333333333333336,
         "val_accuracy_top5": 16.667, "val_loss": 6.673, "training_loss": 6.52},
        (1, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("repo", OUTPUTS)
def test_what_upstream_programs_print_is_read(repo: str) -> None:
    output, metrics, progress = OUTPUTS[repo]
    repository = SHIPPED.repositories[repo]
    found = registry.read_metrics(repository.all_metrics, [output]).values
    assert found == pytest.approx(metrics)
    assert repository.progress is not None
    assert registry.progress_of(repository.progress, output) == progress


@pytest.mark.parametrize(
    ("repo", "goals"),
    [
        ("pytorch_resnet_cifar10", {"test_accuracy": 90.0, "best_val_accuracy": 90.0}),
        ("VulBERTa", {"eval_loss": 0.5}),
        ("pytorch_mnist", {"test_accuracy": 98.0, "test_loss": 0.05}),
        ("pytorch_imagenet", {"val_accuracy": 60.0, "val_accuracy_top5": 80.0}),
        ("nanoGPT", {"val_loss": 1.5, "train_loss": 1.5}),
        ("ultralytics", {"map50_95": 0.3, "map50": 0.5, "val_loss": 1.0}),
    ],
)
def test_what_an_evaluation_tells_may_be_a_goal_as_it_is(
    repo: str, goals: dict[str, float]
) -> None:
    found = ProblemList(None)
    check_reach((), SHIPPED.repositories[repo], goals, found)
    assert found.problems == []
    for metric in SHIPPED.repositories[repo].all_metrics:
        if metric.name in goals:
            assert metric.better == ("lower" if "loss" in metric.name else "higher")


def test_a_test_on_other_data_is_not_taken_for_that_of_mnist() -> None:
    line = "Test set: Average loss: 0.0335, Accuracy: 98/100 (98%)\n"
    mnist = SHIPPED.repositories["pytorch_mnist"]
    assert "test_accuracy" not in registry.read_metrics(mnist.all_metrics, [line]).values


def test_a_network_that_has_not_learnt_has_no_result() -> None:
    """nanoGPT evaluates before its first step, too: all that a short training has."""
    line = "step 0: train loss 3.2451, val loss 3.2478\n"
    nano = SHIPPED.repositories["nanoGPT"]
    assert registry.read_metrics(nano.all_metrics, [line]).values == {}


def test_what_ultralytics_writes_is_read() -> None:
    table = (
        b"epoch,time,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,lr/pg0\n"
        b"1,2.67,0.77654,0.5,0.25,2.24578,0.1\n2,4.1,0.77,0.75,0.125,2.2,0.1\n"
    )
    yolo = SHIPPED.repositories["ultralytics"]
    found = {}
    for metric in yolo.all_metrics:
        assert metric.file == "runs/train/results.csv"
        found |= registry.read_file(metric, [table]).values
    assert found == {
        "map50_95": 0.125,
        "best_map50_95": 0.25,
        "map50": 0.75,
        "training_loss": 0.77,
        "val_loss": 2.2,
    }
    shown = "      1/2         0G     0.7765       4.19      4.312          7         64: 100%"
    assert yolo.progress is not None
    assert registry.progress_of(yolo.progress, shown) == (1, 2)


def test_what_run_glue_writes_is_read() -> None:
    results = (
        b'{"epoch": 2.0, "eval_accuracy": 0.578125, "eval_combined_score": 0.6554,'
        b' "eval_f1": 0.7327, "eval_loss": 0.6913, "eval_runtime": 0.2958,'
        b' "total_flos": 28112224.0, "train_loss": 0.6934, "train_samples_per_second": 46.076}'
    )
    output = (
        "\r 44%|####3     | 7/16 [00:05<00:05,  1.52it/s]\r 50%|#####     | 8/16 [00:05<00:05,"
        "  1.48it/s]\n{'loss': 0.6925, 'grad_norm': 0.3443, 'learning_rate': 1.125e-05,"
        " 'epoch': 1.0}\n{'train_runtime': 11.1121, 'train_loss': 0.69337, 'epoch': 2.0}\n"
        "Running tokenizer on dataset: 100%|##########| 64/64 [00:00<00:00, 2097.12 examples/s]\n"
    )
    glue = SHIPPED.repositories["transformers_glue"]
    from_file = [metric for metric in glue.all_metrics if metric.file]
    assert {metric.file for metric in from_file} == {"output/all_results.json"}
    found = dict(registry.read_metrics(glue.all_metrics, [output]).values)
    for metric in from_file:
        found |= registry.read_file(metric, [results]).values
    assert found == {
        "eval_loss": 0.6913,
        "eval_accuracy": 0.578125,
        "eval_f1": 0.7327,
        "train_loss": 0.6934,
        "train_samples_per_second": 46.076,
        "training_loss": 0.6925,
    }
    assert glue.progress is not None
    assert registry.progress_of(glue.progress, output) == (8, 16)


def test_the_weights_of_every_model_of_run_glue_are_fetched() -> None:
    glue = SHIPPED.repositories["transformers_glue"]
    assert glue.prepare is not None
    command = glue.prepare.command or ()
    assert command[-len(glue.models) :] == tuple(glue.models)
