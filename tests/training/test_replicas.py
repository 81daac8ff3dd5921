"""One device, two devices, parts, calls of several steps, XLA: the same weights, scores and losses from all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config import Config
from textclf.errors import ConfigError
from textclf.models.base import precision as precision_policy
from textclf.models.bert import Bert
from textclf.models.tasks import SingleLabel
from textclf.runs.train import train
from textclf.training.devices import make_strategy
from textclf.training.loop import Trainer

TWO = "compute.devices=[CPU:0,CPU:1]"
QUIET = ("model.dropout=0.0", "model.embedding_dropout=0.0")
SETTINGS = (
    *QUIET,
    "model.l2=0.1",
    "training.batch_size=13",  # 45 texts: three batches and an uneven one, none of them even on two devices
    "training.clip_norm=0.1",
    "training.weight_decay=0.1",
    "training.class_weights=balanced",
    "training.evaluate_every=3",
    "training.patience=0",
)
BERT_SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}


def fit(prepare: Callable[..., Any], *overrides: str, bert: bool = False) -> Trainer:
    """Train under the strategy that the config asks for."""
    prepared = prepare(*SETTINGS, *overrides)
    strategy, kind = make_strategy(prepared.config.compute), prepared.config.compute.mixed_precision
    with strategy.scope(), precision_policy(f"mixed_{kind}" if kind else "float32"):
        if bert:
            keras.utils.set_random_seed(1)
            sizes = BERT_SIZES | {"vocabulary_size": len(prepared.tokenizer.vocabulary)}
            options = {"dropout": 0.0, "encoder_dropout": 0.0, "layer_decay": 0.5, "pooling": "cls+mean"}
            model = Bert(sizes, "gelu", (2, 3), len(prepared.labels), options)
        else:
            model = prepared.model()
        trainer = Trainer(model, SingleLabel(), prepared.labels, prepared.config)
    prepared.fit(trainer)
    return trainer


def assert_equal(one: Trainer, other: Trainer) -> None:
    timed = ("seconds", "examples_per_second", "tokens_per_second", "waiting", "padding")
    for first, second in zip(one.state.history, other.state.history, strict=True):
        assert first["dev"] == second["dev"]  # of counts: equal to the last digit
        for name in first.keys() - {"dev", *timed}:
            assert first[name] == pytest.approx(second[name], rel=2e-5), name
    for variable, twin in zip(one.model.weights, other.model.weights, strict=True):
        np.testing.assert_allclose(twin.numpy(), variable.numpy(), atol=5e-6, err_msg=variable.path)


@pytest.fixture(scope="module")
def reference(prepare: Callable[..., Any]) -> Callable[[bool, bool], Trainer]:
    """Return the training on one device, by whether it is a BERT's and whether embeddings are lazy."""
    made: dict[tuple[bool, bool], Trainer] = {}

    def find(bert: bool, lazy: bool) -> Trainer:
        if (bert, lazy) not in made:
            made[bert, lazy] = fit(prepare, f"training.lazy_embeddings={str(lazy).lower()}", bert=bert)
        return made[bert, lazy]

    return find


@pytest.mark.slow
@pytest.mark.parametrize("bert", [False, True], ids=["textcnn", "bert"])
@pytest.mark.parametrize(
    "overrides",
    [
        (TWO,),
        ("compute.accumulate=3",),
        ("compute.steps_per_call=4",),
        ("compute.xla=true", "compute.num_lengths=2"),
        (TWO, "compute.accumulate=3"),
        (TWO, "compute.steps_per_call=4"),
        (TWO, "compute.accumulate=2", "compute.steps_per_call=4", "compute.xla=true", "compute.num_lengths=1"),
        ("training.lazy_embeddings=true", TWO),
        ("training.lazy_embeddings=true", "compute.accumulate=3", TWO),
        ("training.lazy_embeddings=true", "compute.accumulate=3", "compute.steps_per_call=4"),
    ],
    ids=" ".join,
)
def test_however_it_is_computed_it_is_the_same_training(
    prepare: Callable[..., Any], reference: Callable[[bool, bool], Trainer], overrides: tuple[str, ...], bert: bool
) -> None:
    assert_equal(reference(bert, "training.lazy_embeddings=true" in overrides), fit(prepare, *overrides, bert=bert))


def test_the_same_step_draws_the_same_dropout_and_each_part_its_own(prepare: Callable[..., Any]) -> None:
    dropping = ("model.dropout=0.5", "model.embedding_dropout=0.5", "training.epochs=1")
    one, again, in_parts = (fit(prepare, *dropping, *more) for more in ((), (), ("compute.accumulate=2",)))
    for variable, twin in zip(one.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(twin.numpy(), variable.numpy())
    assert not np.allclose(one.model.head.kernel.numpy(), in_parts.model.head.kernel.numpy(), atol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_in_float32_weights(prepare: Callable[..., Any], precision: str) -> None:
    trainer = fit(prepare, f"compute.mixed_precision={precision}", "training.epochs=1")
    assert all(variable.dtype == "float32" for variable in trainer.model.weights)
    assert (trainer._step.loss_scale is not None) == (precision == "float16")
    assert np.isfinite([record["train_loss"] for record in trainer.state.history]).all()


def test_settings_that_exclude_each_other_are_both_named(prepare: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.lazy_embeddings and compute\.steps_per_call exclude each other"):
        fit(prepare, TWO, "training.lazy_embeddings=true", "compute.steps_per_call=4")
    unread = Config.make(
        {
            "data": {"train": "nowhere.csv"},
            "training": {"lazy_embeddings": True},
            "compute": {"devices": ["CPU:0", "CPU:1"], "steps_per_call": 4},
        }
    )
    with pytest.raises(ConfigError, match=r"training\.lazy_embeddings and compute\.steps_per_call exclude each other"):
        train(unread, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match=r"xla and training\.lazy_embeddings exclude each other"):
        prepare("training.lazy_embeddings=true", "compute.xla=true")
    with pytest.raises(ConfigError, match=r"devices called GPU:0"):
        prepare("compute.devices=[gpu0]")
    with pytest.raises(ConfigError, match=r"devices called GPU:0"):
        prepare("compute.devices=[TPU:0]")
    with pytest.raises(ConfigError, match=r"strategy=one_device takes one of the devices"):
        prepare("compute.strategy=one_device", TWO)


def test_devices_that_are_not_there_are_named() -> None:
    config = Config.make({"data": {"train": "x"}, "compute": {"devices": ["GPU:7"]}})
    with pytest.raises(ConfigError, match=r"compute\.devices: this machine has no 'GPU:7'; it has 'CPU:0'"):
        make_strategy(config.compute)


def test_one_strategy_a_process() -> None:
    config = Config.make({"data": {"train": "x"}, "compute": {"devices": ["CPU:0", "CPU:1"]}})
    assert make_strategy(config.compute) is make_strategy(config.compute)
    assert make_strategy(config.compute).num_replicas_in_sync == 2
    assert make_strategy(Config.make({"data": {"train": "x"}}).compute) is tf.distribute.get_strategy()
