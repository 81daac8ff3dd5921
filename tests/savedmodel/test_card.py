"""The model card: what stands in it, and that nothing of a label can break the page."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from textclf.evaluation.calibration import Reliability
from textclf.runs.directory import Run
from textclf.savedmodel.card import model_card, write_card


def test_the_card_says_what_the_run_measured(trained_run: Run, tmp_path: Path) -> None:
    card = model_card(trained_run, "messages")
    write_card(tmp_path, card)
    assert json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8")) == card
    results = trained_run.results
    assert card["data"]["fingerprint"] == results["data_fingerprint"]
    assert card["calibration"] == results["calibration"]
    scores = trained_run.scores("test")
    assert card["scores"]["test"]["accuracy"] == scores.accuracy
    assert {label: each["f1"] for label, each in card["scores"]["test"]["labels"].items()} == dict(
        zip(scores.labels, scores.f1.tolist(), strict=True)
    )
    page = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    for words in (f"{scores.accuracy:.4f}", results["data_fingerprint"], "no weights of others", "tensorflow"):
        assert words in page


def test_the_plot_is_small_and_shown(trained_run: Run, tmp_path: Path) -> None:
    card = model_card(trained_run, "messages")
    write_card(tmp_path, card)
    plot = (tmp_path / "reliability.png").read_bytes()
    assert plot.startswith(b"\x89PNG") and len(plot) < 40_000
    assert ", on test](reliability.png)" in (tmp_path / "model_card.md").read_text(encoding="utf-8")
    found = trained_run.results["calibration"]["test"]["after"]
    assert Reliability.from_json(found).error == pytest.approx(found["expected_calibration_error"])
    assert sum(found["bins"]["counts"]) == trained_run.scores("test").support


def test_a_run_without_bins_has_no_plot(trained_run: Run, tmp_path: Path) -> None:
    """Those of before wrote two figures alone."""
    card = model_card(trained_run, "messages")
    calibration = json.loads(json.dumps(card["calibration"]))
    for when in ("before", "after"):
        del calibration["test"][when]["bins"]
    write_card(tmp_path, card | {"calibration": calibration})
    assert not (tmp_path / "reliability.png").exists()
    page = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "reliability.png" not in page and "| test, before |" in page


def test_no_folder_of_somebodys_machine_is_told(trained_run: Run) -> None:
    folder = str(Path(str(trained_run.config.data.train)).parent)
    assert folder not in json.dumps(model_card(trained_run, "messages"))


def test_labels_that_are_hardly_known_are_named(trained_run: Run) -> None:
    limits = " ".join(model_card(trained_run, "messages")["limits"])
    rows = trained_run.scores("test").counts.support
    rare = [label for label, count in zip(trained_run.labels, rows, strict=True) if count < 10]
    assert all(f"'{label}'" in limits for label in rare)
    assert ("too few to judge" in limits) == bool(rare)


def test_an_unfinished_run_says_so(trained_run: Run, tmp_path: Path) -> None:
    card = model_card(dataclasses.replace(trained_run, results={}), "messages")
    write_card(tmp_path, card)
    page = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "Nothing was measured" in page
    assert any("training was not finished" in limit for limit in card["limits"])


@pytest.mark.parametrize("label", ["a|b", "<script>", "two\nlines", "*_`[x](y)", "\\"])
def test_a_label_stays_one_cell(trained_run: Run, tmp_path: Path, label: str) -> None:
    card = model_card(trained_run, "messages")
    each = next(iter(card["scores"]["test"]["labels"].values()))
    card["scores"]["test"]["labels"] = {label: each}
    write_card(tmp_path, card)
    page = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| ") and line.endswith(f" {each['rows']} |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<script>" not in page
