"""What may become the served version: floors, the load gate, and the comparison with the live version."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textclf.config import Config
from textclf.errors import ConfigError, ExportError
from textclf.evaluation.scores import SCORES
from textclf.gate.report import Report
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.serving import export as export_module
from textclf.serving.evaluate import own_test_split
from textclf.serving.export import export
from textclf.serving.release import check_floors, compare_with_live, live_version
from textclf.store.labels import set_label
from textclf.store.lifecycle import publish_version
from textclf.store.log import read
from textclf.store.versions import versions

MEASURED = {"load_seconds": 0.5, "first_answer_warm_seconds": 0.01}


class WrongPredictor:
    """Gives each text of a split the label after the right one."""

    def __init__(self, run: Run) -> None:
        split = own_test_split(run)
        targets = np.array([run.labels.index(its) for its in split.labels])
        self._scores = np.eye(len(run.labels), dtype=np.float32)[(targets + 1) % len(run.labels)]

    def probabilities(self, ids: Any) -> np.ndarray:
        assert ids.shape[0] == len(self._scores)
        return self._scores


@pytest.fixture
def bad_run(trained_run: Run) -> Run:
    return dataclasses.replace(trained_run, predictor=WrongPredictor(trained_run))  # type: ignore[arg-type]


@pytest.fixture
def base(exported: Path, tmp_path: Path) -> Path:
    """Return a base path with `trained_run` as version 1 of `tiny`."""
    shutil.copytree(exported.parent, tmp_path / "base/tiny")
    return tmp_path / "base"


@pytest.fixture
def quick_write(monkeypatch: pytest.MonkeyPatch, exported: Path) -> None:
    def copy(_: Run, directory: Path, name: str) -> None:
        del name
        shutil.copytree(exported, directory, dirs_exist_ok=True)

    monkeypatch.setattr(export_module, "write_version", copy)


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the load gate finds, to be filled."""
    found: list[str] = []
    monkeypatch.setattr(export_module, "verify", lambda path: Report(path, findings=found, measured=MEASURED))
    return found


@pytest.mark.parametrize("metric", SCORES)
def test_a_floor_is_held_against_the_score_on_test(trained_run: Run, metric: str) -> None:
    score = SCORES[metric](trained_run.scores("test"))
    check_floors(trained_run, {metric: score})
    if score < 1.0:
        with pytest.raises(ExportError, match=f"scores too low on test: {metric} 0.* < 1. Nothing was published"):
            check_floors(trained_run, {metric: 1.0})


@pytest.mark.parametrize(
    ("floors", "words"), [({"acuracy": 0.5}, "Did you mean 'accuracy'"), ({"accuracy": 90}, "0 to 1, got 90")]
)
def test_a_floor_that_is_none(trained_run: Run, floors: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_floors(trained_run, floors)


def test_a_run_without_scores_reaches_no_floor(trained_run: Run) -> None:
    with pytest.raises(ExportError, match="has no scores on test that a floor could be held against"):
        check_floors(dataclasses.replace(trained_run, results={}), {"accuracy": 0.1})


def test_the_live_version_is_the_stable_one_or_the_newest(base: Path) -> None:
    assert live_version(base, "nothing") is None
    assert live_version(base, "tiny") == 1
    shutil.copytree(base / "tiny/1", base / "tiny/2")
    assert live_version(base, "tiny") == 2
    set_label(base, "tiny", "stable", 1)
    assert live_version(base, "tiny") == 1


def test_a_label_on_a_version_that_is_gone_is_none(base: Path) -> None:
    shutil.copytree(base / "tiny/1", base / "tiny/2")
    set_label(base, "tiny", "stable", 1)
    shutil.rmtree(base / "tiny/1")
    assert live_version(base, "tiny") == 2


def test_a_version_is_as_good_as_itself(trained_run: Run, base: Path) -> None:
    found = compare_with_live(trained_run, base, "tiny")
    assert found is not None
    assert (found.low, found.high, found.is_worse) == (0.0, 0.0, False)
    assert found.first == SCORES[found.metric](trained_run.scores("test"))
    assert found.rows == trained_run.scores("test").support


@pytest.mark.usefixtures("quick_write", "findings")
def test_what_is_worse_is_not_published_unless_told_to(bad_run: Run, base: Path) -> None:
    with pytest.raises(
        ExportError, match=r"worse than version 1, which is live, .*macro_f1 0\.0000 against .*--allow-worse"
    ):
        export(bad_run, base=base)
    assert versions(base / "tiny") == [1]
    assert export(bad_run, base=base, allow_worse=True).name == "2"
    assert read(base / "tiny")[-1].facts["not_compared_with"] == 1


@pytest.mark.usefixtures("quick_write", "findings")
def test_the_log_says_what_was_compared(trained_run: Run, base: Path) -> None:
    export(trained_run, base=base)
    facts = read(base / "tiny")[-1].facts
    assert (facts["action"], facts["version"], facts["compared_with"]) == ("published", 2, 1)
    assert "95 % interval +0.0000 to +0.0000" in facts["comparison"]


@pytest.mark.usefixtures("findings")
def test_who_publishes_meanwhile_is_compared_with(
    trained_run: Run, bad_run: Run, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two exports at once, each is compared with what is live when it is published."""

    def copy(_: Run, directory: Path, name: str) -> None:
        del name
        shutil.copytree(exported, directory, dirs_exist_ok=True)
        other = directory.with_name(".unfinished-other")
        if not (directory.parent / "2").exists():
            publish_version(shutil.copytree(exported, other), directory.parent)

    monkeypatch.setattr(export_module, "write_version", copy)
    with pytest.raises(ExportError, match="worse than version 1, which is live"):
        export(bad_run, base=tmp_path)
    assert versions(tmp_path / "tiny") == [1]
    assert export(trained_run, base=tmp_path).name == "3"
    assert read(tmp_path / "tiny")[-1].facts["compared_with"] == 2
    assert export(bad_run, base=tmp_path, allow_worse=True).name == "4"


@pytest.mark.usefixtures("quick_write")
def test_what_the_load_gate_refuses_is_not_published(trained_run: Run, tmp_path: Path, findings: list[str]) -> None:
    findings += ["It holds a PyFunc.", "It is slow."]
    with pytest.raises(ExportError, match=r"load gate refuses(.|\n)*- It holds a PyFunc\.\n  - It is slow\."):
        export(trained_run, base=tmp_path / "base")
    assert not (tmp_path / "base").exists()
    assert export(trained_run, base=tmp_path / "base", verified=False).name == "1"


def test_labels_that_the_run_does_not_know_are_wrong_answers(trained_run: Run, base: Path) -> None:
    path = base / "tiny/1/assets.extra/labels.json"
    labels = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([f"old {its}" for its in labels]), encoding="utf-8")
    found = compare_with_live(trained_run, base, "tiny")
    assert found is not None
    assert found.second == 0.0
    assert found.first == pytest.approx(SCORES[found.metric](trained_run.scores("test")))


def test_without_a_test_split_nothing_is_compared(
    trained_run: Run, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = trained_run.config.data.model_copy(update={"test": None})
    config = trained_run.config.model_copy(update={"data": data})
    with caplog.at_level(logging.WARNING):
        assert compare_with_live(dataclasses.replace(trained_run, config=config), base, "tiny") is None
    assert "is not compared with: the run has no test split" in caplog.text


def test_data_that_is_gone_is_said(trained_run: Run, base: Path) -> None:
    results = trained_run.results | {"data_fingerprint": "0" * 64}
    with pytest.raises(
        ExportError, match=r"Version 1 is live, but the test split to compare on is gone: .*--allow-worse"
    ):
        compare_with_live(dataclasses.replace(trained_run, results=results), base, "tiny")


def test_a_live_version_that_is_damaged_is_said(trained_run: Run, base: Path) -> None:
    (base / "tiny/1/saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ExportError, match=r"The live version 1 cannot be compared with: .* is damaged.*--allow-worse"):
        compare_with_live(trained_run, base, "tiny")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["trained_run", "linear_run", "bert_run"])
def test_real_exports_pass_the_real_gate(model: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    assert export(request.getfixturevalue(model), base=tmp_path, floors={"accuracy": 0.0}).name == "1"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("model", ["textcnn", "bert"])
def test_exports_of_mixed_precision_pass_the_real_gate(
    kind: str, model: str, tiny_config: Callable[..., Config], tiny_bert: dict[str, Any], tmp_path: Path
) -> None:
    values = tiny_config(f"compute.mixed_precision={kind}").model_dump()
    run = train(Config.make(values | ({"model": tiny_bert} if model == "bert" else {})), tmp_path / "run", report=False)
    assert run.model.compute_dtype == kind
    assert export(run, base=tmp_path / "saved_models").name == "1"
