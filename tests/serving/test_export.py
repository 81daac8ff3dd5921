"""Exports: equal answers, the signature to the letter, and versions that appear whole or not at all."""

import errno
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from textclf.config import Config, load_config
from textclf.errors import ExportError, RunError
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.savedmodel.files import EXTRA
from textclf.serving import export as export_module
from textclf.serving.classifier import Classifier, load
from textclf.serving.export import export as gated_export
from textclf.store.versions import versions

TEXTS = ["Where is my PARCEL?!", "退款 money back", "", "ｐａｓｓｗｏｒｄ 验证码", "x", " ".join(["late parcel"] * 300)]


def export(run: Run | Path, name: str | None = None, base: Path | str = "saved_models") -> Path:
    """Export without the gate, whose tests are elsewhere."""
    return gated_export(run, name, base, allow_worse=True, verified=False)


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def check_equal_everywhere(run: Run, path: Path) -> None:
    """Compare the model in memory, the run read back, and the export."""
    expected = run.probabilities(TEXTS)
    np.testing.assert_allclose(Run.load(run.path).probabilities(TEXTS), expected, atol=1e-6)
    classifier = load(path)
    np.testing.assert_allclose(classifier.probabilities(TEXTS), expected, atol=1e-6)
    predictions = classifier.predict(TEXTS)
    assert [prediction.label for prediction in predictions] == [run.labels[best] for best in expected.argmax(axis=1)]
    np.testing.assert_allclose([prediction.score for prediction in predictions], expected.max(axis=1), atol=1e-6)
    for prediction, row in zip(predictions, expected, strict=True):
        assert list(prediction.scores) == run.labels
        np.testing.assert_allclose(list(prediction.scores.values()), row, atol=1e-6)


def test_scores_are_those_before_the_export(trained_run: Run, exported: Path) -> None:
    check_equal_everywhere(trained_run, exported)


@pytest.mark.parametrize("model", ["linear_run", "bert_run"])
def test_scores_are_those_before_the_export_of_other_models(
    model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(model)
    check_equal_everywhere(run, export(run.path, base=tmp_path))


@pytest.mark.parametrize("model", ["textcnn", "bert"])
def test_scores_are_those_before_the_export_in_mixed_precision(
    model: str, tiny_config: Callable[..., Config], tiny_bert: dict[str, Any], tmp_path: Path
) -> None:
    values = tiny_config("compute.mixed_precision=bfloat16").model_dump()
    config = Config.make(values | ({"model": tiny_bert} if model == "bert" else {}))
    run = train(config, tmp_path / "run", report=False)
    assert run.model.compute_dtype == "bfloat16"
    check_equal_everywhere(run, export(run, base=tmp_path / "saved_models"))


def test_scores_are_those_before_the_export_in_character_mode_without_edges(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_config("text.tokens=characters", "model.padding=valid", "model.filter_sizes=[2,5]")
    run = train(config, tmp_path / "run", report=False)
    check_equal_everywhere(run, export(run, base=tmp_path / "saved_models"))


@pytest.fixture(params=["exported", "bert_exported"])
def any_exported(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


RUNS = pytest.mark.parametrize(("model", "path"), [("trained_run", "exported"), ("bert_run", "bert_exported")])


@RUNS
def test_labels_config_and_scores_stand_beside_the_graph(model: str, path: str, request: pytest.FixtureRequest) -> None:
    trained_run, exported = request.getfixturevalue(model), request.getfixturevalue(path)
    assert names(exported) >= {"saved_model.pb", "variables", EXTRA}
    assert names(exported / EXTRA) >= {"labels.json", "config.yaml", "scores.json"}
    assert json.loads((exported / EXTRA / "labels.json").read_text(encoding="utf-8")) == trained_run.labels
    assert load_config(exported / EXTRA / "config.yaml") == trained_run.config
    assert json.loads((exported / EXTRA / "scores.json").read_text(encoding="utf-8")) == trained_run.results
    assert exported.stat().st_mode & 0o777 == 0o755


def test_the_graph_calls_nothing_in_python(any_exported: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((any_exported / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    ops = {node.op for node in graph.node}
    ops |= {node.op for function in graph.library.function for node in function.node_def}
    assert not {op for op in ops if "PyFunc" in op}
    # No table that grows with what it is asked, and none of XLA, which TF Serving does not have.
    assert not {op for op in ops if op.startswith(("MutableHashTable", "MutableDenseHashTable", "Xla"))}
    assert ops & {"NormalizeUTF8", "FastBertNormalize"}  # it would be empty if we looked in the wrong place
    compiled = [function for function in graph.library.function if function.attr["_XlaMustCompile"].b]
    assert not compiled


@RUNS
def test_each_weight_is_written_once(model: str, path: str, request: pytest.FixtureRequest) -> None:
    run, exported = request.getfixturevalue(model), request.getfixturevalue(path)
    weights = tf.train.load_checkpoint(str(exported / "variables" / "variables"))
    shapes = [shape for name, shape in weights.get_variable_to_shape_map().items() if "VARIABLE_VALUE" in name]
    assert sum(int(np.prod(shape)) for shape in shapes) <= run.model.count_params()


class WriteError(Exception):
    pass


@pytest.fixture
def quick_write(monkeypatch: pytest.MonkeyPatch, exported: Path) -> None:
    """Write an export by copying one."""

    def copy(_: Run, directory: Path, name: str) -> None:
        del name
        shutil.copytree(exported, directory, dirs_exist_ok=True)

    monkeypatch.setattr(export_module, "write_version", copy)


@pytest.mark.usefixtures("quick_write")
def test_versions_count_up_and_nothing_is_overwritten(trained_run: Run, tmp_path: Path) -> None:
    assert [export(trained_run, base=tmp_path).name for _ in range(2)] == ["1", "2"]
    (tmp_path / "tiny/10").mkdir()
    (tmp_path / "tiny/notes").mkdir()
    (tmp_path / "tiny/11").write_text("a file, no version", encoding="utf-8")
    assert export(trained_run, base=tmp_path).name == "12"
    assert versions(tmp_path / "tiny") == [1, 2, 10, 12]
    assert (tmp_path / "tiny/11").read_text(encoding="utf-8") == "a file, no version"
    assert versions(tmp_path / "nowhere") == []


def test_versions_go_on_from_whatever_a_server_takes_for_a_number(
    trained_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "write_version", lambda *_: None)
    (tmp_path / "tiny/0007").mkdir(parents=True)
    assert export(trained_run, base=tmp_path).name == "8"
    assert versions(tmp_path / "tiny") == [8]


@pytest.mark.usefixtures("quick_write")
def test_exports_at_once_get_different_numbers(trained_run: Run, tmp_path: Path) -> None:
    found: list[Path] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        found.append(export(trained_run, base=tmp_path))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in found) == ["1", "2", "3", "4"]
    assert names(tmp_path / "tiny") == {"1", "2", "3", "4", "log.jsonl"}
    assert all((path / "saved_model.pb").is_file() for path in found)


def test_no_number_exists_while_an_export_is_written(
    trained_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    write = export_module.write_version

    def watch(run: Run, directory: Path, name: str) -> None:
        seen.append(names(tmp_path / "tiny"))
        write(run, directory, name)
        seen.append(names(tmp_path / "tiny"))

    monkeypatch.setattr(export_module, "write_version", watch)
    export(trained_run, base=tmp_path)
    assert len(seen) == 2
    for present in seen:
        (unfinished,) = present
        assert unfinished.startswith(".unfinished-")
    assert names(tmp_path / "tiny") == {"1", "log.jsonl"}


@pytest.mark.parametrize("error", [WriteError(), KeyboardInterrupt()])
def test_a_failed_export_leaves_nothing(
    trained_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: Run, directory: Path, name: str) -> None:
        del name
        (directory / "saved_model.pb").touch()
        raise error

    monkeypatch.setattr(export_module, "write_version", fail)
    (tmp_path / "base").mkdir()
    (tmp_path / "other/tiny").mkdir(parents=True)
    for base in ("base", "new/base", "other"):
        with pytest.raises(type(error)):
            export(trained_run, base=tmp_path / base)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"base", "other", "other/tiny"}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(
            None, None, "{{function_node __wrapped__SaveV2}} variables; No space left on device [Op:SaveV2]"
        ),
    ],
    ids=["Python", "TensorFlow"],
)
def test_a_full_disk_is_an_export_error(
    trained_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(export_module, "write_version", fail)
    with pytest.raises(ExportError, match=r"tiny' cannot be written: No space left on device\. Nothing was published"):
        export(trained_run, base=tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_a_name_must_be_a_folders_and_a_models(trained_run: Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ExportError, match=r"^name: expected letters \(A to Z\), digits, '_', '\.' and '-', the first a"
    ):
        export(trained_run, name=name, base=tmp_path)
    assert names(tmp_path) == set()


def test_what_is_no_run_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Expected a run directory"):
        export(tmp_path / "nowhere", base=tmp_path / "saved_models")
    assert names(tmp_path) == set()


def test_a_base_that_is_a_file(trained_run: Run, tmp_path: Path) -> None:
    (tmp_path / "base").touch()
    with pytest.raises(ExportError, match="cannot be written: Not a directory"):
        export(trained_run, base=tmp_path / "base")


def test_two_real_exports_at_once(trained_run: Run, linear_run: Run, tmp_path: Path) -> None:
    found: dict[str, Any] = {}

    def work(run: Run) -> None:
        found[run.config.name] = export(run, name="both", base=tmp_path)

    threads = [threading.Thread(target=work, args=(run,)) for run in (trained_run, linear_run)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in (trained_run, linear_run):
        classifier: Classifier = load(found[run.config.name])
        np.testing.assert_allclose(classifier.probabilities(TEXTS), run.probabilities(TEXTS), atol=1e-6)
