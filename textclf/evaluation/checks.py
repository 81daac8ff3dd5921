"""Checks of what is to be scored, so that a wrong array is an error here and not a wrong score."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError, listing


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels' names; `DataError` if there are none or two are alike."""
    names = tuple(labels)
    if not names:
        raise DataError("labels: expected a name for each class, got none")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"labels: expected each name once, got {listing(twice)} more than once; rename one of them")
    return names


def check_class_ids(name: str, ids: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.int64]:
    """Return ids as `int64[n]`; `DataError` if they are not integers from 0 to `num_classes - 1`.

    Args:
        name: What the ids are called in the message.
        ids: `int[n]`.
        num_classes: How many classes there are.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise DataError(f"{name}: expected class ids, int[n], got {array.dtype}{list(array.shape)}")
    outside = (array < 0) | (array >= num_classes)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{name}: expected class ids from 0 to {num_classes - 1}, got {array[row]} in row {row}; "
            "count ids with the label vocabulary that the model was trained with"
        )
    return array.astype(np.int64)


def check_confusion(matrix: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.int64]:
    """Return a read-only copy, `int64[num_classes, num_classes]`; `DataError` if it is no matrix of counts."""
    array = np.asarray(matrix)
    if array.shape != (num_classes, num_classes) or array.dtype.kind not in "iu":
        raise DataError(
            f"confusion: expected counts, int[{num_classes}, {num_classes}] for {num_classes} labels, "
            f"got {array.dtype}{list(array.shape)}"
        )
    if (array < 0).any():
        raise DataError(f"confusion: expected counts from 0 up, got {array.min()}")
    copy = array.astype(np.int64)
    copy.flags.writeable = False
    return copy


def check_predictions(
    targets: npt.ArrayLike, probabilities: npt.ArrayLike, labels: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
    """Return targets, `int64[n]`, and probabilities, `float[n, classes]`, that fit the labels and each other.

    Raises:
        DataError: A shape does not fit, an id is no class, or a probability is not from 0 to 1.
    """
    ids = check_class_ids("targets", targets, len(labels))
    array = np.asarray(probabilities)
    if array.shape != (len(ids), len(labels)) or array.dtype.kind != "f":
        raise DataError(
            f"probabilities: expected float[{len(ids)}, {len(labels)}], a row a text and a column a label, "
            f"got {array.dtype}{list(array.shape)}"
        )
    outside = ~((array >= 0.0) & (array <= 1.0 + 1e-5)).all(axis=1)  # float32 softmax may round above 1
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"probabilities: expected numbers from 0 to 1, got {array[row].tolist()[:3]}… in row {row}; "
            "pass the softmax of the logits, and if they are nan look at the training loss"
        )
    return ids, array
