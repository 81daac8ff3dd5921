"""What workers tell one another. The other one is played here; tests/runs/test_workers.py has real ones."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from textclf.config import ComputeConfig
from textclf.errors import RunError
from textclf.training.devices import make_strategy
from textclf.training.interruption import TerminatedError
from textclf.training.replicas import sum_of_workers
from textclf.training.workers import Workers


class PlayedWorkers(Workers):
    """This worker and another one, which brings what a function makes of what this one brings."""

    def __init__(self, other: Callable[[list[int]], list[int]]) -> None:
        self.count, self.place, self._other = 2, 0, other
        self.calls = 0

    def gather(self, values: Sequence[int]) -> NDArray[np.int64]:
        self.calls += 1
        return np.array([list(values), self._other(list(values))], np.int64)


def test_the_replicas_of_one_worker_count_once() -> None:
    values = np.array([[1.0, 2.0**52 + 1]])
    for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
        strategy = make_strategy(ComputeConfig(devices=devices))
        workers = Workers(strategy)
        assert (workers.count, workers.place) == (1, 0)
        assert workers.gather([3, 4]).tolist() == [[3, 4]]
        assert workers.any([True, False]) == [True, False]
        workers.check_same("this", "Nothing", "nothing")
        np.testing.assert_array_equal(sum_of_workers(strategy, values), values)


def test_what_one_is_asked_for_all_do() -> None:
    workers = PlayedWorkers(lambda _: [0, 1, 0])
    assert workers.any([True, False, False]) == [True, True, False]


def test_what_differs_is_named() -> None:
    same, differing = PlayedWorkers(lambda own: own), PlayedWorkers(lambda own: [own[0] + 1])
    same.check_same("here", "Data", "Mend it.")
    same.check_same(3, "Steps", "Mend it.")
    with pytest.raises(RunError, match=r"^Data: that of worker 1 is not that of worker 0\. Mend it\.$"):
        differing.check_same("here", "Data", "Mend it.")
    with pytest.raises(RunError, match=r"^Steps: worker 0 has 3, worker 1 has 4\. Mend it\.$"):
        differing.check_same(3, "Steps", "Mend it.")


@pytest.mark.usefixtures("eagerly")
class TestLoop:
    """What the other worker is asked for, from the 3rd look on; 45 texts in batches of 2 are 23 steps an epoch."""

    def fit(self, prepare: Callable[..., Any], asked: list[int], *overrides: str) -> tuple[Any, list[int]]:
        prepared = prepare("training.batch_size=2", "training.patience=0", *overrides)
        looks: list[int] = []

        def other(own: list[int]) -> list[int]:
            if len(own) == 1:  # a step to go back to
                return own
            looks.append(trainer.state.step)
            return asked if len(looks) >= 3 else [0] * len(own)

        trainer = prepared.trainer()
        trainer._workers = PlayedWorkers(other)
        prepared.fit(trainer)
        return trainer, looks

    def test_the_loop_looks_every_ten_steps_and_around_an_epoch(self, prepare: Callable[..., Any]) -> None:
        _, looks = self.fit(prepare, [0, 0, 0, 0])
        assert looks == [0, 10, 20, 23, 23, 30, 40, 46, 46, 46]

    def test_calls_of_several_steps_and_checkpoints_by_steps(self, prepare: Callable[..., Any]) -> None:
        _, looks = self.fit(
            prepare, [0, 0, 0, 0], "compute.steps_per_call=4", "checkpoints.steps=6", "training.epochs=1"
        )
        assert looks == [0, 8, 12, 20, 23, 23, 23]

    def test_it_stops_where_the_other_does(self, prepare: Callable[..., Any]) -> None:
        trainer, looks = self.fit(prepare, [1, 0, 0, 0])
        assert (trainer.state.step, trainer.state.interrupted) == (20, False)
        assert looks == [0, 10, 20, 20, 20]
        trainer, _ = self.fit(prepare, [0, 1, 0, 0])
        assert (trainer.state.step, trainer.state.interrupted) == (20, True)
        with pytest.raises(TerminatedError, match="after step 20"):
            self.fit(prepare, [0, 0, 1, 0])

    def test_its_own_wish_waits_for_the_next_look(self, prepare: Callable[..., Any]) -> None:
        def stop(batch: int, logs: Any = None) -> None:
            del batch, logs
            trainer.model.stop_training = trainer.state.step == 13

        prepared = prepare("training.batch_size=2", "training.epochs=1")
        trainer = prepared.trainer(callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
        trainer._workers = PlayedWorkers(lambda own: [0] * len(own))
        prepared.fit(trainer)
        assert trainer.state.step == 23  # taken back before that

    def test_a_second_ctrl_c_ends_this_worker(self, prepare: Callable[..., Any]) -> None:
        def stop(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        prepared = prepare("training.batch_size=2")
        trainer = prepared.trainer(callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
        trainer._workers = PlayedWorkers(lambda own: own)
        with pytest.raises(KeyboardInterrupt):
            prepared.fit(trainer)

    def test_it_goes_back_to_the_step_of_the_other_or_not_at_all(self, prepare: Callable[..., Any]) -> None:
        def spoil(batch: int, logs: Any = None) -> None:
            del batch, logs
            if trainer.state.step == 15 and not trainer.state.rollbacks:
                trainer.model.set_weights([np.full_like(each, np.nan) for each in trainer.model.get_weights()])

        prepared = prepare("training.batch_size=2", "training.rollback=true", "training.epochs=1")
        for other, steps in ((lambda own: own, 23), (lambda own: [3] if len(own) == 1 else own, 0)):
            trainer = prepared.trainer(callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=spoil)])
            trainer._workers = PlayedWorkers(other)
            if steps:
                assert prepared.fit(trainer).step == steps
                continue
            with pytest.raises(RunError, match=r"The step to go back to: worker 0 has 0, worker 1 has 3\. Give"):
                prepared.fit(trainer)
