"""How TensorFlow Serving may put requests together: the version's own batching file.

The server reads it with `--enable_batching --enable_per_model_batching_parameters`. Strings are batched safely; they
are padded to one length inside the graph.
"""

from pathlib import Path

from textclf.savedmodel.files import BATCHING_FILE

ALLOWED_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Sizes that a batch is filled up to; each of them is warmed up."""
TIMEOUT_MICROSECONDS = 1000
"""How long the first request of a batch waits for others."""
MOST_QUEUED = 128
"""Batches that may wait; a request beyond is refused with 503."""


def write_batching(directory: Path) -> None:
    """Write the batching parameters of a version, in protobuf's text format."""
    # Threads are left to the server: as many as it has cores. `enable_large_batch_splitting` would not let larger
    # requests in: the server refuses what is above max_batch_size before it splits, and wants that to be the last of
    # the allowed sizes (bundle_factory_util.cc).
    lines = [
        f"max_batch_size {{ value: {ALLOWED_BATCH_SIZES[-1]} }}",
        f"batch_timeout_micros {{ value: {TIMEOUT_MICROSECONDS} }}",
        f"max_enqueued_batches {{ value: {MOST_QUEUED} }}",
        *(f"allowed_batch_sizes: {size}" for size in ALLOWED_BATCH_SIZES),
    ]
    (directory / BATCHING_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
