"""TensorBoard's HParams tab shows every trial with its values and its score."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.util import tensor_util

from textclf.config import Config
from textclf.tuning.trial import Ending
from textclf.tuning.tune import tune


def plugin_data(folder: Path, tag: str) -> Any:
    events = EventAccumulator(str(folder))
    events.Reload()
    content = events.SummaryMetadata(tag).plugin_data.content
    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    return data, events


def test_each_trial_has_its_values_and_its_score(linear: Config, pretended: Any, tmp_path: Path) -> None:
    pretended.ends = {1: Ending("failed", note="out of memory")}
    found = tune(linear, tmp_path / "tune", trials=3, search=["text.tokens=words,characters"])
    assert not list((tmp_path / "tune/logs").glob("events.*"))  # fields named beforehand would hide those of runs
    for trial in found.trials:
        data, events = plugin_data(
            tmp_path / f"tune/logs/trial-{trial.number:03}/hparams", metadata.SESSION_START_INFO_TAG
        )
        shown = data.session_start_info.hparams
        assert shown["model.inverse_regularization"].number_value == trial.values["model.inverse_regularization"]
        assert shown["model.max_ngram"].number_value == trial.values["model.max_ngram"]
        assert shown["text.tokens"].string_value == trial.values["text.tokens"]
        tags = events.Tags()["tensors"]
        assert ("hparams/dev_macro_f1" in tags) == (trial.score is not None)
        if trial.score is not None:
            (event,) = events.Tensors("hparams/dev_macro_f1")
            assert tensor_util.make_ndarray(event.tensor_proto) == pytest.approx(trial.score)


def test_a_row_that_a_full_disk_or_a_kill_has_cost_is_made_good(
    linear: Config, pretended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    path = tmp_path / "tune"
    with monkeypatch.context() as patch:
        patch.setattr("textclf.tensorboard.hparams.session_end_pb", full)
        assert [trial.state for trial in tune(linear, path, trials=2).trials] == ["done", "done"]
    assert f"TensorBoard lacks trial 1 of '{path}': No space left on device" in caplog.text
    assert not list(path.glob("logs/trial-*/hparams"))
    pretended.ends = {2: Ending("stopped", 0.5)}
    tune(linear, path, trials=3)
    status = {
        folder.parent.name: plugin_data(folder, metadata.SESSION_END_INFO_TAG)[0].session_end_info.status
        for folder in path.glob("logs/trial-*/hparams")
    }
    done, stopped = api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE
    assert status == {"trial-000": done, "trial-001": done, "trial-002": stopped, "trial-003": done}
    assert not list(path.glob("logs/*/.unfinished-*"))


@pytest.mark.usefixtures("eagerly")
def test_a_trials_curves_are_beside_its_values(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    tune(tiny_config(), tmp_path / "tune", trials=1, search=["model.num_filters=4", "model.embedding_dim=8"])
    events = EventAccumulator(str(tmp_path / "tune/logs/trial-000"))
    events.Reload()
    assert {"dev/macro_f1", "train/mean_loss"} <= set(events.Tags()["tensors"])
    assert [event.step for event in events.Tensors("dev/macro_f1")] == [3, 6]
