"""The progress bar writes a line an evaluation."""

from collections.abc import Callable
from typing import Any

import pytest

from textclf.training.progress import ProgressBar


@pytest.mark.usefixtures("eagerly")
def test_the_bar_writes_a_line_an_evaluation_to_standard_error(
    prepare: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = prepare("training.evaluate_every=2")
    trainer = prepared.trainer()
    trainer.callbacks.append(ProgressBar(trainer.state, "accuracy"))
    history = prepared.fit(trainer).history
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert len(lines) == 3
    for line, record in zip(lines, history, strict=True):
        assert f"step {record['step']:>6}" in line
        assert f"dev accuracy {record['dev']['accuracy']:.4f}" in line
        assert line.endswith(" texts/s")
