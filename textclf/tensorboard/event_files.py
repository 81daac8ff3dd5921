"""TensorBoard's event files cut back to a step, so that a training that goes on there doubles none."""

import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import tensorflow as tf

from textclf.writing import replacing

_LENGTH = struct.Struct("<Q")
_CHECKSUMS = 4


def cut_back(directory: Path, step: int, evaluated: int, step_tags: Collection[str]) -> None:
    """Take what will be written again out of all event files of a folder, and what a kill left half written.

    A training can stand after a step and before its evaluation: then that was killed, or what followed.

    Args:
        directory: With `events.out.tfevents.*` files.
        step: The last step that stays.
        evaluated: The step of the last evaluation that stays.
        step_tags: What is written of steps; all else is of evaluations.
    """
    for path in sorted(directory.glob("events.out.tfevents.*")):
        records = list(_records(path.read_bytes()))
        kept = [record for record, event in records if event.step <= (step if _is_of(event, step_tags) else evaluated)]
        if sum(map(len, kept)) < path.stat().st_size:
            with replacing(path) as unfinished:
                unfinished.write_bytes(b"".join(kept))


def _is_of(event: tf.compat.v1.Event, tags: Collection[str]) -> bool:
    return all(value.tag in tags for value in event.summary.value)


def _records(data: bytes) -> Iterator[tuple[bytes, tf.compat.v1.Event]]:
    """Yield each whole record (a length, its checksum, data, its checksum) as it stands, with the event in it."""
    start = 0
    while start + _LENGTH.size + _CHECKSUMS <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        first = start + _LENGTH.size + _CHECKSUMS
        end = first + length + _CHECKSUMS
        if end > len(data):
            return
        yield data[start:end], tf.compat.v1.Event.FromString(data[first : first + length])
        start = end
