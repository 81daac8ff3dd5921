"""What a model makes of texts, for TensorBoard's projector: texts of one label should lie together."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins.projector import ProjectorConfig, visualize_embeddings

from textclf.models.frozen import encode_features
from textclf.text.vocabulary import PADDING_ID

# As many as a browser turns around without jerking, and its page of texts bears.
MOST_ROWS = 1000
LONGEST_TEXT = 200
TENSORS_FILE, METADATA_FILE = "tensors.tsv", "metadata.tsv"

Columns = Mapping[str, Sequence[str]]


def write_projector(
    directory: Path, name: str, encode: Callable[[tf.Tensor], tf.Tensor], ids: tf.RaggedTensor, columns: Columns
) -> None:
    """Write texts' features as `tensors.tsv`, what is known of them as `metadata.tsv`, and which belongs to which.

    Args:
        directory: A folder that TensorBoard reads event files from.
        name: What the features are called.
        encode: Returns float[batch, features] for int32[batch, time].
        ids: Ragged int32[texts, (time)]; of more than `MOST_ROWS` texts, so many are taken, evenly spread.
        columns: What stands beside each text, at least two columns: a file of one has no head.
    """
    rows = np.unique(np.linspace(0, ids.nrows() - 1, MOST_ROWS).round().astype(np.int64))
    chosen = tf.gather(ids, rows)
    width = encode(chosen[:1].to_tensor(PADDING_ID)).shape[-1]
    np.savetxt(directory / TENSORS_FILE, encode_features(encode, chosen, width), fmt="%.5g", delimiter="\t")
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(values[row]) for values in columns.values()) for row in rows.tolist()]
    # Half a surrogate pair becomes "?".
    (directory / METADATA_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace", newline="\n")
    config = ProjectorConfig()
    config.embeddings.add(tensor_name=name, tensor_path=TENSORS_FILE, metadata_path=METADATA_FILE)
    visualize_embeddings(str(directory), config)


def _cell(text: str) -> str:
    """Return a text on one line without tabs, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
