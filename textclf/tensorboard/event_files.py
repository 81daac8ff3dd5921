"""TensorBoard's event files cut back to a step, so that a training that goes on there doubles none."""

from collections.abc import Collection, Iterator
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from textclf.writing import replacing

_AROUND = 8 + 4, 4
"""Bytes before and after a record's data: its length and that one's checksum, and its own."""


def cut_back(directory: Path, step: int, evaluated: int, step_tags: Collection[str]) -> None:
    """Take what will be written again out of all event files of a folder, and what a kill or a power cut left damaged.

    A training can stand after a step and before its evaluation: then that was killed, or what followed.

    Args:
        directory: With `events.out.tfevents.*` files.
        step: The last step that stays.
        evaluated: The step of the last evaluation that stays.
        step_tags: What is written of steps; all else is of evaluations.
    """
    for path in sorted(directory.glob("events.out.tfevents.*")):
        records = list(_records(path))
        kept = [record for record, event in records if event.step <= (step if _is_of(event, step_tags) else evaluated)]
        if sum(map(len, kept)) < path.stat().st_size:
            with replacing(path) as unfinished:
                unfinished.write_bytes(b"".join(kept))


def _is_of(event: tf.compat.v1.Event, tags: Collection[str]) -> bool:
    return all(value.tag in tags for value in event.summary.value)


def _records(path: Path) -> Iterator[tuple[bytes, tf.compat.v1.Event]]:
    """Yield each record as it stands, with the event in it, up to the first one that is not whole."""
    data, start = path.read_bytes(), 0
    try:
        for record in tf.data.TFRecordDataset(str(path)):  # which compares the checksums
            event = tf.compat.v1.Event.FromString(record.numpy())
            end = start + _AROUND[0] + len(record.numpy()) + _AROUND[1]
            yield data[start:end], event
            start = end
    except (tf.errors.DataLossError, DecodeError):
        return
