"""What a client returns, read from what a server says."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from textclf.client.errors import ReplyError

TEXT, TEXT_PAIR = "text", "text_pair"
"""Inputs of textclf's signatures."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        label: The label with the highest score.
        score: Its score, 0 to 1.
        scores: The best labels' scores, the best first: five, or as many as there are labels if that is less.
            `Client.scores` gives all.
    """

    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class VersionStatus:
    """How a version of a model is.

    Attributes:
        version: Its number.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        code: `OK`, or the code of the error that ended it.
        message: The error's words.
    """

    version: int
    state: str
    code: str
    message: str


@dataclass(frozen=True)
class TensorInfo:
    """What goes in or out of a signature.

    Attributes:
        dtype: Its type, as TensorFlow names it: `DT_STRING`, `DT_FLOAT`, …
        shape: Its size in each dimension, -1 where it is not known before; None if the rank is not either.
    """

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """What a signature takes and gives, by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


@dataclass(frozen=True)
class Metadata:
    """What a server says of a model.

    Attributes:
        model: Its name.
        version: The version that this is said of.
        signatures: Its signatures by name.
    """

    model: str
    version: int
    signatures: dict[str, Signature]

    @property
    def takes_pairs(self) -> bool:
        """Whether it was trained on pairs of texts, and wants `text_pairs`."""
        default = self.signatures.get("serving_default")
        return default is not None and TEXT_PAIR in default.inputs


def prediction(row: Any) -> Prediction:
    """Return what `serving_default` says of a text.

    Raises:
        ReplyError: It says something else.

    Example:
        >>> prediction({"label": "a", "score": 0.75, "labels": ["a", "b"], "label_scores": [0.75, 0.25]})
        Prediction(label='a', score=0.75, scores={'a': 0.75, 'b': 0.25})
    """
    try:
        best = dict(zip(map(_text, row["labels"]), floats(row["label_scores"]), strict=True))
        return Prediction(_text(row["label"]), floats([row["score"]])[0], best)
    except (KeyError, TypeError, ValueError):
        raise _unexpected("label, score, labels and label_scores from serving_default", row) from None


def scores(row: Any) -> dict[str, float]:
    """Return what Classify says of a text: every label's score, in the vocabulary's order.

    Raises:
        ReplyError: It says something else.

    Example:
        >>> scores([["a", 0.75], ["b", 0.25]])
        {'a': 0.75, 'b': 0.25}
    """
    try:
        names, values = zip(*row, strict=True)
        return dict(zip(map(_text, names), floats(values), strict=True))
    except (TypeError, ValueError):
        raise _unexpected("[label, score] for every label", row) from None


def embedding(row: Any) -> list[float]:
    """Return what `embed` says of a text.

    Raises:
        ReplyError: It says something else.
    """
    try:
        return floats(row)
    except (TypeError, ValueError):
        raise _unexpected("the numbers of an embedding", row) from None


def statuses(said: Any) -> list[VersionStatus]:
    """Return the statuses of a model's versions, in the server's order.

    Raises:
        ReplyError: They are something else.
    """
    try:
        return [_status(version, **version.get("status", {})) for version in said]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unexpected("the statuses of versions", said) from None


def _status(said: dict[str, Any], error_code: str = "OK", error_message: str = "") -> VersionStatus:
    return VersionStatus(int(said.get("version", 0)), said.get("state", "UNKNOWN"), error_code, error_message)


def metadata(said: Any) -> Metadata:
    """Return a model's metadata.

    Raises:
        ReplyError: They are something else.
    """
    try:
        named = said["metadata"]["signature_def"].get("signature_def", {})
        signatures = {name: Signature(*(_tensors(one.get(way, {})) for way in _WAYS)) for name, one in named.items()}
        return Metadata(said["model_spec"]["name"], int(said["model_spec"]["version"]), signatures)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unexpected("a model's metadata", said) from None


_WAYS = ("inputs", "outputs")


def _tensors(said: dict[str, Any]) -> dict[str, TensorInfo]:
    return {name: TensorInfo(one.get("dtype", "DT_INVALID"), _shape(one)) for name, one in said.items()}


def _shape(tensor: dict[str, Any]) -> tuple[int, ...] | None:
    shape = tensor.get("tensor_shape", {})
    return None if shape.get("unknown_rank") else tuple(int(each.get("size", 0)) for each in shape.get("dim", []))


def floats(values: Iterable[Any]) -> list[float]:
    """Return numbers as float32 has them: JSON's nine digits then say exactly what gRPC and Python say.

    Example:
        >>> floats([0.1])
        [0.10000000149011612]
    """
    return array("f", values).tolist()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _unexpected(expected: str, came: Any) -> ReplyError:
    return ReplyError(
        f"Expected {expected}, got {came!r:.120}. The model is no classifier that `textclf export` wrote, or what "
        "stands before the server changes its replies."
    )
