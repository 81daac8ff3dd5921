"""The loaded classifier: the newest version, every kind of text, and errors that help."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from textclf.errors import ConfigError, ExportError
from textclf.runs.directory import Run
from textclf.savedmodel.files import MANIFEST_FILE
from textclf.savedmodel.manifest import write_manifest
from textclf.serving.classifier import Classifier, load
from textclf.store.versions import versions


@pytest.fixture(scope="module", params=["exported", "bert_exported"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return load(request.getfixturevalue(request.param).parent)


def test_the_newest_version_is_loaded_by_number(exported: Path, tmp_path: Path) -> None:
    for version in ("9", "10"):
        shutil.copytree(exported, tmp_path / "tiny" / version)
    (tmp_path / "tiny/.unfinished-abc").mkdir()
    assert load(tmp_path / "tiny").version == 10
    assert load(tmp_path / "tiny/9").version == 9


def test_a_folder_without_a_number_has_no_version(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "best")
    assert load(tmp_path / "best").version is None


def test_a_name_that_is_no_number_as_written_is_no_version(exported: Path, tmp_path: Path) -> None:
    for name in ("0007", "٨", "3"):
        shutil.copytree(exported, tmp_path / "tiny" / name)
    assert versions(tmp_path / "tiny") == [3]
    assert load(tmp_path / "tiny").version == 3


@pytest.mark.parametrize("ask", ["predict", "probabilities"])
def test_what_is_no_list_of_strings_is_refused(classifier: Classifier, ask: str) -> None:
    for one in ("abc", b"abc", None, 3):
        with pytest.raises(TypeError, match=r"expected a list or another iterable of strings, got one"):
            getattr(classifier, ask)(one)
    for wrong in (None, float("nan"), 3):
        kind = type(wrong).__name__
        with pytest.raises(TypeError, match=rf"expected strings, got {kind} at position 300"):
            getattr(classifier, ask)(["parcel"] * 300 + [wrong])


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(classifier: Classifier, size: int) -> None:
    for ask in (classifier.predict, classifier.probabilities, lambda *texts: list(classifier.stream(*texts))):
        with pytest.raises(ValueError, match=f"batch_size: expected at least 1, got {size}"):
            ask(["parcel"], size)


def test_how_the_data_is_written_is_known_without_the_models_class(exported: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(exported, tmp_path / "1")
    config = copy / "assets.extra/config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("name: textcnn", "name: mine"), encoding="utf-8")
    write_manifest(copy)
    assert load(copy).data_config == load(exported).config.data
    with pytest.raises(ConfigError, match="mine"):
        _ = load(copy).config


def test_config_and_results_are_the_runs(exported: Path, trained_run: Run) -> None:
    classifier = load(exported)
    assert classifier.config == trained_run.config
    assert classifier.results == trained_run.results
    assert classifier.labels == trained_run.labels


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"No export at '.*nowhere'\. `textclf export RUN` makes one"):
        load(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="holds neither a SavedModel nor numbered versions"):
        load(tmp_path)


def test_a_name_alone_is_looked_for_under_saved_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_models/messages/1").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"No export at 'messages'\. .* Did you mean 'saved_models/messages'\?"):
        load("messages")


def test_what_is_not_there_is_looked_for_beside(tmp_path: Path) -> None:
    for name in ("messages", "other"):
        (tmp_path / name / "1").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"there are 'messages', 'other'\. Did you mean 'messages'\?$"):
        load(tmp_path / "mesages")


def test_a_run_is_told_how_to_become_an_export(trained_run: Run, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"is a run, not an export\. Export it with: textclf export /.*tiny$"):
        load(trained_run.path)
    (tmp_path / "my run").mkdir()
    (tmp_path / "my run/config.yaml").touch()
    with pytest.raises(ExportError, match="holds neither a SavedModel nor numbered versions"):
        load(tmp_path / "my run")  # a folder that somebody keeps a config in
    (tmp_path / "my run/labels.json").touch()
    with pytest.raises(ExportError, match=r"textclf export '.*/my run'$"):
        load(tmp_path / "my run")


def test_a_version_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "tiny/1").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"tiny/1' holds no saved_model\.pb"):
        load(tmp_path / "tiny")


def test_a_saved_model_of_somebody_else(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(ExportError, match=r"it is a SavedModel, but not one of textclf's"):
        load(tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        "saved_model.pb",
        "assets.extra/labels.json",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ],
)
@pytest.mark.parametrize("content", [b"", b"\x00\xff not what it should be"], ids=["empty", "other bytes"])
def test_damage_is_named(exported: Path, tmp_path: Path, file: str, content: bytes) -> None:
    shutil.copytree(exported, tmp_path / "1")
    (tmp_path / "1" / file).write_bytes(content)
    with pytest.raises(ExportError, match=r"is damaged: .*\. Export the run again with `textclf export`"):
        load(tmp_path)


@pytest.mark.parametrize(
    "file", ["saved_model.pb", "assets.extra/labels.json", "variables/variables.data-00000-of-00001"]
)
def test_one_altered_byte_is_not_answered_from(exported: Path, tmp_path: Path, file: str) -> None:
    path = shutil.copytree(exported, tmp_path / "1") / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"1' is damaged: .*\. Export the run again with `textclf export`"):
        load(tmp_path)


@pytest.mark.parametrize("manifest", [True, False])
def test_damaged_variables_are_named_without_tensorflows_inside(exported: Path, tmp_path: Path, manifest: bool) -> None:
    path = shutil.copytree(exported, tmp_path / "1") / "variables/variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    said = r"'variables/variables\.data-00000-of-00001' was altered: its SHA-256 is .{8}…, the manifest says .{8}…"
    if not manifest:
        (tmp_path / "1" / MANIFEST_FILE).unlink()
        said = r"[^{]*[Cc]hecksum does not match[^\[]*"
    with pytest.raises(ExportError, match=rf"1' is damaged: {said}\. Export the run again with `textclf export`\.$"):
        load(tmp_path)


def test_no_texts_no_predictions(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert classifier.probabilities([]).shape == (0, 3)
    answer = classifier.signature(text=tf.constant([], tf.string))
    assert answer["scores"].shape == (0, 3)


def test_texts_without_tokens_get_the_empty_texts_scores(classifier: Classifier) -> None:
    scores = classifier.probabilities(["", " \t\n", "\u3000\u200b", "\x00"])
    np.testing.assert_allclose(scores, np.broadcast_to(scores[:1], scores.shape), atol=1e-6)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)


def test_invalid_utf8_is_read_as_replacement_characters(classifier: Classifier) -> None:
    scores = classifier.probabilities([b"money \xff back", "money \ufffd back", b"\xe4\xb8", "\udc80 \ud83d"])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)


def test_what_stands_beyond_max_tokens_is_not_seen(classifier: Classifier) -> None:
    long = "parcel " * 142_858  # a million characters
    assert len(long) > 1_000_000
    scores = classifier.probabilities([long, "parcel " * 200, "x" * 1_000_000])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    assert np.isfinite(scores).all()


def test_a_single_string_is_refused(classifier: Classifier) -> None:
    for text in ("parcel", b"parcel"):
        with pytest.raises(TypeError, match="expected a list or another iterable of strings, got one"):
            classifier.predict(text)


@pytest.mark.parametrize("text", [tf.constant("parcel"), tf.constant([["parcel"]])], ids=["rank 0", "rank 2"])
def test_another_rank_is_an_error(classifier: Classifier, text: tf.Tensor) -> None:
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)):
        classifier.signature(text=text)


@hypothesis_settings(max_examples=20)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=6), neighbour=st.text(max_size=200))
def test_a_prediction_does_not_depend_on_its_neighbours(
    classifier: Classifier, texts: list[str], neighbour: str
) -> None:
    together = classifier.probabilities([*texts, neighbour, "parcel " * 150])
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together[: len(texts)], alone, atol=1e-5)


def test_a_stream_is_answered_batch_by_batch(classifier: Classifier) -> None:
    read = itertools.count()

    def texts() -> Iterator[str]:
        while True:  # never ends: whoever reads all of it hangs
            next(read)
            yield "parcel"

    stream = classifier.stream(texts(), batch_size=10)
    for _ in range(25):
        assert next(stream).label in classifier.labels
    assert next(read) == 30
