"""TensorBoard's event files cut back to a step, so that a training that goes on there doubles none."""

import struct
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from textclf.writing import replacing

_LENGTH = struct.Struct("<Q")
_CHECKSUMS = 4


def cut_back(directory: Path, step: int) -> None:
    """Take the events after a step out of all event files of a folder, and what a kill left half written.

    Args:
        directory: With `events.out.tfevents.*` files.
        step: The last step that stays.
    """
    for path in sorted(directory.glob("events.out.tfevents.*")):
        records = list(_records(path.read_bytes()))
        kept = [record for record, event in records if event.step <= step]
        if sum(map(len, kept)) < path.stat().st_size:
            with replacing(path) as unfinished:
                unfinished.write_bytes(b"".join(kept))


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
