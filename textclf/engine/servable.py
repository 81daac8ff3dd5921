"""A version that is loaded: its signatures, asked by the names of their inputs and outputs."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from textclf.engine.batching_parameters import read_parameters
from textclf.engine.errors import Code, RequestError
from textclf.engine.files import reading
from textclf.gate.session import Session
from textclf.gate.tensorflow_c import TensorFlow, TensorFlowError, text_libraries

_TAGS = ["serve"]
_library_lock = threading.Lock()


class Servable:
    """A version of a model in TensorFlow's C API, which is what TensorFlow Serving asks inside.

    Args:
        name: The model.
        version: Its number.
        path: Folder of the version.
        folder: Where TensorFlow reads it, if that is not `path`: a version whose signature was checked lies in memory.

    Raises:
        RequestError: It cannot be loaded, with TensorFlow's own code and message.

    Attributes:
        name: The model.
        version: Its number.
        signatures: All that it has by their names, `__saved_model_init_op` too.
        batching: How its requests are put together; None if it does not say so.
    """

    def __init__(self, name: str, version: int, path: Path, folder: str | None = None) -> None:
        self.name, self.version = name, version
        source = str(path) if folder is None else folder
        with _refusals():
            self._session = Session(_library(), source)
        self._lock = threading.Lock()
        self._running, self._is_closed = 0, False
        try:
            self.signatures = _read_signatures(source)
            self.batching = read_parameters(source)
        except BaseException:
            self.close()
            raise

    def run(self, signature: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Ask a signature; whatever thread calls waits for the answer.

        Args:
            signature: Its name.
            feeds: A tensor by the alias of its input; strings as an object array of `bytes`.
            outputs: The aliases of the outputs that are wanted.

        Returns:
            The tensors by the aliases of the outputs; strings as object arrays of `bytes`.

        Raises:
            RequestError: TensorFlow refuses, with its own code and message, or the version is closed.
        """
        definition = self.signatures[signature]
        tensors = {definition.inputs[alias].name: tensor for alias, tensor in feeds.items()}
        fetches = [definition.outputs[alias].name for alias in outputs]
        with self._open(), _refusals():
            return dict(zip(outputs, self._session.run(tensors, fetches), strict=True))

    def close(self) -> None:
        """Free the memory, now or as soon as what runs is answered; nothing can be asked after it.

        With oneDNN (`TF_ENABLE_ONEDNN_OPTS`) TensorFlow's allocator keeps what was freed for what is loaded next, so a
        process stays as large as it once was.
        """
        with self._lock:
            is_last = not self._is_closed and not self._running
            self._is_closed = True
        if is_last:
            self._session.close()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Keep the session for the time of a block: one that is freed while it runs would end the process."""
        with self._lock:
            if self._is_closed:
                raise RequestError(Code.UNAVAILABLE, f"Version {self.version} of '{self.name}' is unloaded")
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                is_last = self._is_closed and not self._running
            if is_last:
                self._session.close()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what TensorFlow refuses into what a client gets to read."""
    try:
        yield
    except TensorFlowError as error:
        raise RequestError(Code(error.code), str(error)) from error


def _library() -> TensorFlow:
    """Return TensorFlow with the ops that a server links; one for the process."""
    with _library_lock:
        return _new_library()


@cache
def _new_library() -> TensorFlow:
    tensorflow = TensorFlow()
    for library in text_libraries():
        tensorflow.load_ops(library)
    return tensorflow


def _read_signatures(folder: str) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Return the signatures of the graph that was loaded, apart from it: a graph that they are part of stays whole."""
    path = f"{folder}/saved_model.pb"
    try:
        with reading(), tf.io.gfile.GFile(path, "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
    except DecodeError as error:
        raise RequestError(Code.DATA_LOSS, f"'{path}' cannot be read: {error}") from None
    graph = next(graph for graph in saved.meta_graphs if list(graph.meta_info_def.tags) == _TAGS)
    signatures = {}
    for name, signature in graph.signature_def.items():
        signatures[name] = meta_graph_pb2.SignatureDef()
        signatures[name].CopyFrom(signature)
    return signatures
