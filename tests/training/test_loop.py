"""The loop: reproducible, best weights kept, early stopping, evaluations where they are asked for."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from textclf.errors import RunError
from textclf.evaluation.scores import SCORES, Scores
from textclf.text.batches import plan_epoch
from textclf.training.loop import Trainer
from textclf.training.prediction import Outcome

STEPS_PER_EPOCH = 3  # 45 texts in batches of 16

Prepare = Callable[..., Any]

eagerly = pytest.mark.usefixtures("eagerly")


class ScriptedScores:
    """Takes the place of the predictor on dev: the accuracies that a test wants, and the weights seen at each."""

    def __init__(self, trainer: Trainer, accuracies: list[float]) -> None:
        self._trainer, self._accuracies = trainer, iter(accuracies)
        self.weights: list[list[np.ndarray]] = []

    def __call__(self, split: Any) -> Outcome:
        right = round(100 * next(self._accuracies))
        self.weights.append(self._trainer.model.get_weights())
        scores = Scores.from_confusion([[right, 100 - right], [0, 0]], ["a", "b"])
        return Outcome(np.zeros((len(split), 2), np.float32), 1.0, scores)


def fit_scripted(prepare: Prepare, accuracies: list[float], *overrides: str) -> tuple[Trainer, ScriptedScores]:
    prepared = prepare("training.monitor=accuracy", *overrides)
    trainer = prepared.trainer()
    scripted = ScriptedScores(trainer, accuracies)
    trainer.predictor = scripted  # type: ignore[assignment]
    prepared.fit(trainer)
    return trainer, scripted


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def test_the_same_seed_gives_bit_equal_weights_and_another_seed_others(prepare: Prepare) -> None:
    prepared = prepare()
    weights, histories = [], []
    for seed in (1, 1, 2):
        trainer = prepared.trainer(seed)
        histories.append(prepared.fit(trainer).history)
        weights.append(trainer.model.get_weights())
    assert equal(weights[0], weights[1])
    assert not equal(weights[0], weights[2])
    timed = ("seconds", "examples_per_second", "tokens_per_second", "waiting")
    first, second = ([{k: v for k, v in r.items() if k not in timed} for r in history] for history in histories[:2])
    assert first == second


@eagerly
def test_it_learns(prepare: Prepare) -> None:
    prepared = prepare("training.epochs=12", "training.patience=0", "training.learning_rate=0.05")
    state = prepared.fit(prepared.trainer())
    assert state.best_score > 0.8
    assert state.history[-1]["train_loss"] < state.history[0]["train_loss"] / 2


@eagerly
@pytest.mark.parametrize(
    ("accuracies", "best"),
    [([0.5, 0.9, 0.7], 1), ([0.5, 0.9, 0.9], 1), ([0.0, 0.0, 0.0], 0), ([0.1, 0.2, 0.3], 2)],
    ids=["not the last", "the earlier on a tie", "the first if all are 0", "the last"],
)
def test_the_best_weights_come_back(prepare: Prepare, accuracies: list[float], best: int) -> None:
    trainer, scripted = fit_scripted(prepare, accuracies, "training.epochs=3", "training.patience=0")
    assert equal(trainer.model.get_weights(), scripted.weights[best])
    assert not equal(scripted.weights[0], scripted.weights[1])
    assert trainer.state.best_step == (best + 1) * STEPS_PER_EPOCH
    assert trainer.state.best_score == pytest.approx(accuracies[best])


@eagerly
def test_every_better_model_is_saved(prepare: Prepare) -> None:
    prepared = prepare("training.monitor=accuracy", "training.epochs=4", "training.patience=0")
    steps: list[int] = []
    trainer = prepared.trainer(save_best=lambda _: steps.append(trainer.state.step))
    trainer.predictor = ScriptedScores(trainer, [0.5, 0.4, 0.6, 0.6])
    prepared.fit(trainer)
    assert steps == [3, 9]


@eagerly
@pytest.mark.parametrize(("patience", "evaluations"), [(1, 3), (2, 5), (0, 6)])
def test_patience_counts_evaluations_without_a_better_score(prepare: Prepare, patience: int, evaluations: int) -> None:
    accuracies = [0.5, 0.6, 0.6, 0.7, 0.1, 0.7] if patience != 2 else [0.5, 0.4, 0.6, 0.6, 0.5, 0.9]
    trainer, _ = fit_scripted(prepare, accuracies, "training.epochs=6", f"training.patience={patience}")
    assert len(trainer.state.history) == evaluations


@eagerly
@pytest.mark.parametrize(
    ("every", "steps"), [(0, [3, 6]), (2, [2, 4, 6]), (4, [4, 6]), (100, [6])], ids=["epoch", "2", "4", "never"]
)
def test_evaluations_come_every_so_many_steps_and_at_the_end(prepare: Prepare, every: int, steps: list[int]) -> None:
    accuracies = iter([0.5, 0.6, 0.7])
    trainer, _ = fit_scripted(prepare, list(accuracies), f"training.evaluate_every={every}")
    assert [record["step"] for record in trainer.state.history] == steps
    assert [record["epoch"] for record in trainer.state.history] == [-(-step // STEPS_PER_EPOCH) for step in steps]
    assert trainer.state.step == 2 * STEPS_PER_EPOCH


@eagerly
def test_the_history_is_complete_and_finite(prepare: Prepare) -> None:
    prepared = prepare("training.schedule=linear", "training.evaluate_every=2")
    records = prepared.fit(prepared.trainer()).history
    assert [record["epoch"] for record in records] == [1, 2, 2]
    for record in records:
        assert record["dev"].keys() == SCORES.keys()
        assert record.keys() == {
            "epoch", "step", "train_loss", "dev_loss", "dev", "learning_rate", "examples_per_second", "seconds",
            "tokens_per_second", "padding", "waiting"
        }  # fmt: skip
        assert all(math.isfinite(number) for number in numbers(record))
    # The rate of the step to come; the last one has none.
    assert [record["learning_rate"] for record in records] == pytest.approx([0.02 * 4 / 6, 0.02 * 2 / 6, 0.0])
    assert all(record["examples_per_second"] > 0 for record in records)


def numbers(record: dict[str, Any]) -> Iterator[float]:
    for value in record.values():
        yield from value.values() if isinstance(value, dict) else [value]


@eagerly
def test_the_recorded_loss_is_the_mean_of_the_examples_since_the_last_record(prepare: Prepare) -> None:
    losses: list[float] = []
    record_loss = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(float(logs["loss"])))
    prepared = prepare("training.evaluate_every=2", "training.num_length_groups=1")
    train = prepared.splits["train"]
    sizes = [
        len(batch) for epoch in range(2) for batch in plan_epoch(train.lengths, 16, 1, prepared.config.seed, epoch)
    ]
    assert set(sizes) == {16, 13}  # or the mean over the batches would do
    records = prepared.fit(prepared.trainer(callbacks=[record_loss])).history
    sums = (np.array(losses) * sizes).reshape(3, 2).sum(axis=1)
    # An epoch's end falls between two evaluations: nothing is lost there.
    means = sums / np.array(sizes).reshape(3, 2).sum(axis=1)
    np.testing.assert_allclose([record["train_loss"] for record in records], means, rtol=1e-5)


@eagerly
def test_a_loss_that_is_no_number_stops_with_a_way_out(prepare: Prepare) -> None:
    prepared = prepare("training.learning_rate=1e30", "training.clip_norm=0.0", "training.schedule=constant")
    with pytest.raises(
        RunError,
        match=r"broke down: the loss is .* at step 2\. Its batch held rows .*\. Lower training\.learning_rate .*, "
        r"and begin anew with --force or another --run\. No weights were kept\.",
    ):
        prepared.fit(prepared.trainer())


@eagerly
def test_a_loss_that_is_no_number_later_leaves_the_best_weights(prepare: Prepare) -> None:
    def spoil(epoch: int, logs: Any = None) -> None:
        del logs
        if epoch == 1:
            trainer.model.set_weights([np.full_like(each, np.nan) for each in trainer.model.get_weights()])

    prepared = prepare()
    saved: list[list[np.ndarray]] = []
    trainer = prepared.trainer(
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=spoil)],
        save_best=lambda model: saved.append(model.get_weights()),
    )
    with pytest.raises(RunError, match=r"is nan at step 4\. .* The best weights before that are kept\."):
        prepared.fit(trainer)
    assert len(saved) == 1
