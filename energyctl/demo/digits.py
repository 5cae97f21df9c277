"""Trains a network to read handwritten digits: ``python digits.py --epochs 8``.

A perceptron with one hidden layer (64 pixels → hidden units with tanh → softmax over 10 digits),
trained by stochastic gradient descent with momentum on 1,297 images, tested on 500. Written in
plain Python, so that the quick start needs nothing but energyctl itself; a real training of yours
uses a framework.

Data: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0; here its test set of 1,797
images, 8x8 pixels of 0 to 16, as CSV with the digit last.
"""

from __future__ import annotations

import argparse
import gzip
import math
import random
from collections.abc import Sequence
from pathlib import Path

DATA = Path(__file__).with_name("digits.csv.gz")
TEST_IMAGES = 500
MOMENTUM = 0.9

Image = tuple[list[float], int]


def load() -> tuple[list[Image], list[Image]]:
    """Training and test images: pixels scaled to 0…1, with a 1 behind them for the bias."""
    images = []
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        for line in file:
            *pixels, digit = (int(float(value)) for value in line.split(","))
            images.append(([pixel / 16 for pixel in pixels] + [1.0], digit))
    random.Random(0).shuffle(images)
    return images[TEST_IMAGES:], images[:TEST_IMAGES]


class Network:
    """Weights and their velocities: a row per unit, the bias last."""

    def __init__(self, hidden_units: int, seed: int) -> None:
        draw = random.Random(seed)
        self.hidden = [[draw.gauss(0, 0.15) for _ in range(65)] for _ in range(hidden_units)]
        self.output = [[draw.gauss(0, 0.15) for _ in range(hidden_units + 1)] for _ in range(10)]
        self._velocities = [
            [[0.0] * len(row) for row in layer] for layer in (self.hidden, self.output)
        ]

    def forward(self, pixels: Sequence[float]) -> tuple[list[float], list[float]]:
        """Activities of the hidden units (with the bias behind), probabilities of the digits."""
        hidden = [
            math.tanh(sum(w * x for w, x in zip(row, pixels, strict=True))) for row in self.hidden
        ]
        hidden.append(1.0)
        scores = [sum(w * x for w, x in zip(row, hidden, strict=True)) for row in self.output]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = sum(powers)
        return hidden, [power / total for power in powers]

    def learn(self, pixels: Sequence[float], digit: int, rate: float) -> float:
        """One step of gradient descent; returns the cross-entropy before it."""
        hidden, probabilities = self.forward(pixels)
        errors = list(probabilities)
        errors[digit] -= 1.0
        back = [
            (1.0 - value * value)
            * sum(e * row[unit] for e, row in zip(errors, self.output, strict=True))
            for unit, value in enumerate(hidden[:-1])
        ]
        self._move(self.output, self._velocities[1], errors, hidden, rate)
        self._move(self.hidden, self._velocities[0], back, pixels, rate)
        return -math.log(max(probabilities[digit], 1e-300))

    @staticmethod
    def _move(
        layer: list[list[float]],
        velocities: list[list[float]],
        errors: Sequence[float],
        inputs: Sequence[float],
        rate: float,
    ) -> None:
        for unit, error in enumerate(errors):
            step = rate * error
            velocity = [
                MOMENTUM * v - step * x for v, x in zip(velocities[unit], inputs, strict=True)
            ]
            velocities[unit] = velocity
            layer[unit] = [w + v for w, v in zip(layer[unit], velocity, strict=True)]

    def accuracy(self, images: Sequence[Image]) -> float:
        right = 0
        for pixels, digit in images:
            probabilities = self.forward(pixels)[1]
            right += max(range(10), key=probabilities.__getitem__) == digit
        return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network to read handwritten digits.")
    parser.add_argument("--model", default="mlp", choices=["mlp", "mlp_wide"])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    training, test = load()
    network = Network({"mlp": 16, "mlp_wide": 48}[options.model], options.seed)
    order = random.Random(options.seed)
    for epoch in range(1, options.epochs + 1):
        order.shuffle(training)
        loss = sum(network.learn(*image, options.learning_rate) for image in training)
        accuracy = network.accuracy(test)
        mean = loss / len(training)
        print(
            f"epoch {epoch}/{options.epochs}  loss {mean:.4f}  accuracy {accuracy:.4f}", flush=True
        )
    print(f"Final loss: {mean:.6g}", flush=True)
    print(f"Test accuracy: {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
