"""A whole run: what it leaves on disk, what it refuses, and what is left when it is killed."""

import dataclasses
import errno
import json
import logging
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textclf.config import Config, load_config
from textclf.data import Corpus
from textclf.errors import ConfigError, DataError, RunError
from textclf.evaluation import write_report
from textclf.evaluation.scores import SCORES
from textclf.runs import train as train_module
from textclf.runs import writer as writer_module
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.serving.classifier import load
from textclf.serving.evaluate import evaluate
from textclf.serving.export import export
from textclf.training import summary
from textclf.training.memory import peak_megabytes
from textclf.training.prediction import Predictor
from textclf.training.summary import TrainingSummary

MakeConfig = Callable[..., Config]

FILES = {"config.yaml", "labels.json", "vocabulary.txt", "model.keras", "scores.json", "report.html", "plots", "logs"}


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_run_directory_holds_every_promised_file(trained_run: Run) -> None:
    assert names(trained_run.path) == FILES
    assert any(trained_run.path.joinpath("logs").iterdir())
    assert {"confusion_matrix.png", "training_curves.png"} <= names(trained_run.path / "plots")
    assert json.loads((trained_run.path / "labels.json").read_text(encoding="utf-8")) == trained_run.labels
    assert trained_run.labels == ["delivery", "refund", "登录"]


def test_the_config_reads_back_equal(trained_run: Run, tiny_config: MakeConfig) -> None:
    assert load_config(trained_run.path / "config.yaml") == tiny_config() == trained_run.config


def test_scores_json_is_what_evaluate_finds(trained_run: Run) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    results = json.loads((trained_run.path / "scores.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert results == trained_run.results
    assert results["scores"].keys() == {"dev", "test"}
    assert evaluate(trained_run.path).to_json() == results["scores"]["test"]
    assert results["rows"] == {"train": 45, "dev": 15, "test": 15}
    best = max(results["history"], key=lambda record: record["dev"]["macro_f1"])
    assert results["best_step"] == best["step"]
    assert results["scores"]["dev"]["macro"]["f1"] == best["dev"]["macro_f1"]
    assert results["history"][0]["dev"].keys() == SCORES.keys()


def test_a_run_loads_equal(trained_run: Run) -> None:
    loaded = Run.load(trained_run.path)
    texts = ["where is my parcel", "", "验证码"]
    np.testing.assert_array_equal(loaded.probabilities(texts), trained_run.probabilities(texts))
    assert loaded.probabilities([]).shape == (0, 3)
    assert loaded.scores("dev").accuracy == trained_run.scores("dev").accuracy
    with pytest.raises(RunError, match=r"has no scores of 'train'; it has \['dev', 'test'\]"):
        loaded.scores("train")


def test_the_linear_model_leaves_a_run_too(linear_run: Run) -> None:
    assert names(linear_run.path) == FILES - {"report.html", "plots"}
    assert linear_run.results["history"] == []
    assert linear_run.scores("test").accuracy > 0.8
    loaded = Run.load(linear_run.path)
    np.testing.assert_allclose(loaded.probabilities(["退款"]), linear_run.probabilities(["退款"]), atol=1e-7)


def test_without_a_test_split_dev_is_reported(tiny_config: MakeConfig, tmp_path: Path) -> None:
    run = train(tiny_config("model=linear", "data.test=null"), tmp_path / "run")
    assert run.results["scores"].keys() == {"dev"}
    assert "dev" in (run.path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(DataError, match=r"no test split .*--data FILE"):
        evaluate(run)


def test_a_run_in_the_way_is_left_alone(tiny_config: MakeConfig, linear_run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in linear_run.path.rglob("*")}
    with pytest.raises(RunError, match=r"is there already\. Choose another --run, or replace it with --force"):
        train(tiny_config("model=linear"), linear_run.path)
    assert {path: path.stat().st_mtime_ns for path in linear_run.path.rglob("*")} == before


def test_a_run_in_the_way_is_named_before_the_data_is_read(tiny_config: MakeConfig, linear_run: Run) -> None:
    with pytest.raises(RunError, match="is there already"):
        train(tiny_config("data.train=nowhere.csv"), linear_run.path)


def test_data_that_cannot_be_read_leaves_everything_as_it_was(
    tiny_config: MakeConfig, linear_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(linear_run.path, tmp_path / "run")
    for path in (tmp_path / "run", tmp_path / "nested/new"):
        with pytest.raises(DataError, match=r"nowhere\.csv"):
            train(tiny_config("data.train=nowhere.csv"), path, force=True)
    assert names(tmp_path) == {"run"}
    assert Run.load(tmp_path / "run").results == linear_run.results


def test_force_replaces_a_run(tiny_config: MakeConfig, tmp_path: Path) -> None:
    for ngram in (1, 2):
        run = train(tiny_config("model=linear", f"model.max_ngram={ngram}"), tmp_path, force=ngram == 2, report=False)
        (run.path / "report.html").touch()
    assert run.config.model.model_dump()["max_ngram"] == 2
    train(run.config, tmp_path, force=True, report=False)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("present", [["thesis.doc"], ["config.yaml", "data.csv"]], ids=["other", "where init was"])
def test_force_removes_no_folder_that_is_no_run(tiny_config: MakeConfig, tmp_path: Path, present: list[str]) -> None:
    for name in present:
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"is no run directory \(no .* in it\), so --force does not remove it"):
        train(tiny_config("model=linear"), tmp_path, force=True)
    assert names(tmp_path) == set(present)


def test_a_file_in_the_way(tiny_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(RunError, match="is a file; a run needs a directory"):
        train(tiny_config("model=linear"), tmp_path / "run", force=True)


def test_a_misspelt_monitor_is_refused_before_anything_is_written(tiny_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.monitor: .*got 'macro_f2'.* Did you mean 'macro_f1'\?"):
        train(tiny_config("training.monitor=macro_f2"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_dropped_rows_are_logged_and_listed(
    tiny_config: MakeConfig, tiny_corpus: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "train.csv"
    bad.write_text(Path(tiny_corpus["train"]).read_text(encoding="utf-8") + ",refund\nno label,\n", encoding="utf-8")
    overrides = ("model=linear", f"data.train={bad}")
    with pytest.raises(DataError, match=r"data\.bad_rows=drop"):
        train(tiny_config(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = train(tiny_config(*overrides, "data.bad_rows=drop"), tmp_path / "run", report=False)
    rows = [json.loads(line) for line in (run.path / "bad_rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rows] == [47, 48]
    assert "Dropped: 2 bad rows:\n" in caplog.text
    assert f"They are listed in '{run.path / 'bad_rows.jsonl'}'." in caplog.text
    assert run.results["bad_rows"] == 2
    assert run.results["rows"]["train"] == 45


def test_a_kill_while_bad_rows_are_listed_leaves_a_run_to_replace(
    tiny_config: MakeConfig, tiny_corpus: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "train.csv"
    bad.write_text(Path(tiny_corpus["train"]).read_text(encoding="utf-8") + ",refund\n", encoding="utf-8")
    config = tiny_config("model=linear", f"data.train={bad}", "data.bad_rows=drop")

    def die(_: Corpus, path: Path) -> None:
        path.touch()
        raise CrashError

    with monkeypatch.context() as patch, pytest.raises(CrashError):
        patch.setattr(Corpus, "write_bad_rows", die)
        patch.setattr(writer_module.RunWriter, "abandon", writer_module.RunWriter.close)  # as a kill would
        train(config, tmp_path / "run", report=False)
    assert not (tmp_path / "run/bad_rows.jsonl").exists()
    assert (train(config, tmp_path / "run", force=True, report=False).path / "bad_rows.jsonl").is_file()


def test_a_report_that_fails_costs_nothing_but_the_report(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Any,
) -> None:
    def fail(directory: Path, _: Any) -> None:
        (directory / "plots").mkdir()
        (directory / "plots/confusion_matrix.png").touch()
        raise failure.error

    monkeypatch.setattr(train_module, "write_report", fail)
    with caplog.at_level(logging.WARNING):
        run = train(tiny_config("model=linear"), tmp_path / "run")
    assert run.scores("test").accuracy > 0.8
    assert Run.load(run.path).results == run.results
    assert f"textclf evaluate {run.path} --report {run.path}\n" in caplog.text
    assert f"its report was not written ({failure.reason})" in caplog.text
    assert names(run.path) == FILES - {"report.html", "plots"}
    evaluate(run.path, report_dir=run.path)
    assert names(run.path) == FILES


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_run_that_fails_with_a_model_says_what_is_kept(
    tiny_config: MakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    path = tmp_path / "it's mine"
    for model, step in (("textcnn", " (step 3)"), ("linear", "")):
        caplog.clear()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(TrainingSummary, "results", property(fail))
            train(tiny_config(f"model={model}", "training.epochs=1"), path, force=True, report=False)
        assert f"The best weights so far{step} are kept in '{path}'. It has no scores.json" in caplog.text
        assert (
            f"`textclf evaluate {shlex.quote(str(path))}` and `textclf export {shlex.quote(str(path))}`" in caplog.text
        )
        assert ("It has a checkpoint of step 3: the same command" in caplog.text) == (model == "textcnn")
        assert evaluate(path).support == 15


@pytest.mark.usefixtures("eagerly")
def test_a_breakdown_that_would_come_again_is_not_to_be_gone_on_with(
    tiny_config: MakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(epoch: int, logs: Any = None) -> None:
        del logs
        if epoch == 1:
            callback.model.set_weights([np.full_like(each, np.nan) for each in callback.model.get_weights()])

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=spoil)
    with pytest.raises(RunError, match=r"broke down: .* begin anew with --force or another --run\."):
        train(tiny_config(), tmp_path / "run", callbacks=[callback], report=False)
    assert "The best weights so far (step 3) are kept" in caplog.text
    assert "goes on from there" not in caplog.text


def test_ctrl_c_when_the_page_is_written_takes_no_plots_away(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(*parts: Any) -> None:
        write_report(*parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "write_report", interrupt)
    run = train(tiny_config("model=linear"), tmp_path / "run")
    assert names(run.path) == FILES
    assert "report" not in caplog.text


@pytest.mark.parametrize("written", [False, True])
def test_ctrl_c_after_the_scores_says_that_the_run_is_finished(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    written: bool,
) -> None:
    def interrupt(writer: writer_module.RunWriter, *_: Any) -> None:
        if written:
            (writer.directory / "report.html").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "_try_report", interrupt)
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config("model=linear", "data.test=null"), path)
    assert f"The run '{path}' is finished" in caplog.text
    command = f"Write it with: textclf evaluate {path} --data FILE --report {path}\n"
    assert (command in caplog.text) == (not written)


@pytest.mark.parametrize("during", ["load_corpus", "encode"])
def test_ctrl_c_before_the_first_step_says_that_nothing_is_left(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    during: str,
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, during, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(), tmp_path / "run")
    assert f"Nothing of the run '{tmp_path / 'run'}' is left: there were no weights to keep yet." in caplog.text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("saved", ["model", "scores"])
@pytest.mark.parametrize("folds", [False, True])
def test_the_command_that_scores_what_is_kept_names_data_where_the_run_has_no_test_split(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    saved: str,
    folds: bool,
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    (tmp_path / "folds.txt").write_text("0\n0\n0\n1\n1\n1\n2\n2\n2\n" * 5, encoding="utf-8")
    overrides = ["model=linear", "data.test=null"] + [f"data.folds={tmp_path / 'folds.txt'}"] * folds
    if saved == "model":
        monkeypatch.setattr(TrainingSummary, "results", property(interrupt))
    else:
        monkeypatch.setattr(train_module, "_try_report", interrupt)
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(*overrides), path)
    data = "" if folds else " --data FILE"
    report = f" --report {path}" if saved == "scores" else ""
    assert f"textclf evaluate {path}{data}{report}" in caplog.text
    if folds:
        assert evaluate(path).support == 15


def test_peak_memory_is_in_megabytes_where_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = peak_megabytes()
    assert peak is not None
    assert 100 < peak < 100_000  # TensorFlow alone takes hundreds
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_megabytes() == pytest.approx(peak / 1024, abs=1)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_megabytes() is None


def test_a_report_does_without_peak_memory(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "peak_megabytes", lambda: None)
    run = train(tiny_config("model=linear"), tmp_path / "run")
    assert run.results["peak_mb"] is None
    assert "not known" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("texts", ["parcel", [None], ["a", 1.5]], ids=repr)
def test_a_run_refuses_what_are_no_texts(linear_run: Run, texts: Any) -> None:
    with pytest.raises(TypeError, match=r"texts: expected (a list|strings)"):
        linear_run.probabilities(texts)


def test_a_run_reads_bytes_and_broken_text_as_the_export_does(trained_run: Run, exported: Path) -> None:
    texts = ["退款 \ud800 money", "退款".encode(), b"\xff money", "\udc80"]
    np.testing.assert_allclose(trained_run.probabilities(texts), load(exported).probabilities(texts), atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_a_training_makes_one_predictor(tiny_config: MakeConfig, tmp_path: Path) -> None:
    made: list[Predictor] = []
    real = Predictor.__init__

    def count(self: Predictor, *parts: Any, **options: Any) -> None:
        made.append(self)
        real(self, *parts, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "__init__", count)
        for model in ("textcnn", "linear"):
            run = train(tiny_config(*["model=linear"] * (model == "linear")), tmp_path / model, report=False)
            run.probabilities(["money"])
    assert len(made) == 2


class CrashError(Exception):
    pass


def test_a_run_killed_after_an_evaluation_loads_and_exports(tiny_config: MakeConfig, tmp_path: Path) -> None:
    def crash(*_: Any) -> None:
        raise CrashError

    with pytest.raises(CrashError):
        train(tiny_config(), tmp_path / "run", callbacks=[keras.callbacks.LambdaCallback(on_test_end=crash)])
    run = Run.load(tmp_path / "run")
    assert run.results == {}
    with pytest.raises(RunError, match=r"has no scores of 'test'; it has none"):
        run.scores()
    assert export(run, base=tmp_path / "saved_models").name == "1"


def fail_before_the_first_step() -> keras.callbacks.Callback:
    def crash(*_: Any) -> None:
        raise CrashError

    return keras.callbacks.LambdaCallback(on_train_begin=crash)


def test_a_run_that_fails_before_it_has_a_model_leaves_nothing_in_the_way(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    with pytest.raises(CrashError):
        train(tiny_config(), tmp_path / "run", callbacks=[fail_before_the_first_step()])
    assert not any(tmp_path.iterdir())


def test_a_run_that_fails_puts_the_one_it_would_have_replaced_back(tiny_config: MakeConfig, tmp_path: Path) -> None:
    path = tmp_path / "run"
    good = train(tiny_config("model=linear"), path, report=False)
    with pytest.raises(CrashError):
        train(tiny_config(), path, force=True, callbacks=[fail_before_the_first_step()])
    assert Run.load(path).results == good.results
    assert names(tmp_path) == {"run"}


def test_a_run_that_was_set_aside_by_a_killed_one_is_not_lost(tiny_config: MakeConfig, tmp_path: Path) -> None:
    path = tmp_path / "run"
    good = train(tiny_config("model=linear"), path, report=False)
    killed = writer_module.RunWriter(path, "replace")
    killed.write_start(good.config, good.labels, good.tokenizer)
    killed.close()  # the lock of a process that is no more does not count
    writer_module.RunWriter(path, "replace").abandon()
    assert Run.load(path).results == good.results


def test_a_full_disk_leaves_the_last_good_model(
    trained_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_module.RunWriter(tmp_path / "run")
    writer.write_start(trained_run.config, trained_run.labels, trained_run.tokenizer)
    writer.write_model(trained_run.model)
    good = (tmp_path / "run/model.keras").read_bytes()

    def half_written(_: Any, path: Path) -> None:
        path.write_bytes(good[: len(good) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer_module, "save_model", half_written)
    with pytest.raises(OSError, match="No space left"):
        writer.write_model(trained_run.model)
    assert (tmp_path / "run/model.keras").read_bytes() == good
    unfinished = dataclasses.replace(trained_run, results={}, predictor=None)  # its temperature is not fitted yet
    np.testing.assert_array_equal(
        Run.load(tmp_path / "run").probabilities(["money back"]), unfinished.probabilities(["money back"])
    )
