"""A search from end to end: what it tries, what it leaves, and that it goes on after any end."""

import csv
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textclf.config import Config, load_config
from textclf.config.search import search_space, value_at
from textclf.data import load_corpus
from textclf.errors import ConfigError, DataError, RunError
from textclf.runs.lock import DirectoryLock
from textclf.runs.train import train
from textclf.training.interruption import TerminatedError
from textclf.tuning.results import Trial, Tuning
from textclf.tuning.study import STUDY_FILE, Study
from textclf.tuning.trial import Ending
from textclf.tuning.tune import tune

TINY_SPACE = ["training.learning_rate=0.005..0.05:log", "model.dropout=0.1,0.5", "model.filter_sizes=[2],[2,3]"]
FIXED = ["training.batch_size=16", "training.label_smoothing=0.0", "model.embedding_dropout=0.0", "model.num_filters=4"]
FIXED += ["model.bag_of_vectors=false", "model.bigram_buckets=0", "model.embedding_dim=8"]


def tried(found: Tuning) -> list[dict[str, Any]]:
    """Return the values of the trials that count, in order."""
    return [trial.values for trial in found.trials if trial.state != "stopped"]


@pytest.mark.usefixtures("eagerly")
def test_the_best_config_trains_to_the_best_trials_score(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    config = tiny_config("training.epochs=3", "training.patience=0")
    path = tmp_path / "tune"
    found = tune(config, path, metric="accuracy", trials=3, search=[*TINY_SPACE, *FIXED])
    assert [trial.state for trial in found.trials] == ["done"] * 3
    best = load_config(path / "best.yaml")
    assert best == found.best_config
    assert {name: value_at(best, name) for name in found.best.values} == found.best.values
    assert best.training.monitor == "accuracy"
    assert best.name == f"{config.name}-best"
    assert best.data == config.data
    run = train(best, tmp_path / "run", report=False)
    assert run.scores("dev").accuracy == found.best.score == max(trial.score or 0 for trial in found.trials)
    left = {entry.name for entry in path.iterdir()}
    assert left == {"best.yaml", "trials.tsv", "study.journal", "logs"}
    assert not [*tmp_path.glob("tune/**/*.keras"), *tmp_path.glob(".tune*")]


def test_a_linear_search_finds_what_its_config_trains_to(linear: Config, tmp_path: Path) -> None:
    found = tune(linear, tmp_path / "tune", trials=3)
    run = train(load_config(tmp_path / "tune/best.yaml"), tmp_path / "run", report=False)
    assert run.scores("dev").macro.f1 == found.best.score


def test_the_first_trial_has_the_configs_own_values(linear: Config, pretended: Any, tmp_path: Path) -> None:
    found = tune(linear, tmp_path / "tune", trials=2, search=["model.max_iterations=5,7"])
    first = dict(found.trials[0].values)
    assert first.pop("model.max_iterations") in (5, 7)  # the config's own is not in the space
    assert first == {name: value_at(linear, name) for name in first}
    assert pretended.calls[0]["metric"] == "macro_f1"


def test_a_search_says_what_comes_and_counts_it(
    linear: Config, pretended: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del pretended
    for trials in (2, 4):  # the second call goes on
        tune(linear, tmp_path / "tune", trials=trials, minutes=7, progress=True)
        first, *lines = capsys.readouterr().err.splitlines()
        assert first.startswith("linear: train has ")
        assert "; 2 trials, or as many as 7 minutes take." in first
        assert [line.split("  trial")[0].strip() for line in lines] == [
            f"{trials - 1} of {trials}",
            f"{trials} of {trials}",
        ]


@pytest.mark.usefixtures("pretended")
def test_a_search_learns_from_its_trials(linear: Config, tmp_path: Path) -> None:
    found = tune(linear, tmp_path / "tune", trials=40)
    first, last = (
        [abs(trial.values["model.inverse_regularization"] - 10) for trial in part]
        for part in (found.trials[:10], found.trials[-10:])
    )
    assert sorted(last)[5] < sorted(first)[5]
    assert found.best.score == max(trial.score or 0 for trial in found.trials)


@pytest.mark.usefixtures("pretended")
def test_the_same_search_tries_the_same_and_another_seed_something_else(linear: Config, tmp_path: Path) -> None:
    one, same = (tune(linear, tmp_path / name, trials=14) for name in ("one", "same"))
    other = tune(linear.model_copy(update={"seed": 2}), tmp_path / "other", trials=14)
    assert tried(one) == tried(same) != tried(other)


def test_a_search_goes_on_as_if_it_had_never_ended(linear: Config, pretended: Any, tmp_path: Path) -> None:
    whole = tune(linear, tmp_path / "whole", trials=14)
    pretended.calls.clear()
    pretended.ends = {3: KeyboardInterrupt(), 8: TerminatedError("SIGTERM"), 10: OSError("no space")}
    path = tmp_path / "parts"
    tune(linear, path, trials=2)
    pretended.ends[3] = Ending("stopped", 0.9, interrupted=True)
    found = tune(linear, path, trials=14)
    assert found.interrupted and len(tried(found)) == 3
    with pytest.raises(TerminatedError, match="Stopped by SIGTERM; the same command goes on with the search"):
        tune(linear, path, trials=14)
    with pytest.raises(OSError, match="no space"):
        tune(linear, path, trials=14)
    found = tune(linear, path, trials=14)
    assert not found.interrupted
    assert tried(found) == tried(whole)
    assert [trial.state for trial in found.trials].count("stopped") == 3
    assert found.best.values == whole.best.values


@pytest.mark.usefixtures("pretended")
def test_a_killed_trial_is_tried_again_and_a_torn_line_is_none(linear: Config, tmp_path: Path) -> None:
    whole = tune(linear, tmp_path / "whole", trials=12)
    path = tmp_path / "killed"
    before = tune(linear, path, trials=11)
    assert len(before.trials) == 11
    Study(path / STUDY_FILE, search_space(linear), linear.seed).ask({}).report(0.5, 0)
    with (path / STUDY_FILE).open("ab") as journal:
        journal.write(b'{"op_code": 6, "worker')
    found = tune(linear, path, trials=12)
    assert [trial.state for trial in found.trials] == ["done"] * 11 + ["stopped", "done"]
    assert tried(found) == tried(whole)
    assert found.trials[11].values == found.trials[12].values
    assert all(line.endswith(b"}") for line in (path / STUDY_FILE).read_bytes().splitlines())


@pytest.mark.usefixtures("pretended")
def test_every_cut_of_the_journal_can_be_gone_on_with(linear: Config, tmp_path: Path) -> None:
    path = tmp_path / "tune"
    whole = tune(linear, path, trials=4)
    journal = (path / STUDY_FILE).read_bytes()
    for size in range(0, len(journal), 401):
        (path / STUDY_FILE).write_bytes(journal[:size])
        assert tried(tune(linear, path, trials=4)) == tried(whole)


@pytest.mark.parametrize("test", ["missing.csv", "0.2", "folds"])
def test_no_test_data_is_touched(tiny_config: Callable[..., Config], pretended: Any, tmp_path: Path, test: str) -> None:
    config = tiny_config("model=linear", f"data.test={'null' if test == 'folds' else test}")
    if test == "folds":
        (tmp_path / "folds.txt").write_text("".join(f"{number // 3 % 3}\n" for number in range(45)))
        data = config.data.model_copy(update={"folds": str(tmp_path / "folds.txt"), "fold": 1})
        config = config.model_copy(update={"data": data})
    found = tune(config, tmp_path / "tune", trials=1)
    seen = pretended.calls[0]["corpus"]
    assert seen.test is None
    assert found.best_config.data == config.data
    if test != "missing.csv":  # the rows of test are cut off as in a training, and not given to train
        as_trained = load_corpus(config.data, config.seed)
        assert as_trained.test is not None and len(as_trained.test)
        assert seen.train.texts == as_trained.train.texts
        assert seen.dev.texts == as_trained.dev.texts


def test_values_that_do_not_fit_together_fail_alone(
    tiny_config: Callable[..., Config], tiny_bert: dict[str, Any], pretended: Any, tmp_path: Path
) -> None:
    config = Config.make(tiny_config().model_dump() | {"model": tiny_bert})
    pretended.ends = dict.fromkeys(range(20), Ending("done", 0.5))
    found = tune(config, tmp_path / "tune", trials=20, search=["model.num_heads=2,4", "model.hidden_dim=16,18"])
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed and all(trial.values["model.hidden_dim"] == 18 for trial in failed)
    assert "expected hidden_dim to be a multiple of num_heads" in failed[0].note
    assert len(pretended.calls) == 20 - len(failed)


@pytest.mark.usefixtures("pretended")
def test_what_has_changed_since_is_said(linear: Config, tmp_path: Path) -> None:
    path = tmp_path / "tune"
    tune(linear, path, trials=1)
    other = linear.model_copy(update={"seed": 9})
    with pytest.raises(RunError) as caught:
        tune(other, path, metric="accuracy", search=["model.max_ngram=1,2"], trials=2)
    assert str(caught.value) == (
        f"The search in '{path}' was begun with something else: seed was 1, is 9; --metric was macro_f1, is accuracy; "
        "the domain of model.max_ngram was 1, 2, 3, is 1, 2. Take that back to go on with it, choose another --run, or "
        f"delete '{path}' to begin anew."
    )
    with pytest.raises(RunError, match=r"the domain of text.tokens was none, is words, characters"):
        tune(linear, path, search=["text.tokens=words,characters"], trials=2)


@pytest.mark.usefixtures("pretended")
def test_other_data_is_refused(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    config = tiny_config("model=linear")
    own = tmp_path / "train.csv"
    own.write_text(Path(config.data.train).read_text(encoding="utf-8"), encoding="utf-8")
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": str(own)})})
    tune(config, tmp_path / "tune", trials=1)
    own.write_text(own.read_text(encoding="utf-8") + "one more parcel,delivery\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"begun with something else: the data had the fingerprint [0-9a-f]+, has"):
        tune(config, tmp_path / "tune", trials=2)


def test_a_search_that_is_over_trains_nothing(
    linear: Config, pretended: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tune"
    before = tune(linear, path, trials=3)
    assert dataclasses.astuple(tune(linear, path, trials=3)) == dataclasses.astuple(before)
    assert "is over. To go on, give it more with --trials or --minutes." in caplog.text
    assert len(pretended.calls) == 3


def test_the_time_of_earlier_calls_counts(linear: Config, pretended: Any, tmp_path: Path) -> None:
    path = tmp_path / "tune"
    before = tune(linear, path, trials=3)
    spent = sum(trial.seconds for trial in before.trials)
    tune(linear, path, trials=50, minutes=spent / 60)
    assert len(pretended.calls) == 3


@pytest.mark.usefixtures("pretended")
def test_the_time_limit_ends_a_search_before_its_trials(linear: Config, tmp_path: Path) -> None:
    found = tune(linear, tmp_path / "tune", trials=10_000, minutes=0.5 / 60)
    assert 1 <= len(found.trials) < 1000


def test_without_a_whole_trial_there_is_no_best(linear: Config, pretended: Any, tmp_path: Path) -> None:
    found = tune(linear, tmp_path / "none", minutes=1e-9)
    with pytest.raises(RunError, match=r"No trial came to its end: 0 trials. Give it more time, with --minutes."):
        print(found.best)
    assert not (tmp_path / "none/best.yaml").exists()
    pretended.ends = {0: Ending("stopped", interrupted=True)}
    found = tune(linear, tmp_path / "interrupted")
    with pytest.raises(RunError, match=r"1 trial \(1 stopped\). The same command goes on."):
        print(found.best)
    pretended.calls.clear()
    pretended.ends = {0: Ending("failed", note="out of memory")}
    found = tune(linear, tmp_path / "failed", trials=1)
    with pytest.raises(RunError, match=r"1 trial \(1 failed\). The last one that failed: out of memory"):
        print(found.best)


def test_the_table_of_trials_holds_all_of_them(linear: Config, pretended: Any, tmp_path: Path) -> None:
    pretended.ends = {1: Ending("failed", note="a\ttab"), 2: Ending("pruned", 0.25)}
    found = tune(linear, tmp_path / "tune", trials=3)
    with (tmp_path / "tune/trials.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["number"], row["state"], row["note"]) for row in rows] == [
        ("0", "done", ""),
        ("1", "failed", "a\ttab"),
        ("2", "pruned", ""),
    ]
    assert [row["score"] for row in rows] == [repr(found.trials[0].score), "", "0.25"]
    assert [int(row["model.max_ngram"]) for row in rows] == [trial.values["model.max_ngram"] for trial in found.trials]
    assert all(isinstance(trial, Trial) for trial in found.trials)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "macrof1"}, "--metric: expected one of .* got 'macrof1'. Did you mean 'macro_f1'"),
        ({"trials": 0}, "--trials: expected a number from 1, got 0."),
        ({"minutes": 0.0}, "--minutes: expected a number above 0, got 0."),
    ],
)
def test_limits_that_cannot_be(linear: Config, tmp_path: Path, options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tune(linear, tmp_path / "tune", **options)
    assert not (tmp_path / "tune").exists()


def test_several_machines_are_refused(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a search runs on one machine"):
        tune(tiny_config("compute.strategy=multi_worker"), tmp_path / "tune")


def test_nobody_elses_folder_is_written_to(linear: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is a file; a search needs a directory"):
        tune(linear, tmp_path / "file", trials=1)
    with pytest.raises(RunError, match=r"is there already and holds no search. Choose another --run."):
        tune(linear, tmp_path / "folder", trials=1)
    lock = DirectoryLock(tmp_path / "taken")
    with pytest.raises(RunError, match="is being written by process"):
        tune(linear, tmp_path / "taken", trials=1)
    lock.release()


@pytest.mark.usefixtures("pretended")
def test_a_damaged_journal_is_said(linear: Config, tmp_path: Path) -> None:
    path = tmp_path / "tune"
    tune(linear, path, trials=1)
    journal = (path / STUDY_FILE).read_bytes()
    (path / STUDY_FILE).write_bytes(b"garbage\n" + journal)
    with pytest.raises(RunError, match=r"journal '.*' is damaged .* to begin anew, or choose another --run"):
        tune(linear, path, trials=2)


def test_without_optuna_the_way_to_it_is_said(linear: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DataError, match=r'A search needs `pip install "textclf\[tune\]"`'):
        tune(linear, tmp_path / "tune")
