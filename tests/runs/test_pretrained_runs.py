"""Trainings that start from a preset: what they take from it, and that nothing needs it afterwards."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from textclf.config import CheckpointsConfig, Config
from textclf.data import load_corpus
from textclf.errors import ConfigError
from textclf.evaluation.calibration import scale
from textclf.models.bert import Bert
from textclf.runs import train as train_module
from textclf.runs.check import check
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.serving.classifier import load
from textclf.serving.export import export
from textclf.text.wordpiece import WordPieceTokenizer

TEXTS = ["where is my PARCEL", "", "退款 money back", "late " * 50]


@pytest.fixture
def configure(tiny_config: Callable[..., Config], tiny_preset: Path) -> Callable[..., Config]:
    """Make a config of a BERT with the preset; arguments are its options and its data's."""

    def make(data: dict[str, Any] | None = None, **options: Any) -> Config:
        values = tiny_config("training.learning_rate=0.001", "text.max_tokens=60").model_dump()
        values["data"] |= data or {}
        return Config.make(values | {"model": {"name": "bert", "preset": str(tiny_preset), **options}})

    return make


@pytest.mark.parametrize("options", [{"long_texts": "head+tail"}, {"lora_rank": 2}], ids=str)
def test_nothing_needs_the_preset_after_the_training(
    configure: Callable[..., Config], tiny_preset: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    run = train(configure(**options), tmp_path / "run", report=False)
    expected = run.probabilities(TEXTS)
    shutil.rmtree(tiny_preset)
    again = Run.load(run.path)
    assert again.config.model == run.config.model
    np.testing.assert_allclose(again.probabilities(TEXTS), expected, atol=1e-6)
    exported = load(export(again, base=tmp_path / "saved_models"))
    np.testing.assert_allclose(exported.probabilities(TEXTS), expected, atol=1e-6)


def test_nothing_asks_the_hub_after_the_training(
    configure: Callable[..., Config],
    tiny_preset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: list[Any],
) -> None:
    fetched = []

    def snapshot_download(name: str, allow_patterns: list[str], local_files_only: bool = False) -> str:
        fetched.append((name, "model.weights.h5" in allow_patterns))
        if local_files_only:
            raise FileNotFoundError("not here yet")
        return str(tiny_preset)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.model_info", lambda _: SimpleNamespace(siblings=None))
    run = train(configure(preset="hf://owner/name"), tmp_path / "run", report=False)
    assert ("owner/name", True) in fetched
    fetched.clear()
    shutil.rmtree(tiny_preset)
    again = Run.load(run.path)
    exported = load(export(again, base=tmp_path / "saved_models"))
    assert again.config.model.model_dump()["preset"] == "hf://owner/name"
    np.testing.assert_allclose(exported.probabilities(TEXTS), run.probabilities(TEXTS), atol=1e-6)
    assert fetched == no_network == []


class Stop(keras.callbacks.Callback):
    """Ends a training as a kill would, after two steps."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        if batch == 1:
            raise MemoryError("killed")


@pytest.mark.parametrize("options", [{}, {"lora_rank": 2}, {"freeze_layers": 1, "layer_decay": 0.9}], ids=str)
def test_a_training_that_goes_on_asks_for_no_preset(
    configure: Callable[..., Config], tiny_preset: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    config = configure(**options)
    config = config.model_copy(update={"checkpoints": CheckpointsConfig(steps=1)})
    whole = train(config, tmp_path / "whole", report=False)
    with pytest.raises(MemoryError):
        train(config, tmp_path / "run", callbacks=[Stop()], report=False)
    shutil.rmtree(tiny_preset)
    run = train(config, tmp_path / "run", resume="must", report=False)
    for one, other in zip(run.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_new_model_has_the_presets_weights(configure: Callable[..., Config], tiny_preset: Path) -> None:
    import keras_hub

    config = configure()
    tokenizer = Bert.make_tokenizer(config, ["parcel"])
    assert isinstance(tokenizer, WordPieceTokenizer)
    model = Bert.create(config.model, tokenizer, 3, seed=1)
    expected = keras_hub.models.BertBackbone.from_preset(str(tiny_preset))
    for one, other in zip(model.backbone.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_frozen_encoder_gets_the_regression_that_scikit_learn_fits(
    configure: Callable[..., Config], tmp_path: Path
) -> None:
    config = configure(encoder="frozen", pooling="cls+mean")
    run = train(config, tmp_path / "run", report=False)
    fresh = Bert.create(config.model, run.tokenizer, len(run.labels), seed=1)
    corpus = load_corpus(config.data, config.seed)

    def features(texts: list[str]) -> np.ndarray:
        return np.concatenate([fresh.features(run.tokenizer([text])).numpy() for text in texts])

    peer = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    peer.fit(features(corpus.train.texts), corpus.train.labels)
    expected = scale(peer.predict_proba(features(TEXTS)), run.temperature)
    np.testing.assert_allclose(run.probabilities(TEXTS), expected, atol=2e-3)
    np.testing.assert_allclose(Run.load(run.path).probabilities(TEXTS), run.probabilities(TEXTS), atol=1e-6)


def test_a_frozen_encoder_with_two_classes(configure: Callable[..., Config], tmp_path: Path) -> None:
    rows = [("parcel late", "a"), ("money back", "b"), ("courier", "a"), ("charged", "b")]
    text = "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
    (tmp_path / "two.csv").write_text(text, encoding="utf-8")
    source = str(tmp_path / "two.csv")
    config = configure({"train": source, "dev": source, "test": None}, encoder="frozen")
    run = train(config, tmp_path / "run", report=False)
    assert run.scores("dev").accuracy == 1.0


def test_frozen_layers_keep_the_presets_weights(configure: Callable[..., Config], tmp_path: Path) -> None:
    config = configure(freeze_layers=1)
    run = train(config, tmp_path / "run", report=False)
    fresh = Bert.create(config.model, run.tokenizer, len(run.labels), seed=1)
    for name, same in (("token_embedding", True), ("transformer_layer_0", True), ("transformer_layer_1", False)):
        pairs = zip(
            run.model.backbone.get_layer(name).get_weights(),
            fresh.backbone.get_layer(name).get_weights(),
            strict=True,
        )
        assert all(np.array_equal(one, other) for one, other in pairs) == same


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading the data fail the test."""
    monkeypatch.setattr(train_module, "load_corpus", lambda *_: pytest.fail("the data were read"))


@pytest.mark.usefixtures("no_data")
def test_freezing_all_layers_is_refused_with_what_does_it(configure: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"model\.freeze_layers: expected fewer than the 2 layers of .*, got 2.*encoder=frozen"
    ):
        train(configure(freeze_layers=2), tmp_path / "run", report=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_data")
def test_weights_that_are_cut_off_are_refused_before_the_data_are_read(
    configure: Callable[..., Config], tiny_preset: Path, tmp_path: Path
) -> None:
    (weights,) = [path for path in tiny_preset.iterdir() if path.name.startswith("model.")]
    weights.write_bytes(weights.read_bytes()[:-8])
    words = r"the weights in '.*' cannot be read \(.*\)\. Expected whole files, .* Copy or download them again\."
    with pytest.raises(ConfigError, match=words):
        train(configure(), tmp_path / "run", report=False)


@pytest.mark.usefixtures("no_data")
def test_rows_that_are_too_long_are_refused_before_the_data_are_read(
    configure: Callable[..., Config], tmp_path: Path
) -> None:
    for preset in ({}, {"preset": None}):
        config = configure(**preset)
        config = config.model_copy(update={"text": config.text.model_copy(update={"max_tokens": 5000})})
        with pytest.raises(ConfigError, match=r"text\.max_tokens: expected at most"):
            train(config, tmp_path / "run", report=False)


def test_texts_that_the_vocabulary_does_not_fit_are_warned_of(
    configure: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Bert.make_tokenizer(configure(), ["parcel late", "where is my parcel"])
        assert not caplog.records
        Bert.make_tokenizer(configure(), ["посылка", "где моя посылка"])
    words = "of the tokens of the training texts are not in the vocabulary of 'preset'. Take"  # its folder's name
    assert words in caplog.text


def test_a_rate_of_another_model_is_warned_of(
    configure: Callable[..., Config], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train(configure(freeze_layers=1), tmp_path / "run", report=False)  # the tiny config's rate is 0.001
    assert "with which pretrained weights are mostly forgotten" in caplog.text


def test_check_counts_word_pieces(configure: Callable[..., Config]) -> None:
    found = check(configure())
    tokenizer = Bert.make_tokenizer(configure(), [])
    assert isinstance(tokenizer, WordPieceTokenizer)
    longest = tokenizer.lengths(load_corpus(configure().data, 1).train.texts).max()
    assert found.splits["train"].lengths["max"] == longest
    assert Bert.token_counter(configure(), [])(["parcel late", "\u200b"]).tolist() == [4, 0]
