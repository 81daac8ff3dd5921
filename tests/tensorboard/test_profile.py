"""The steps that the config names are profiled, and nothing of a profiler is left when a training ends early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from textclf.config import Config
from textclf.errors import ConfigError
from textclf.runs.train import train
from textclf.tensorboard.profile import StepProfile

MakeConfig = Callable[..., Config]


def profiles(run: Path) -> list[Path]:
    return list(run.glob("logs/plugins/profile/*/*.xplane.pb"))


@pytest.mark.usefixtures("eagerly")
def test_steps_are_profiled_though_an_earlier_training_failed_among_them(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    def crash(batch: int, logs: Any = None) -> None:
        del logs
        if batch == 1:
            raise RuntimeError("on purpose")

    config = tiny_config("training.epochs=1", "compute.profile_steps=[2, 3]")
    failing = keras.callbacks.LambdaCallback(on_train_batch_begin=crash)
    with pytest.raises(RuntimeError, match="on purpose"):
        train(config, tmp_path / "failed", callbacks=[failing], report=False)
    train(config, tmp_path / "run", report=False)
    (profile,) = profiles(tmp_path / "run")
    assert profile.stat().st_size > 0


@pytest.mark.usefixtures("eagerly")
def test_only_the_named_steps_are_profiled(
    prepare: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare()
    trainer, seen = prepared.trainer(), []
    monkeypatch.setattr("tensorflow.profiler.experimental.start", lambda _: seen.append(("start", trainer.state.step)))
    monkeypatch.setattr("tensorflow.profiler.experimental.stop", lambda: seen.append(("stop", trainer.state.step)))
    trainer.callbacks.append(StepProfile(tmp_path, trainer.state, [2, 4]))
    prepared.fit(trainer)
    assert seen == [("start", 1), ("stop", 4)]


@pytest.mark.usefixtures("eagerly")
def test_steps_that_never_come_are_spoken_of(
    prepare: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = prepare()
    trainer = prepared.trainer()
    trainer.callbacks.append(StepProfile(tmp_path, trainer.state, [50, 80]))
    prepared.fit(trainer)
    assert "nothing was profiled; the training had 6 steps, and the first to look at was step 50" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["compute.profile_steps=[3, 2]"], r"takes the first step before the last one, got \[3, 2\]"),
        (["compute.profile_steps=[0, 2]"], r"compute\.profile_steps"),
        (["compute.profile_steps=[2]"], r"compute\.profile_steps"),
        (["compute.profile_steps=[2, 3]", "compute.steps_per_call=4"], "profile_steps needs steps_per_call=1"),
    ],
)
def test_steps_that_cannot_be_profiled_are_refused(tiny_config: MakeConfig, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_config(*overrides)
