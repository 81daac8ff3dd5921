"""The BERT on keras-hub: what its answers do not depend on, what stays frozen, and what is stored of it."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config import Config, dump_config, notation
from textclf.config.bert import BertConfig
from textclf.errors import ConfigError, DataError
from textclf.models.base import precision
from textclf.models.bert import Bert
from textclf.models.builder import load_model, save_model
from textclf.text.wordpiece import WordPieceTokenizer

SIZES = {
    "vocabulary_size": 40,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 64,
}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "parcel", "money", "##s", "late", "快", "递"]
PAD, CLS, SEP = 0, 2, 3
IDS = tf.constant([[CLS, 4, 5, 6, 7, 8, 9, SEP], [CLS, 5, SEP, 0, 0, 0, 0, 0], [CLS, 4, 4, SEP, 5, SEP, 0, 0]])
LONG = {"long_texts": "windows", "window": 8, "stride": 3}
OPTIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "cls": {"pooling": "cls"},
    "both": {"pooling": "cls+mean"},
    "windows": LONG,
    "windows, max": LONG | {"window_pooling": "max"},
}


def make(num_classes: int = 3, **options: Any) -> Bert:
    keras.utils.set_random_seed(1)
    return Bert(SIZES, "gelu", (CLS, SEP), num_classes, options)


def tokenizer(max_tokens: int = 20) -> WordPieceTokenizer:
    return WordPieceTokenizer(VOCABULARY, lowercase=True, max_tokens=max_tokens)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_logits_depend_neither_on_neighbours_nor_on_padding(options: dict[str, Any]) -> None:
    model = make(**options)
    together = model(IDS).numpy()
    np.testing.assert_allclose(model(tf.pad(IDS, [[0, 0], [0, 5]])), together, atol=1e-5)
    for row, logits in zip(IDS.numpy(), together, strict=True):
        np.testing.assert_allclose(model(tf.constant([row[row != PAD]]))[0], logits, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_eager_is_function_and_empty_batches_are_answered(options: dict[str, Any]) -> None:
    model = make(**options)
    function = tf.function(model, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    np.testing.assert_allclose(function(IDS), model(IDS), atol=1e-6)
    assert function(tf.zeros([0, 0], tf.int32)).shape == (0, 3)
    assert function(IDS[:0]).shape == (0, 3)
    assert function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_saved_and_loaded(options: dict[str, Any], tmp_path: Path) -> None:
    model = make(**options)
    save_model(model, tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras", "bert")(IDS), model(IDS))


def test_a_model_whose_library_is_missing_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(make(), tmp_path / "model.keras")
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(DataError, match=r'^BERT needs `pip install "textclf\[bert\]"`'):
        load_model(tmp_path / "model.keras", "bert")


def test_windows_of_a_short_text_change_nothing() -> None:
    whole, windows = make(), make(**LONG | {"window": 16, "stride": 8})
    windows.set_weights(whole.get_weights())
    np.testing.assert_allclose(windows(IDS), whole(IDS), atol=1e-6)


def test_the_score_of_windows_is_the_mean_or_the_largest_of_their_scores() -> None:
    whole, mean, largest = make(), make(**LONG), make(**LONG, window_pooling="max")
    for other in (mean, largest):
        other.set_weights(whole.get_weights())
    text = tf.constant([[CLS, *range(4, 14), SEP]])
    parts = [whole(tf.constant([[CLS, *range(start, min(start + 6, 14)), SEP]]))[0] for start in (4, 7, 10)]
    np.testing.assert_allclose(mean(text)[0], np.mean(parts, axis=0), atol=1e-5)
    np.testing.assert_allclose(largest(text)[0], np.max(parts, axis=0), atol=1e-5)


def test_the_second_text_of_a_pair_has_the_second_segment() -> None:
    model = make()
    before = model(IDS).numpy()
    first, second = model.backbone.segment_embedding.embeddings.numpy()
    model.backbone.segment_embedding.embeddings.assign([first, second + np.arange(8)])
    after = model(IDS).numpy()
    np.testing.assert_array_equal(after[:2], before[:2])
    assert np.abs(after[2] - before[2]).max() > 1e-3


def test_the_activation_is_stored_with_the_model() -> None:
    exact, approximate = make(), Bert(SIZES, "gelu_approximate", (CLS, SEP), 3, {})
    approximate.set_weights(exact.get_weights())
    again = Bert.from_config(approximate.get_config())
    again.set_weights(exact.get_weights())
    np.testing.assert_array_equal(again(IDS), approximate(IDS))
    assert np.abs(exact(IDS) - approximate(IDS)).max() > 0


LAYERS = {"transformer_layer_0", "transformer_layer_1", "transformer_layer_2"}
EMBEDDINGS = {"token_embedding", "position_embedding", "segment_embedding", "embeddings_layer_norm"}


@pytest.mark.parametrize(
    ("options", "trained"),
    [
        ({"pooling": "cls"}, LAYERS | EMBEDDINGS | {"pooled_dense"}),
        ({}, LAYERS | EMBEDDINGS),
        ({"freeze_embeddings": True}, LAYERS),
        ({"freeze_layers": 1}, LAYERS - {"transformer_layer_0"}),
        ({"freeze_layers": 3}, set()),
        ({"lora_rank": 2}, LAYERS),
    ],
)
def test_what_is_frozen_is_not_trained(options: dict[str, Any], trained: set[str]) -> None:
    model = make(preset="x", **options)
    model.freeze()
    assert {variable.path.split("/")[0] for variable in model.backbone.trainable_variables} == trained
    assert {id(variable) for variable in model.head.variables} <= {id(v) for v in model.trainable_variables}
    if "lora_rank" in options:
        assert {v.name for v in model.backbone.trainable_variables} == {"lora_kernel_a", "lora_kernel_b"}


def test_a_new_encoder_has_no_pooler_to_train_where_nothing_is_told_by_it() -> None:
    for pooling, trained in (("mean", False), ("cls", True)):
        options = BertConfig(name="bert", num_layers=1, hidden_dim=8, num_heads=2, intermediate_dim=8, pooling=pooling)
        model = Bert.create(options, tokenizer(), 2, seed=1)
        again = Bert.create_again(json.loads(json.dumps(model.structure())))
        for each in (model, again):
            names = {variable.path.split("/")[0] for variable in each.backbone.trainable_variables}
            assert ("pooled_dense" in names) == trained


def test_dropout_is_where_the_options_say() -> None:
    def moves(model: Bert) -> tuple[bool, bool]:
        """Return whether training changes the pooled features, and the logits of given features."""
        states = [model.features(IDS, training=True).numpy() for _ in range(2)]
        logits = [model._logits(tf.ones((2, 8)), training=True).numpy() for _ in range(2)]
        return not np.array_equal(*states), not np.array_equal(*logits)

    assert moves(make(encoder_dropout=0.0, dropout=0.5)) == (False, True)
    assert moves(make(encoder_dropout=0.5, dropout=0.0)) == (True, False)


def test_low_rank_updates_are_stored_in_the_weights(tmp_path: Path) -> None:
    model = make(preset="x", lora_rank=2)
    model.freeze()
    for variable in model.trainable_variables:
        variable.assign(variable + 0.3)
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", "bert")
    assert not [variable for variable in loaded.variables if "lora" in variable.path]
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-5)


def test_layer_decay_falls_with_the_layers() -> None:
    model = make(layer_decay=0.5)
    scales = {variable.path: model.learning_rate_scale(variable) for variable in model.trainable_variables}
    found = {
        part: {scale for path, scale in scales.items() if part in path}
        for part in ("head", "layer_2", "layer_1", "layer_0", "token_embedding", "embeddings_layer_norm")
    }
    assert found == {
        "head": {1.0},
        "layer_2": {0.5},
        "layer_1": {0.25},
        "layer_0": {0.125},
        "token_embedding": {0.0625},
        "embeddings_layer_norm": {0.0625},
    }
    even = make()
    assert {even.learning_rate_scale(variable) for variable in even.trainable_variables} == {1.0}


def test_mixed_precision_gives_float32_logits_and_float32_weights(tmp_path: Path) -> None:
    plain = make()
    with precision("mixed_bfloat16"):
        model = make()
    model.set_weights(plain.get_weights())
    assert model(IDS).dtype == tf.float32
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.backbone.transformer_layers[0].compute_dtype == "bfloat16"
    difference = np.abs(model(IDS) - plain(IDS)).max()
    assert 0 < difference < 0.05
    save_model(model, tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras", "bert")(IDS), model(IDS))


def test_without_a_preset_the_sizes_are_the_options(caplog: pytest.LogCaptureFixture) -> None:
    options = BertConfig(num_layers=1, hidden_dim=8, num_heads=2, intermediate_dim=16)
    with caplog.at_level(logging.WARNING):
        model = Bert.create(options, tokenizer(), 4, seed=1)
    assert "model.preset is not set" in caplog.text
    assert model.backbone.vocabulary_size == len(VOCABULARY)
    assert (len(model.backbone.transformer_layers), model.backbone.hidden_dim) == (1, 8)
    assert model(tokenizer()(tf.constant(["late parcels", ""]))).shape == (2, 4)


@pytest.mark.parametrize(
    ("options", "max_tokens", "words"),
    [
        ({}, 600, r"text\.max_tokens: expected at most 512, .* got 600\. Lower it, or read long texts in windows"),
        (LONG | {"window": 513, "stride": 200}, 600, r"model\.window: expected at most 512, .* got 513\. Lower it\.$"),
    ],
)
def test_what_the_encoder_cannot_read_at_once_is_refused(options: dict[str, Any], max_tokens: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Bert.create(BertConfig(**options), tokenizer(max_tokens), 2, seed=1)
    assert Bert.create(BertConfig(**LONG), tokenizer(600), 2, seed=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_dim": 10, "num_heads": 4}, "expected hidden_dim to be a multiple of num_heads"),
        ({"long_texts": "windows", "window": 10, "stride": 9}, "expected a stride from window / 4, .* got stride=9"),
        ({"long_texts": "windows", "window": 16, "stride": 3}, "expected a stride from window / 4, .* got stride=3"),
        ({"stride": 64}, "stride=64 counts only with long_texts=windows"),
        ({"encoder": "frozen"}, "encoder=frozen needs a preset"),
        ({"lora_rank": 4}, "lora_rank=4 counts only with a preset"),
        ({"preset": "minilm", "num_layers": 12}, "num_layers=12 counts only without a preset"),
        (
            {"preset": "minilm", "encoder": "frozen", "freeze_layers": 1},
            "freeze_layers=1 counts only with encoder=trai",
        ),
        ({"preset": "minilm", "encoder": "frozen", "dropout": 0.2}, r"dropout=0\.2 counts only with encoder=trained"),
        (
            {"preset": "x", "encoder": "frozen"} | LONG | {"window_pooling": "max"},
            "window_pooling=max needs encoder=tr",
        ),
        ({"max_iterations": 5}, "max_iterations=5 counts only with encoder=frozen"),
        ({"preset": "minilm", "lora_rank": 2, "freeze_layers": 1}, "lora_rank freezes all of the encoder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.make({"data": {"train": "x"}, "model": {"name": "bert"} | options})


def test_windows_and_xla_exclude_each_other() -> None:
    def make_config(**model: Any) -> Config:
        return Config.make({"data": {"train": "x"}, "model": {"name": "bert"} | model, "compute": {"xla": True}})

    with pytest.raises(ConfigError, match=r"compute: xla and model\.long_texts=windows exclude each other: XLA"):
        make_config(**LONG)
    assert make_config(long_texts="head+tail").compute.xla
    assert make_config(preset="x", encoder="frozen", long_texts="windows").compute.xla  # which nothing comes of


def defaults_of(**options: Any) -> dict[str, Any]:
    config = Config.make({"data": {"train": "x"}, "model": {"name": "bert"} | options})
    chosen = {name: getattr(config.training, name) for name in ("epochs", "learning_rate", "batch_size", "patience")}
    return chosen | {"max_tokens": config.text.max_tokens}


def test_the_defaults_of_training_follow_the_options() -> None:
    new = {"epochs": 15, "learning_rate": 5e-4, "batch_size": 32, "patience": 5, "max_tokens": 200}
    tuned = {"epochs": 4, "learning_rate": 1e-4, "batch_size": 32, "patience": 0, "max_tokens": 200}
    assert defaults_of() == new
    assert defaults_of(preset="x") == tuned
    assert defaults_of(preset="x", lora_rank=4) == tuned | {"learning_rate": 1e-3}
    assert defaults_of(preset="x", long_texts="windows") == tuned | {"batch_size": 16, "max_tokens": 512}


def test_a_learning_rate_of_another_model_is_doubted() -> None:
    def doubts(**model: Any) -> list[str]:
        values = {"data": {"train": "x"}, "model": {"name": "bert"} | model, "training": {"learning_rate": 0.001}}
        config = Config.make(values)
        return config.model.doubts(config)

    (doubt,) = doubts(preset="x")
    assert doubt.startswith("training.learning_rate is 0.001, with which pretrained weights are mostly forgotten")
    assert doubt.endswith(
        "this model's defaults are: --set training.batch_size=32 --set training.warmup=0.1 "
        "--set training.weight_decay=0.01 --set training.epochs=4 --set training.learning_rate=0.0001 "
        "--set training.patience=0"
    )
    assert doubts() == doubts(preset="x", lora_rank=2) == []


def test_the_default_rate_is_doubted_for_an_encoder_of_base_size(
    make_preset: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    preset = make_preset({"hidden_size": 768, "num_attention_heads": 12})

    def warned(learning_rate: float | None = None, **model: Any) -> str:
        training = {} if learning_rate is None else {"learning_rate": learning_rate}
        values = {"model": {"name": "bert", "preset": preset} | model, "training": training}
        caplog.clear()
        Bert.make_tokenizer(Config.make({"data": {"train": "x"}, "text": {"max_tokens": 16}} | values), ["go"])
        return caplog.text

    assert "learning_rate is 0.0001, the default, which suits small encoders" in warned()
    assert "768 wide" in warned() and "--set training.learning_rate=3e-5" in warned()
    assert not warned(3e-5) and not warned(2e-4) and not warned(lora_rank=2) and not warned(encoder="frozen")


def test_a_training_section_of_no_use_is_doubted_and_not_recorded() -> None:
    values = {"data": {"train": "x"}, "model": {"name": "bert", "preset": "x", "encoder": "frozen"}}
    config = Config.make(values)
    assert config.model.doubts(config) == []
    written = notation.parse(dump_config(config))
    assert "training" not in written
    assert {"num_layers", "window", "layer_decay"}.isdisjoint(written["model"])
    assert written["model"]["inverse_regularization"] == 0.1
    given = Config.make(values | {"training": {"epochs": 3}})
    (doubt,) = given.model.doubts(given)
    assert "counts nothing for this model, which a solver fits in one go: 'epochs'." in doubt
    assert notation.parse(dump_config(given))["training"]["epochs"] == 3


def test_fields_that_nothing_comes_of_are_doubted() -> None:
    def doubts(model: Any, **sections: dict[str, Any]) -> list[str]:
        config = Config.make({"data": {"train": "x"}, "model": model} | sections)
        again = Config.make(notation.parse(dump_config(config)))
        assert again.model.doubts(again) == config.model.doubts(config)
        return config.model.doubts(config)

    frozen = {"name": "bert", "preset": "x", "encoder": "frozen"}
    compute = {"xla": True, "mixed_precision": "bfloat16", "accumulate": 1, "devices": ["CPU:0"]}
    why = "counts nothing for this model: a solver fits it in one go."
    for model in (frozen, "linear"):
        assert doubts(model, compute=compute) == [f"compute.mixed_precision=bfloat16 {why}", f"compute.xla=True {why}"]
    assert doubts({"name": "bert", "preset": "x"}, compute=compute) == []
    text = {"tokens": "characters", "min_count": 3, "max_size": 200_000, "max_tokens": 50}
    assert doubts("bert", text=text) == [
        "text.tokens=characters counts nothing for this model: BERT has word pieces of its own.",
        "text.min_count=3 counts nothing for this model: BERT has word pieces of its own.",
    ]
    assert len(doubts(frozen, text=text, compute=compute)) == 4
    assert doubts("textcnn", text=text, compute=compute) == []


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_learnt_vocabulary_has_the_case_that_was_asked_for(lowercase: bool) -> None:
    model = {"name": "bert", "lowercase": lowercase, "vocabulary_size": 100}
    made = Bert.make_tokenizer(Config.make({"data": {"train": "x"}, "model": model}), ["Parcel late"] * 9)
    assert ("P" in made.vocabulary) != lowercase
