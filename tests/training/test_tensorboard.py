"""TensorBoard's event files hold what the history holds."""

from collections.abc import Callable
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from textclf.evaluation.scores import SCORES
from textclf.training.run_directory import Run
from textclf.training.tensorboard import TensorBoardLog


def scalars(directory: str) -> dict[str, dict[int, float]]:
    """Return the value of every scalar at every step."""
    import numpy as np

    events = EventAccumulator(directory, size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: {event.step: float(np.frombuffer(event.tensor_proto.tensor_content or b"", np.float32)[0])
              if event.tensor_proto.tensor_content else event.tensor_proto.float_val[0]
              for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }  # fmt: skip


def test_a_run_logs_every_scalar_at_its_step(trained_run: Run) -> None:
    found = scalars(str(trained_run.path / "logs"))
    per_evaluation = {"train/learning_rate", "train/examples_per_second", "train/mean_loss", "dev/loss"}
    per_evaluation |= {f"dev/{name}" for name in SCORES}
    history = trained_run.results["history"]
    assert per_evaluation <= found.keys()
    for tag in per_evaluation:
        assert found[tag].keys() == {record["step"] for record in history}
    for record in history:
        at = record["step"]
        assert found["dev/macro_f1"][at] == pytest.approx(record["dev"]["macro_f1"])
        assert found["dev/loss"][at] == pytest.approx(record["dev_loss"])
        assert found["train/mean_loss"][at] == pytest.approx(record["train_loss"])
        assert found["train/learning_rate"][at] == pytest.approx(record["learning_rate"])
        assert found["train/examples_per_second"][at] == pytest.approx(record["examples_per_second"])


@pytest.mark.usefixtures("eagerly")
def test_the_loss_of_steps_is_logged_every_so_many(prepare: Callable[..., Any], tmp_path: Any) -> None:
    prepared = prepare()
    trainer = prepared.trainer()
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer.state, every=2))
    prepared.fit(trainer)
    found = scalars(str(tmp_path))
    assert list(found["train/loss"]) == list(found["train/gradient_norm"]) == [2, 4, 6]
