"""What TensorBoard shows of a finished run: scores, images, curves, mistakes, features, and a row among other runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.projector import ProjectorConfig

from textclf.config import Config
from textclf.evaluation.scores import SCORES
from textclf.runs import train as train_module
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.tensorboard.hparams import compared_fields
from textclf.tensorboard.projector import MOST_ROWS, write_projector
from textclf.tensorboard.summary import write_tensorboard

ReadEvents = Callable[[Path], dict[str, dict[int, Any]]]
MakeConfig = Callable[..., Config]


@pytest.mark.parametrize("name", ["trained_run", "linear_run"])
def test_every_split_is_shown_once_at_the_best_step(
    name: str, request: pytest.FixtureRequest, read_events: ReadEvents
) -> None:
    run = request.getfixturevalue(name)
    found = read_events(run.path / "logs")
    for split, prefix in {"dev": "best_dev", "test": "test"}.items():
        scores = run.scores(split)
        expected = {f"{prefix}/{score}": value for score, value in scores.headline().items()}
        expected[f"{prefix}/loss"] = run.results["losses"][split]
        expected |= {f"{prefix}_class_f1/{label}": scores.f1[i] for i, label in enumerate(run.labels)}
        others = {f"{prefix}/confusion_matrix", f"{prefix}/mistakes"}
        others |= {f"{prefix}_precision_recall/{label}" for label in run.labels}
        assert {tag for tag in found if tag.startswith((f"{prefix}/", f"{prefix}_"))} == expected.keys() | others
        assert all(list(found[tag]) == [run.results["best_step"]] for tag in expected.keys() | others)
        assert {tag: found[tag][run.results["best_step"]] for tag in expected} == pytest.approx(expected)
        (table,) = found[f"{prefix}/mistakes"].values()
        wrong = scores.support - int(scores.counts.true_positives.sum())
        assert max(len(table.item().decode().splitlines()) - 2, 0) == wrong
        for label, support in zip(run.labels, scores.counts.support, strict=True):
            (curve,) = found[f"{prefix}_precision_recall/{label}"].values()
            assert curve[:, 0].tolist()[:4] == [support, scores.support - support, 0, 0]
    if name == "linear_run":
        assert not [tag for tag in found if tag.startswith(("dev", "train"))]


@pytest.mark.parametrize("name", ["trained_run", "linear_run"])
def test_a_run_is_a_row_among_others(name: str, request: pytest.FixtureRequest, read_events: ReadEvents) -> None:
    run = request.getfixturevalue(name)
    folder = run.path / "logs/hparams"
    found = read_events(folder)
    test = run.scores("test")
    expected = {"dev_macro_f1": run.scores("dev").macro.f1}
    expected |= {"test_macro_f1": test.macro.f1, "test_accuracy": test.accuracy}
    for metric, value in expected.items():
        assert found.pop(f"hparams/{metric}") == {0: pytest.approx(value)}
    assert all(tag.startswith("_hparams_/") for tag in found)

    (path,) = folder.iterdir()
    contents = [
        HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    (start,) = [content.session_start_info for content in contents if content.HasField("session_start_info")]
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert values == compared_fields(run.config) | {"data": run.results["data_fingerprint"][:12]}
    assert start.group_name.startswith(f"{run.path.name} ")


def test_what_is_compared_is_what_somebody_chose(tiny_config: MakeConfig) -> None:
    assert compared_fields(tiny_config()) == {
        "seed": 1,
        "model.name": "textcnn",
        "model.embedding_dim": 8,
        "model.num_filters": 4,
        "model.filter_sizes": "[2, 3]",
        "training.learning_rate": 0.02,
        "training.batch_size": 16,
        "training.epochs": 2,
    }
    changed = tiny_config("training.class_weights={refund: 2.0}", "text.min_count=3", "compute.accumulate=2")
    more = {"training.class_weights": '{"refund": 2.0}', "text.min_count": 3}
    assert compared_fields(changed) == compared_fields(tiny_config()) | more
    # The defaults are the model's own: BERT's rate is not TextCNN's.
    bert = compared_fields(tiny_config("model=bert", "training={}"))
    assert bert.keys() == {"seed", "model.name", "training.learning_rate", "training.batch_size", "training.epochs"}


@pytest.mark.parametrize("name", ["trained_run", "bert_run"])
def test_the_projector_gets_devs_texts_with_their_labels(name: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(name)
    config = text_format.Parse((run.path / "logs/projector_config.pbtxt").read_text(), ProjectorConfig())
    (shown,) = config.embeddings
    features = np.loadtxt(run.path / "logs" / shown.tensor_path, delimiter="\t")
    head, *rows = [
        line.split("\t") for line in (run.path / "logs" / shown.metadata_path).read_text("utf-8").split("\n")
    ]
    assert head == ["label", "predicted", "text"]
    assert rows.pop() == [""]
    labels, predicted, texts = zip(*rows, strict=True)
    ids = run.tokenizer.encode(list(texts))
    np.testing.assert_allclose(features, run.model.features(ids.to_tensor()), rtol=1e-3, atol=1e-4)
    assert [run.labels[i] for i in run.probabilities(texts).argmax(axis=1)] == list(predicted)
    hits = np.mean([label == guess for label, guess in zip(labels, predicted, strict=True)])
    assert hits == pytest.approx(run.scores("dev").accuracy)


def test_the_linear_model_has_no_features(linear_run: Run) -> None:
    assert not (linear_run.path / "logs/projector_config.pbtxt").exists()


def test_of_many_texts_some_are_projected_each_on_one_line(tmp_path: Path) -> None:
    count = 2 * MOST_ROWS + 1
    ids = tf.RaggedTensor.from_row_lengths(tf.range(count), tf.ones(count, tf.int32))
    texts = [f"row\t{number}\n\u2028\ud800" for number in range(count)]
    columns = {"label": ["a" * 900] * count, "text": texts}
    write_projector(tmp_path, "dev", lambda batch: tf.cast(tf.repeat(batch, 2, axis=1), tf.bfloat16), ids, columns)
    tensors = np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t")
    head, *lines = (tmp_path / "metadata.tsv").read_text("utf-8").splitlines()
    assert tensors.shape == (len(lines), 2) == (MOST_ROWS, 2)
    assert head == "label\ttext"
    numbers = [int(line.split("\t")[1].split()[1]) for line in lines]
    assert (numbers[0], numbers[-1]) == (0, count - 1)
    np.testing.assert_allclose(tensors[:, 0], numbers, rtol=0.01)
    assert all(len(line.split("\t")[0]) == 200 for line in lines)


def test_a_run_is_finished_also_if_tensorboard_lacks_a_part_of_it(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Any,
) -> None:
    def fail(*_: Any) -> None:
        raise failure.error

    monkeypatch.setattr(train_module, "write_tensorboard", fail)
    run = train(tiny_config("model=linear"), tmp_path / "run")
    assert (run.path / "scores.json").is_file()
    assert (run.path / "report.html").is_file()
    assert f"TensorBoard lacks the best weights of '{run.path}', or a part ({failure.reason})." in caplog.text


def test_a_kill_before_the_scores_doubles_nothing(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_events: ReadEvents
) -> None:
    def twice(*parts: Any) -> None:
        write_tensorboard(*parts)
        write_tensorboard(*parts)

    monkeypatch.setattr(train_module, "write_tensorboard", twice)
    logs = train(tiny_config("model=linear"), tmp_path / "run", report=False).path / "logs"
    assert read_events(logs).keys() > {"test/accuracy", "best_dev/accuracy"}  # each step of a tag once
    assert read_events(logs / "hparams").keys() > {"hparams/test_accuracy"}


def test_a_run_without_a_test_split_shows_dev_alone(
    tiny_config: MakeConfig, tmp_path: Path, read_events: ReadEvents
) -> None:
    run = train(tiny_config("model=linear", "data.test=null"), tmp_path / "run", report=False)
    found = read_events(run.path / "logs")
    assert {tag.partition("/")[0] for tag in found} == {"best_dev", "best_dev_class_f1", "best_dev_precision_recall"}
    assert {f"best_dev/{name}" for name in SCORES} < found.keys()
    assert "hparams/dev_macro_f1" in read_events(run.path / "logs/hparams")
