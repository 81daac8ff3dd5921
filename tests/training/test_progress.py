"""The progress bar writes a line an evaluation."""

from collections.abc import Callable
from typing import Any

import pytest

from textclf.config import Config
from textclf.training.progress import ProgressBar, announce


@pytest.mark.usefixtures("eagerly")
def test_the_bar_writes_a_line_an_evaluation_to_standard_error(
    prepare: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = prepare("training.evaluate_every=2", "training.monitor=accuracy")
    trainer = prepared.trainer()
    trainer.callbacks.append(ProgressBar(trainer.state, prepared.config.training))
    history = prepared.fit(trainer).history
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert len(lines) == 3
    for line, record in zip(lines, history, strict=True):
        assert f"step {record['step']:>6}" in line
        assert f"dev accuracy {record['dev']['accuracy']:.4f}" in line
        assert line.endswith(" texts/s")


@pytest.mark.parametrize(
    ("overrides", "how"),
    [
        (["training.epochs=1"], "1 epoch of 63 steps"),
        (["training.epochs=2", "training.batch_size=1000"], "2 epochs of 1 step"),
        (["model=linear"], "fitted in one go"),
    ],
)
def test_what_is_about_to_be_learnt_is_said(
    tiny_config: Callable[..., Config], capsys: pytest.CaptureFixture[str], overrides: list[str], how: str
) -> None:
    config = tiny_config(*overrides)
    announce(config, 1000, 50)
    assert capsys.readouterr().err == f"{config.model.name}: train has 1,000 texts, dev 50; {how}.\n"


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("patience", [0, 1, 3])
def test_patience_does_not_end_a_training_without_a_word(
    prepare: Callable[..., Any], capsys: pytest.CaptureFixture[str], patience: int
) -> None:
    # At a rate of 0 the first evaluation is the best; the third is the last, so a patience of 3 is not used up.
    prepared = prepare("training.learning_rate=1e-30", "training.epochs=3", f"training.patience={patience}")
    trainer = prepared.trainer()
    trainer.callbacks.append(ProgressBar(trainer.state, prepared.config.training))
    prepared.fit(trainer)
    last = capsys.readouterr().err.splitlines()[-1]
    stopped = "Stopped early (training.patience=1): no evaluation after that of step 3 was better"
    assert last.startswith(stopped) == (patience == 1)
    assert len(trainer.state.history) == (2 if patience == 1 else 3)
