"""How a version's requests are put together: its `batching_params.pbtxt`, with the defaults of TensorFlow Serving."""

import os
from dataclasses import dataclass

import tensorflow as tf

from textclf.engine.errors import Code, RequestError
from textclf.engine.files import reading
from textclf.errors import ExportError
from textclf.gate.batching import batching_problems, parse_batching
from textclf.savedmodel.files import BATCHING_FILE


@dataclass(frozen=True)
class BatchingParameters:
    """What of `tensorflow.serving.BatchingParameters` makes a difference here.

    Attributes:
        largest_request: Rows that a request may have.
        largest_batch: Rows that are run at once. A request may have more of them if it may be split, which it is not:
            it is run by itself.
        timeout: Seconds that the first request of a batch waits for others, at most.
        most_waiting: Batches that may wait.
        threads: Batches that run at once.
        sizes: The sizes that a batch is filled up to, in ascending order; as many as it has if empty.
    """

    largest_request: int = 1000
    largest_batch: int = 1000
    timeout: float = 0.0
    most_waiting: int = 10
    threads: int = os.cpu_count() or 1
    sizes: tuple[int, ...] = ()

    def filled(self, rows: int) -> int:
        """Return the size that a batch of so many rows is filled up to.

        Example:
            >>> BatchingParameters(sizes=(1, 4, 16)).filled(5)
            16
        """
        return next((size for size in self.sizes if size >= rows), rows)


def read_parameters(folder: str) -> BatchingParameters | None:
    """Return how the requests of the version in a folder are put together; None if it has no such file.

    Raises:
        RequestError: INVALID_ARGUMENT if TensorFlow Serving would not take it, or TensorFlow's own code if it cannot be
            read.
    """
    path = f"{folder}/{BATCHING_FILE}"
    try:
        with reading():
            if not tf.io.gfile.exists(path):
                return None
            with tf.io.gfile.GFile(path, "rb") as file:
                given = parse_batching(file.read().decode())
    except (ExportError, UnicodeDecodeError) as error:
        raise RequestError(Code.INVALID_ARGUMENT, str(error)) from None
    problems = batching_problems(given, ids=False)
    if problems:
        raise RequestError(Code.INVALID_ARGUMENT, f"'{BATCHING_FILE}': {problems[0]}")
    known = BatchingParameters()
    largest = given.max_batch_size.value if given.HasField("max_batch_size") else known.largest_request
    splits = given.enable_large_batch_splitting.value and given.HasField("max_execution_batch_size")
    return BatchingParameters(
        largest_request=largest,
        largest_batch=given.max_execution_batch_size.value if splits else largest,
        timeout=given.batch_timeout_micros.value / 1e6,
        most_waiting=given.max_enqueued_batches.value or known.most_waiting,
        threads=given.num_batch_threads.value or known.threads,
        sizes=tuple(given.allowed_batch_sizes),
    )
