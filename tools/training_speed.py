"""Measure training steps beside each other: devices, length groups, calls, XLA, precision, and sparse embeddings.

    python tools/training_speed.py                  the TextCNN
    python tools/training_speed.py --model bert     a BERT of MiniLM's size, with random weights

Texts are random tokens, by Zipf's law, with lengths as of short messages. The ways take turns in one process, so that
whatever else the machine does meets all; the first round traces and compiles and does not count. A round is an epoch;
texts a second are medians over the rounds, with the ratio to the first way. `waiting` is the share of time that steps
waited for data. Two devices here are two halves of the CPU: they show that it works and what it costs, not what two
GPUs bring.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config import Config
from textclf.config.files import override
from textclf.models.base import TextModel, precision
from textclf.models.bert import Bert
from textclf.models.tasks import SingleLabel
from textclf.models.textcnn import TextCNN
from textclf.text.batches import plan_epoch
from textclf.training.batches import BatchPlan, Shares, choose_widths, make_batches
from textclf.training.devices import distribute, local_replicas, make_strategy
from textclf.training.meter import Meter
from textclf.training.optimizer import make_optimizer
from textclf.training.prediction import Encoded
from textclf.training.step import TrainStep

MINILM = {"num_layers": 6, "num_heads": 12, "hidden_dim": 384, "intermediate_dim": 1536}
WAYS = {
    "one device": [],
    "no length groups": ["training.num_length_groups=1"],
    "two devices": ["compute.devices=[CPU:0,CPU:1]"],
    "four parts": ["compute.accumulate=4"],
    "20 steps a call": ["compute.steps_per_call=20"],
    "xla, 4 lengths": ["compute.xla=true"],
    "xla, 1 length": ["compute.xla=true", "compute.num_lengths=1"],
    "xla, 20 steps a call": ["compute.xla=true", "compute.steps_per_call=20"],
    "bfloat16": ["compute.mixed_precision=bfloat16"],
}
VOCABULARIES = {
    "5,000 words, dense": (5_000, []),
    "5,000 words, lazy": (5_000, ["training.lazy_embeddings=true"]),
    "200,000 words, dense": (200_000, []),
    "200,000 words, lazy": (200_000, ["training.lazy_embeddings=true"]),
}
CLASSES = 10
SPECIAL_TOKENS = 5


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    make_strategy(_config(WAYS["two devices"]).compute)  # the CPU is cut in two before anything runs on it
    ways = {name: (20_000, overrides) for name, overrides in WAYS.items()}
    if options.model == "textcnn":
        ways |= VOCABULARIES
    chosen = {name: way for name, way in ways.items() if not options.only or name in options.only}
    epochs = {name: _epochs(options, *way) for name, way in chosen.items()}
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for number in range(options.rounds + 1):
        for name in list(chosen)[:: -1 if number % 2 else 1]:
            started, speed = time.perf_counter(), next(epochs[name])
            if number:
                measured[name].append(speed)
            else:
                print(f"{name:24} traced and compiled in {time.perf_counter() - started:.0f} s")
    _print_table(measured)


def _print_table(measured: dict[str, list[dict[str, float]]]) -> None:
    first = None
    for name, speeds in measured.items():
        medians = {key: statistics.median(speed[key] for speed in speeds) for key in speeds[0]}
        texts = medians["examples_per_second"]
        first = first or texts
        waiting = f"{medians['waiting']:6.1%}" if "waiting" in medians else "unseen"
        ratio, padding = texts / first, medians["padding"]
        print(f"{name:24} {texts:>9,.0f} texts/s  {ratio:5.2f}   waiting {waiting}   padding {padding:6.1%}")


def _epochs(options: argparse.Namespace, vocabulary_size: int, overrides: list[str]) -> Iterator[dict[str, float]]:
    """Train for ever; yield what an epoch's meter reads."""
    config = _config([f"training.batch_size={options.batch_size}", *overrides])
    strategy = make_strategy(config.compute)
    split = _texts(options.texts, vocabulary_size)
    kind = config.compute.mixed_precision
    with strategy.scope():
        with precision(f"mixed_{kind}" if kind else "float32"):
            model = _model(options.model, vocabulary_size)
        step = TrainStep(model, make_optimizer(config.training, model, 10**6), SingleLabel(), config)
    shares = Shares(strategy.num_replicas_in_sync, config.compute.accumulate, *local_replicas(strategy))
    widths = choose_widths(split.lengths, config.compute.num_lengths) if config.compute.xla else ()
    weights, size = np.ones(len(split), np.float32), config.training.batch_size
    epoch = 0
    while True:
        planned = plan_epoch(split.lengths, size, config.training.num_length_groups, 1, epoch)
        plan = BatchPlan(planned, split.lengths, shares, widths, size)
        batches = distribute(strategy, make_batches(split, weights, plan))
        step.expect(batches.element_spec)
        yield _measure(step, iter(batches), plan, config.compute.steps_per_call)
        epoch += 1


def _measure(step: TrainStep, batches: Any, plan: BatchPlan, steps_per_call: int) -> dict[str, float]:
    meter, done = Meter(), 0
    while done < len(plan):
        count = min(steps_per_call, len(plan) - done)
        if count == 1:
            with meter.waiting():
                batch = next(batches)
            losses, _ = step(batch)
        else:
            losses, _ = step.several(batches, tf.constant(count))
        here = slice(done, done + count)
        meter.add([len(batch) for batch in plan.batches[here]], plan.tokens[here], plan.cells[here])
        done += count
    losses.numpy()  # the last step is over
    return meter.read()


def _config(overrides: list[str]) -> Config:
    return Config.make(override({"data": {"train": "none"}}, overrides))


def _texts(count: int, vocabulary_size: int) -> Encoded:
    random = np.random.default_rng(1)
    lengths = np.clip(random.lognormal(2.5, 0.5, count), 3, 100).astype(int)  # 12 in the middle, a tail of long ones
    frequencies = 1 / np.arange(1, vocabulary_size - SPECIAL_TOKENS + 1)
    ids = SPECIAL_TOKENS + random.choice(len(frequencies), lengths.sum(), p=frequencies / frequencies.sum())
    ids = ids.astype(np.int32)
    targets = random.integers(0, CLASSES, count).astype(np.int32)
    return Encoded(tf.RaggedTensor.from_row_lengths(ids, lengths), targets)


def _model(name: str, vocabulary_size: int) -> TextModel:
    keras.utils.set_random_seed(1)
    if name == "textcnn":
        return TextCNN(vocabulary_size, CLASSES, {})
    return Bert(MINILM | {"vocabulary_size": vocabulary_size}, "gelu", (2, 3), CLASSES, {})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=["textcnn", "bert"], default="textcnn")
    parser.add_argument("--only", nargs="+", default=[], metavar="WAY", help=f"of: {', '.join(WAYS | VOCABULARIES)}")
    parser.add_argument("--texts", type=int, default=2000, help="texts in an epoch")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
