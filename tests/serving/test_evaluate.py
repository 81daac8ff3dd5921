"""Scores on labelled data: of runs and exports, of their own test split and of other sources."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from textclf.config import Config
from textclf.config.files import override
from textclf.errors import ConfigError, DataError, ExportError, RunError
from textclf.evaluation import Evaluation
from textclf.runs.directory import Run
from textclf.serving import evaluate as evaluate_module
from textclf.serving.classifier import load
from textclf.serving.evaluate import evaluate
from textclf.training.summary import facts


@pytest.fixture
def other_file(tmp_path: Path, tiny_corpus: dict[str, str]) -> str:
    """The rows of test as JSON lines with other names."""
    path = tmp_path / "other.jsonl"
    lines = Path(tiny_corpus["test"]).read_text(encoding="utf-8").splitlines()[1:]
    rows = [dict(zip(("body", "intent"), line.split(","), strict=True)) for line in lines]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def test_a_run_an_export_and_their_directories_score_alike(trained_run: Run, exported: Path) -> None:
    expected = trained_run.scores("test").to_json()
    for model in (trained_run, str(trained_run.path), exported, exported.parent, load(exported)):
        assert evaluate(model).to_json() == expected


def test_a_source_and_overrides(trained_run: Run, other_file: str) -> None:
    overrides = ["data.text_column=body", "data.label_column=intent"]
    assert evaluate(trained_run, other_file, overrides=overrides).to_json() == trained_run.scores("test").to_json()
    with pytest.raises(DataError, match="text"):
        evaluate(trained_run, other_file)
    with pytest.raises(ConfigError, match="unknown key"):
        evaluate(trained_run, other_file, overrides=["data.text_colum=body"])


def test_unknown_labels_are_named(trained_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "unknown.csv"
    path.write_text("text,label\nmoney back,refund\nhello,greeting\n", encoding="utf-8")
    with pytest.raises(DataError, match="greeting"):
        evaluate(trained_run, str(path))
    scores = evaluate(trained_run, str(path), overrides=["data.bad_rows=drop"])
    assert scores.support == 1


def changed(run: Run, *overrides: str, **results: Any) -> Run:
    """Return a run as if its config or its results were others."""
    config = Config.make(override(run.config.model_dump(mode="json"), overrides))
    return replace(run, config=config, results=run.results | results)


def grown(path: str, folder: Path, row: str) -> str:
    """Return a copy of a file with a row more."""
    copy = folder / "grown.csv"
    copy.write_text(Path(path).read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    return str(copy)


@pytest.mark.parametrize("text", ["seed=7", "data.test=0.5", "data.text_column=text"])
def test_the_own_test_split_takes_no_overrides(trained_run: Run, text: str) -> None:
    with pytest.raises(ConfigError, match=r"but no labelled data\. .* \(--data FILE\), or take the overrides out"):
        evaluate(trained_run, overrides=[text])


@pytest.mark.parametrize("text", ["seed=7", "data.test=0.5", "data={}", "text.max_tokens=1", "data.fold=1"])
def test_a_source_takes_only_overrides_of_how_it_is_written(trained_run: Run, other_file: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set .*: unknown key, .*expected one of .*'data\.text_column'"):
        evaluate(trained_run, other_file, overrides=[text])


def test_data_that_changed_since_are_refused(trained_run: Run, tiny_corpus: dict[str, str], tmp_path: Path) -> None:
    path = grown(tiny_corpus["train"], tmp_path, "money back now,refund")
    with pytest.raises(DataError, match=r"data changed since .* name labelled data .*--data FILE"):
        evaluate(changed(trained_run, f"data.train={path}"))
    assert evaluate(changed(trained_run, f"data.train={path}"), tiny_corpus["test"]).support == 15


def test_a_run_without_a_record_is_scored_with_a_warning(
    trained_run: Run, tiny_corpus: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = replace(trained_run, results={})
    assert evaluate(unfinished).to_json() == trained_run.scores("test").to_json()
    assert "no record of the data that it was trained on" in caplog.text
    train = grown(tiny_corpus["train"], tmp_path, "hello,greeting")
    test = tmp_path / "test.csv"
    test.write_text(Path(tiny_corpus["test"]).read_text(encoding="utf-8") + "hello,greeting\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"labels that the classifier does not know: 'greeting'"):
        evaluate(replace(changed(trained_run, f"data.train={train}", f"data.test={test}"), results={}))


def test_dropped_rows_are_counted(
    trained_run: Run, tiny_corpus: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = grown(tiny_corpus["train"], tmp_path, ",refund")
    evaluate(changed(trained_run, f"data.train={path}", "data.bad_rows=drop"))
    assert "Dropped: 1 bad row:" in caplog.text
    caplog.clear()
    evaluate(trained_run, path, overrides=["data.bad_rows=drop"])
    assert "Dropped: 1 bad row:" in caplog.text


def test_the_report_tells_the_training_from_the_scored_data(trained_run: Run, other_file: str, tmp_path: Path) -> None:
    overrides = ["data.text_column=body", "data.label_column=intent"]
    evaluate(trained_run, other_file, overrides=overrides, report_dir=tmp_path / "other")
    page = (tmp_path / "other/report.html").read_text(encoding="utf-8")
    assert "it is not trained in epochs" not in page
    assert (tmp_path / "other/plots/training_curves.png").is_file()
    assert "<dt>rows of train</dt><dd>45</dd>" in page
    assert "text_column: text" in page
    assert "text_column: body" not in page
    assert "Scored on other data than the run's: “" in page
    assert f"textclf evaluate {trained_run.path} --data {other_file} --set data.text_column=body" in page
    assert "own dev</td>" in page

    evaluate(replace(trained_run, results={}), report_dir=tmp_path / "own")
    page = (tmp_path / "own/report.html").read_text(encoding="utf-8")
    assert "They were not recorded." in page
    assert "Scored on the split “test”" in page
    assert "textclf evaluate" not in page


@pytest.mark.parametrize("fixture", ["trained_run", "linear_run"])
def test_the_report_tells_of_the_training_what_its_own_report_told(
    fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Run = request.getfixturevalue(fixture)
    shown: list[Evaluation] = []
    monkeypatch.setattr(evaluate_module, "write_report", lambda _, evaluation: shown.append(evaluation))
    evaluate(run, report_dir="never written")
    told = facts(run.results)
    assert shown[0].facts == told | {"read from": str(run.path)}
    assert {"rows of dev", "seconds", "peak memory", "data fingerprint"} <= told.keys()
    assert told.get("best step") == (
        f"{run.results['best_step']}, by macro_f1 on dev" if run.results["history"] else None
    )


def test_what_was_not_recorded_is_no_fact(linear_run: Run) -> None:
    assert facts({}) == {}
    for key in linear_run.results:
        rest = {name: value for name, value in linear_run.results.items() if name != key}
        assert facts(rest).items() <= facts(linear_run.results).items()


def test_a_report_is_written_and_not_replaced_without_force(trained_run: Run, exported: Path, tmp_path: Path) -> None:
    evaluate(exported, report_dir=tmp_path / "report")
    page = tmp_path / "report/report.html"
    assert "验证码" in page.read_text(encoding="utf-8") or "登录" in page.read_text(encoding="utf-8")
    assert (tmp_path / "report/plots/confusion_matrix.png").is_file()
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=r"holds a report already\. Choose another folder, or replace it with force"):
        evaluate(trained_run, report_dir=tmp_path / "report")
    assert page.read_text(encoding="utf-8") == "mine"
    evaluate(exported, report_dir=tmp_path / "report", force=True)
    assert page.read_text(encoding="utf-8") != "mine"


def test_plots_of_another_report_are_not_replaced_without_force(trained_run: Run, tmp_path: Path) -> None:
    plot = tmp_path / "report/plots/confusion_matrix.png"
    plot.parent.mkdir(parents=True)
    plot.write_bytes(b"mine")
    with pytest.raises(RunError, match=r"holds plots of a report already\. Choose another folder, or replace it with"):
        evaluate("not even looked at", report_dir=tmp_path / "report")
    assert plot.read_bytes() == b"mine"
    evaluate(trained_run, report_dir=tmp_path / "report", force=True)
    assert plot.read_bytes() != b"mine"


def test_what_is_neither_a_run_nor_an_export(tmp_path: Path) -> None:
    (tmp_path / "init").mkdir()
    (tmp_path / "init/config.yaml").touch()
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "init"):
        with pytest.raises(ExportError, match=r"No run or export at '.*'\. `textclf train` makes a run under runs/"):
            evaluate(path)
