"""One trial: how it ends, what it leaves, and what it is told."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textclf.config import Config
from textclf.data import load_corpus
from textclf.errors import DataError
from textclf.training.callbacks import StepCallbacks
from textclf.tuning import trial as trial_module
from textclf.tuning.study import Study
from textclf.tuning.trial import Ending, TrialWatch, run_trial

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ending]:
    def run_it(config: Config, report: Any = lambda *_: False, deadline: float = float("inf")) -> Ending:
        config = config.model_copy(update={"data": config.data.model_copy(update={"test": None})})
        corpus = load_corpus(config.data, config.seed)
        folders = tmp_path / "trial", tmp_path / "logs/trial-000"
        ending = run_trial(config, corpus, "macro_f1", *folders, report, deadline)
        assert not (tmp_path / "trial").exists()
        return ending

    return run_it


def test_every_evaluation_is_reported(run: Any, tiny_config: Callable[..., Config]) -> None:
    told: list[tuple[float, int]] = []
    ending = run(tiny_config("training.epochs=3"), lambda *report: bool(told.append(report)))
    assert [number for _, number in told] == [0, 1, 2]
    assert ending == Ending("done", max(score for score, _ in told))


def test_a_trial_that_promises_little_is_pruned(run: Any, tiny_config: Callable[..., Config]) -> None:
    told: list[float] = []

    def report(score: float, number: int) -> bool:
        told.append(score)
        return number == 1

    assert run(tiny_config("training.epochs=5"), report) == Ending("pruned", max(told))
    assert len(told) == 2


def test_a_trial_ends_with_its_time(run: Any, tiny_config: Callable[..., Config]) -> None:
    told: list[float] = []
    ending = run(tiny_config("training.epochs=500"), lambda score, _: bool(told.append(score)), time.monotonic())
    assert ending == Ending("stopped", told[0])
    assert len(told) == 1


def test_a_training_that_breaks_down_fails(run: Any, tiny_config: Callable[..., Config]) -> None:
    ending = run(tiny_config("training.learning_rate=1e30", "training.clip_norm=0.0", "training.epochs=20"))
    assert ending.state == "failed"
    assert ending.note.startswith("the training broke down: the loss")


def test_what_only_shows_in_training_fails_too(run: Any, tiny_config: Callable[..., Config]) -> None:
    ending = run(tiny_config("model=linear", "model.min_count=1000"))
    assert (ending.state, ending.score) == ("failed", None)
    assert ending.note == "model.min_count: no n-gram stands in 1000 training texts. Lower it."


def test_vectors_that_are_not_of_the_tokens_that_are_tried_fail_that_trial_alone(
    run: Any, tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "vectors.txt").write_text("parcel 1 2\nmoney 3 4\n", encoding="utf-8")
    vectors = (f"model.vectors={tmp_path / 'vectors.txt'}", "model.vectors_mode=static")
    ending = run(tiny_config(*vectors, "text.tokens=characters", "training.epochs=1"))
    assert ending.state == "failed"
    assert "vectors.txt" in ending.note


@pytest.mark.parametrize(("error", "note"), [(MemoryError(), "MemoryError"), (DataError("no\nrows"), "no rows")])
def test_what_one_trial_alone_runs_into_is_its_note(
    run: Any, tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, error: Exception, note: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(trial_module, "fit", fail)
    assert run(tiny_config()) == Ending("failed", note=note)


def test_no_step_of_a_trial_waits_for_the_device() -> None:
    class Untouched:
        def __float__(self) -> float:
            raise AssertionError("it was waited for")

    watch = TrialWatch("macro_f1", lambda *_: False, float("inf"))
    StepCallbacks([watch]).end(0, Untouched(), Untouched())  # type: ignore[arg-type]


def test_ctrl_c_stops_a_trial(run: Any, tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> None:
    def ctrl_c(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    ending = run(tiny_config("training.epochs=5"), ctrl_c)
    assert (ending.state, ending.interrupted) == ("stopped", True)
    monkeypatch.setattr(trial_module, "fit", ctrl_c)
    assert run(tiny_config("model=linear")) == Ending("stopped", interrupted=True)


def test_a_test_split_is_refused(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    corpus = load_corpus(tiny_config().data, 1)
    with pytest.raises(ValueError, match="expected a corpus without a test split"):
        run_trial(tiny_config(), corpus, "macro_f1", tmp_path, tmp_path, lambda *_: False, 0.0)


def test_the_median_prunes_after_five_trials_and_never_at_the_first_evaluation(tmp_path: Path) -> None:
    from textclf.config.domains import Range

    study = Study(tmp_path / "study.journal", {"model.dropout": Range(0.1, 0.5)}, seed=1)

    def scores(*values: float) -> list[bool]:
        running = study.ask({})
        pruned = [running.report(value, number) for number, value in enumerate(values)]
        running.tell("done", max(values))
        return pruned

    for _ in range(5):
        assert scores(0.5, 0.6, 0.7) == [False] * 3
    assert scores(0.1, 0.55, 0.65) == [False, True, True]
    assert scores(0.1, 0.65, 0.8) == [False] * 3
