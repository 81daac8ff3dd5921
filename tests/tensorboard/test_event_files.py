"""Event files cut back: events after a step go, and what a kill left half written; the rest stays byte by byte."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from textclf.tensorboard.event_files import cut_back


def write(directory: Path, steps: range) -> Path:
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", float(step), step=step)
    writer.close()
    (path,) = directory.iterdir()
    return path


def steps_in(path: Path) -> list[int]:
    return [event.step for event in EventFileLoader(str(path)).Load() if event.summary.value]


@pytest.mark.parametrize("last", [-1, 0, 3, 9, 20])
def test_events_after_a_step_go(tmp_path: Path, last: int) -> None:
    path = write(tmp_path, range(10))
    before = path.read_bytes()
    cut_back(tmp_path, last, -1, ["loss"])
    assert steps_in(path) == list(range(min(last, 9) + 1))
    assert before.startswith(path.read_bytes())
    if last >= 9:
        assert path.read_bytes() == before


@pytest.mark.parametrize("bytes_lost", [1, 7, 13, 30])
def test_a_half_written_record_goes(tmp_path: Path, bytes_lost: int) -> None:
    path = write(tmp_path, range(5))
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    cut_back(tmp_path, 100, 100, ["loss"])
    assert steps_in(path) == list(range(4))
    cut_back(tmp_path, 100, 100, ["loss"])
    assert steps_in(path) == list(range(4))


@pytest.mark.parametrize("tail", [bytes(4096), bytes(range(256)), b"\x01"], ids=["zeros", "anything", "a byte"])
@pytest.mark.parametrize("lost", [0, 5, 30])
def test_what_a_power_cut_left_goes(tmp_path: Path, tail: bytes, lost: int) -> None:
    """A file can have its length on the disk, and not yet what stands there."""
    path = write(tmp_path, range(5))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - lost] + tail)
    cut_back(tmp_path, 100, 100, ["loss"])
    assert steps_in(path) == list(range(4 if lost else 5))
    assert whole.startswith(path.read_bytes())


def test_points_of_an_evaluation_that_is_to_come_again_go_with_it(tmp_path: Path) -> None:
    path = write(tmp_path, range(6))
    cut_back(tmp_path, 4, 2, ["another tag"])
    assert steps_in(path) == [0, 1, 2]
