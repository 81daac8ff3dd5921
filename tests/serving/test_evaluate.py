"""Scores on labelled data: of runs and exports, of their own test split and of other sources."""

import json
from pathlib import Path

import pytest

from textclf.errors import ConfigError, DataError, ExportError, RunError
from textclf.serving.classifier import load
from textclf.serving.evaluate import evaluate
from textclf.training.run_directory import Run


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


def test_what_is_neither_a_run_nor_an_export(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nowhere"):
        evaluate(tmp_path / "nowhere")
