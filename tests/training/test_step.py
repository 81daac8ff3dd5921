"""The step: its loss, its update against a plain float64 AdamW, and the same on one device and on two."""

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config import Config
from textclf.models.bert import Bert
from textclf.models.tasks import SingleLabel
from textclf.training.batches import BatchPlan, Shares, make_batches
from textclf.training.optimizer import make_optimizer
from textclf.training.prediction import Encoded
from textclf.training.step import TrainStep

Batch = tuple[np.ndarray, np.ndarray]

# Dropout is random; without it a step can be computed by hand.
NO_DROPOUT = ("model.dropout=0.0", "model.embedding_dropout=0.0")


@pytest.fixture
def new_model(prepare: Callable[..., Any]) -> Callable[[], Any]:
    return prepare(*NO_DROPOUT).model


def settings(compute: dict[str, Any] | None = None, **changes: Any) -> Config:
    training = {"learning_rate": 0.01, "schedule": "constant", "clip_norm": 0.0} | changes
    return Config.make({"data": {"train": "x"}, "training": training, "compute": compute or {}})


def new_step(model: Any, config: Config) -> TrainStep:
    """Return a step under the strategy that is in scope."""
    return TrainStep(model, make_optimizer(config.training, model, total_steps=10), SingleLabel(), config)


class Stepper:
    """A step that is given whole batches, on one device."""

    def __init__(self, model: Any, config: Config) -> None:
        self.step, self._parts = new_step(model, config), config.compute.accumulate

    def __call__(self, ids: Any, targets: Any) -> tuple[Any, Any]:
        split = Encoded(tf.RaggedTensor.from_tensor(ids, padding=0), np.asarray(targets))
        rows = np.arange(len(targets))
        plan = BatchPlan([rows], split.lengths, Shares(parts=self._parts))
        batches = make_batches(split, np.ones(len(rows), np.float32), plan)
        self.step.expect(batches.element_spec)
        return self.step(next(iter(batches)))


one_device = Stepper


def cross_entropy(model: Any, batch: Batch, smoothing: float = 0.0) -> np.ndarray:
    """Return the loss of each text by the formula, float64[batch]."""
    logits = model(tf.constant(batch[0])).numpy().astype(np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = np.full(logits.shape, smoothing / logits.shape[1])
    target[np.arange(len(batch[1])), batch[1]] += 1.0 - smoothing
    return -(target * log_probabilities).sum(axis=1)


def gradients(model: Any, batch: Batch) -> list[np.ndarray]:
    """Return the gradient of the mean loss by plain TensorFlow, float64."""
    with tf.GradientTape() as tape:
        logits = model(tf.constant(batch[0]), training=True)
        loss = keras.losses.sparse_categorical_crossentropy(batch[1], logits, from_logits=True)
        loss = tf.reduce_mean(loss)
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return [tf.convert_to_tensor(gradient).numpy().astype(np.float64) for gradient in found]


def global_norm(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(sum((array**2).sum() for array in arrays)))


def adamw(model: Any, batches: list[Batch], config: Config) -> list[np.ndarray]:
    """Return the weights after AdamW of Loshchilov & Hutter in float64; the model gives the gradients."""
    training = config.training
    beta_1, beta_2, epsilon, rate = 0.9, 0.999, 1e-7, training.learning_rate
    weights = [variable.numpy().astype(np.float64) for variable in model.trainable_variables]
    first, second = [np.zeros_like(each) for each in weights], [np.zeros_like(each) for each in weights]
    for step, batch in enumerate(batches, start=1):
        found = gradients(model, batch)
        scale = min(1.0, training.clip_norm / global_norm(found)) if training.clip_norm else 1.0
        for index, (variable, gradient) in enumerate(zip(model.trainable_variables, found, strict=True)):
            gradient = gradient * scale
            if variable.name != "bias":
                weights[index] *= 1.0 - training.weight_decay * rate
            first[index] = beta_1 * first[index] + (1 - beta_1) * gradient
            second[index] = beta_2 * second[index] + (1 - beta_2) * gradient**2
            moved = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
            weights[index] -= moved * first[index] / (np.sqrt(second[index]) + epsilon)
            variable.assign(weights[index].astype(np.float32))
    return weights


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_over_the_examples_before_the_update(
    new_model: Callable[[], Any], batch: Batch, smoothing: float
) -> None:
    model = new_model()
    expected = cross_entropy(model, batch, smoothing).mean()
    loss, _ = one_device(model, settings(label_smoothing=smoothing))(*map(tf.constant, batch))
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_a_penalty_moves_the_weights_but_is_not_in_the_loss(prepare: Callable[..., Any], batch: Batch) -> None:
    plain, penalized = prepare(*NO_DROPOUT).model(), prepare(*NO_DROPOUT, "model.l2=0.5").model()
    losses = [float(one_device(model, settings())(*map(tf.constant, batch))[0]) for model in (plain, penalized)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    kernels = [model.head.kernel.numpy() for model in (plain, penalized)]
    assert not np.allclose(*kernels, atol=1e-6)


@pytest.mark.parametrize(("clip_norm", "weight_decay"), [(0.0, 0.0), (0.1, 0.0), (0.1, 0.3), (1000.0, 0.0)])
def test_updates_equal_adamw_in_float64(
    new_model: Callable[[], Any], batch: Batch, clip_norm: float, weight_decay: float
) -> None:
    config = settings(clip_norm=clip_norm, weight_decay=weight_decay)
    reference, model = new_model(), new_model()
    batches = [batch, (batch[0][:4], batch[1][:4]), batch]
    norm = global_norm(gradients(reference, batch))
    expected = adamw(reference, batches, config)
    step = one_device(model, config)
    norms = [float(step(*map(tf.constant, each))[1]) for each in batches]
    assert norms[0] == pytest.approx(norm, rel=1e-5)  # before clipping
    assert 0.1 < norm < 1000.0  # so that 0.1 clips and 1000 does not
    for variable, weights in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), weights, atol=2e-5, err_msg=variable.path)


def test_xla_takes_the_same_step_with_a_bert(batch: Batch) -> None:
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    sizes |= {"vocabulary_size": int(batch[0].max()) + 1}

    def stepped(compute: dict[str, Any]) -> tuple[float, float, list[np.ndarray]]:
        keras.utils.set_random_seed(1)
        model = Bert(sizes, "gelu", (2, 3), int(batch[1].max()) + 1, {"dropout": 0.0, "encoder_dropout": 0.0})
        loss, norm = one_device(model, settings(compute, clip_norm=0.1))(*map(tf.constant, batch))
        return float(loss), float(norm), [weight.numpy() for weight in model.trainable_weights]

    plain, compiled = stepped({}), stepped({"xla": True, "num_lengths": 1})
    assert compiled[:2] == pytest.approx(plain[:2], rel=2e-5)
    for ours, theirs in zip(compiled[2], plain[2], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


def test_a_weight_that_the_loss_does_not_depend_on_stays(new_model: Callable[[], Any], batch: Batch) -> None:
    model, reference = new_model(), new_model()
    model._tracker.unlock()  # a built model takes no new weights
    model.add_weight(shape=(2,), initializer="ones", name="unused")
    config = settings(clip_norm=0.1, weight_decay=0.0)
    norms = [float(one_device(each, config)(*map(tf.constant, batch))[1]) for each in (model, reference)]
    assert norms[0] == pytest.approx(norms[1])
    weights = {variable.name: variable.numpy() for variable in model.trainable_variables}
    np.testing.assert_array_equal(weights["unused"], [1.0, 1.0])
    np.testing.assert_allclose(model.head.kernel.numpy(), reference.head.kernel.numpy(), atol=1e-7)


def test_a_step_that_overflows_moves_nothing(new_model: Callable[[], Any], batch: Batch) -> None:
    model = new_model()
    step = one_device(model, settings({"mixed_precision": "float16"}))
    assert step.step.loss_scale is not None
    step.step.loss_scale.variables[0].assign(3e38)
    before = [np.copy(weights) for weights in model.get_weights()]
    _, norm = step(*batch)
    assert not np.isfinite(norm)
    for weights, twin in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, twin)
    assert int(step.step._optimizer.iterations) == 0
    assert float(step.step.loss_scale()) < 3e37
    _, norm = step(*batch)
    assert np.isfinite(norm)
    assert int(step.step._optimizer.iterations) == 1


def test_many_trainings_in_one_process_are_traced_once_each_and_say_nothing(
    new_model: Callable[[], Any], batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tensorflow"):
        tf.get_logger().addHandler(caplog.handler)
        try:
            for _ in range(6):
                step = one_device(new_model(), settings())
                for size in (2, 3, 5, 11):
                    step(tf.constant(batch[0][:size, : size + 1]), tf.constant(batch[1][:size]))
                assert step.step._one.experimental_get_tracing_count() == 1
        finally:
            tf.get_logger().removeHandler(caplog.handler)
    assert "retracing" not in caplog.text
