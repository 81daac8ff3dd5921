"""What a version is asked before anybody asks it: warm-up records and golden requests."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from textclf.savedmodel.golden import Request
from textclf.savedmodel.graph import Endpoint
from textclf.savedmodel.signatures import EXAMPLES, example

GOLDEN_TEXTS: tuple[str | bytes, ...] = (
    "Where is my parcel? It should have been here on Tuesday.",
    "退款还没有到账，请帮我查一下。",
    "刚更新完app就闪退，it crashes every time I open it",
    "",
    "ＡＢＣ ｆｕｌｌ ｗｉｄｔｈ, naïve café, 😀👍🏽, \u202eright to left\u202c, e\u0301",
    b"\xff\xfe no UTF-8 \xe4\xbd",
    "a very long text " * 400,
)
"""Both languages, both mixed, and what a text can come to; nobody's data."""

_SHORTEST = 8


def golden_requests(endpoints: Mapping[str, Endpoint], inputs: Iterable[str]) -> list[Request]:
    """Return what each signature is asked, all texts in one batch and the first one alone, and what it answers.

    Args:
        endpoints: The functions as they are exported, by the signature's name.
        inputs: The names of the texts: `text`, and of pairs `text_pair`.
    """
    names = list(inputs)
    found = []
    for signature, endpoint in endpoints.items():
        for texts in (GOLDEN_TEXTS, GOLDEN_TEXTS[:1]):
            asked = _tensors(endpoint, names, texts)
            answer = endpoint.function(*(tf.constant(tensor, tf.string) for tensor in asked.values()))
            found.append(Request(signature, asked, {name: value.numpy() for name, value in answer.items()}))
    return found


def write_warmup(
    path: Path,
    name: str,
    endpoints: Mapping[str, Endpoint],
    inputs: Iterable[str],
    lengths: Iterable[int],
    batch_sizes: Iterable[int],
) -> None:
    """Write the requests that TensorFlow Serving asks of a version before it answers anybody else.

    One record for each signature, batch size and length, in the order of their size. TensorFlow prepares some kernels
    for each shape that they meet; nobody shall wait for that.

    Args:
        path: `assets.extra/tf_serving_warmup_requests`: an uncompressed TFRecord of `PredictionLog`.
        name: The served model's.
        endpoints: The functions that are exported, by the signature's name.
        inputs: The names of the texts.
        lengths: Lengths of texts, in tokens.
        batch_sizes: Texts in a request.
    """
    names = list(inputs)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size, length, (signature, endpoint) in itertools.product(batch_sizes, lengths, endpoints.items()):
            tensors = _tensors(endpoint, names, ["a " * length] * size)
            request = PredictRequest(inputs={key: tf.make_tensor_proto(value) for key, value in tensors.items()})
            request.model_spec.name, request.model_spec.signature_name = name, signature
            record = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(record.SerializeToString())


def warmup_lengths(usual: int, longest: int) -> list[int]:
    """Return the lengths that are warmed up: doubled from 8 up to the first that no usual text is longer than.

    Args:
        usual: A length that hardly any text is above, in tokens.
        longest: What the model reads at most.

    Example:
        >>> warmup_lengths(50, 256), warmup_lengths(50, 48), warmup_lengths(3, 256)
        ([8, 16, 32, 64], [8, 16, 32, 48], [8])
    """
    return list(_doubled(min(usual, longest), longest))


def _doubled(usual: int, longest: int) -> Iterator[int]:
    length = _SHORTEST
    while length < usual:
        yield length
        length *= 2
    yield min(length, longest)


def _tensors(endpoint: Endpoint, names: list[str], texts: Iterable[str | bytes]) -> dict[str, NDArray[Any]]:
    """Return the inputs of a signature for texts; the second text of a pair is the first one too."""
    texts = [tf.compat.as_bytes(text) for text in texts]
    if [spec.name for spec in endpoint.inputs] == [EXAMPLES]:
        return {EXAMPLES: np.array([example(dict.fromkeys(names, text)) for text in texts], object)}
    return {name: np.array(texts, object) for name in names}
