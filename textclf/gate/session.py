"""A SavedModel loaded and asked through TensorFlow's C API, as a server does it, without TensorFlow's Python."""

import ctypes
from collections.abc import Iterable, Mapping
from ctypes import c_char_p, c_int64, c_void_p
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from textclf.gate.tensorflow_c import Output, Status, TensorFlow, TensorFlowError

_STRING = 7
_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    8: np.dtype(np.complex64),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    14: np.dtype(ml_dtypes.bfloat16),
    17: np.dtype(np.uint16),
    18: np.dtype(np.complex128),
    19: np.dtype(np.float16),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
}
"""`TF_DataType` of the tensors that are read and written here, but for strings."""
_TSTRING_SIZE = 24


class Session:
    """A SavedModel in TensorFlow's C API, with the tag `serve`, as TensorFlow Serving loads it.

    Args:
        tensorflow: The library, with the op libraries loaded that the graph needs.
        path: The folder of the SavedModel.

    Raises:
        TensorFlowError: It cannot be loaded.
    """

    def __init__(self, tensorflow: TensorFlow, path: str | Path) -> None:
        self._tensorflow = tensorflow
        self._graph = tensorflow.TF_NewGraph()
        options = tensorflow.TF_NewSessionOptions()
        tags = (c_char_p * 1)(b"serve")
        try:
            with Status(tensorflow) as status:
                self._session = tensorflow.TF_LoadSessionFromSavedModel(
                    options, None, str(path).encode(), tags, 1, self._graph, None, status.pointer
                )
                status.check()
        except TensorFlowError:
            tensorflow.TF_DeleteGraph(self._graph)
            raise
        finally:
            tensorflow.TF_DeleteSessionOptions(options)
        self._outputs: dict[str, Output] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Iterable[str]) -> list[NDArray[Any]]:
        """Ask.

        Args:
            feeds: A tensor by the name of the graph's, such as `serving_default_text:0`; strings as an object array of
                `bytes`.
            fetches: The names of the tensors that are wanted.

        Returns:
            The tensors in the order of `fetches`; strings as object arrays of `bytes`.

        Raises:
            TensorFlowError: The graph refuses.
        """
        names = list(fetches)
        given = [self._output(name) for name in feeds]
        wanted = [self._output(name) for name in names]
        tensors: list[int] = []
        results = (c_void_p * len(names))()
        try:
            for value in feeds.values():
                tensors.append(_new_tensor(self._tensorflow, value))
            with Status(self._tensorflow) as status:
                self._tensorflow.TF_SessionRun(
                    self._session,
                    None,
                    (Output * len(given))(*given),
                    (c_void_p * len(tensors))(*tensors),
                    len(given),
                    (Output * len(wanted))(*wanted),
                    results,
                    len(wanted),
                    None,
                    0,
                    None,
                    status.pointer,
                )
                status.check()
            return [_read_tensor(self._tensorflow, int(result or 0)) for result in results]
        finally:
            for tensor in tensors:
                _forget(self._tensorflow, tensor)
            for result in filter(None, results):
                self._tensorflow.TF_DeleteTensor(result)

    def close(self) -> None:
        """Free the session and its graph; nothing can be asked after it."""
        with Status(self._tensorflow) as status:
            self._tensorflow.TF_CloseSession(self._session, status.pointer)
            self._tensorflow.TF_DeleteSession(self._session, status.pointer)
        self._tensorflow.TF_DeleteGraph(self._graph)

    def _output(self, name: str) -> Output:
        if name not in self._outputs:
            operation, _, index = name.partition(":")
            pointer = self._tensorflow.TF_GraphOperationByName(self._graph, operation.encode())
            if not pointer:
                raise TensorFlowError(5, f"The graph has no operation '{operation}'")
            self._outputs[name] = Output(pointer, int(index or 0))
        return self._outputs[name]


def _new_tensor(tensorflow: TensorFlow, value: NDArray[Any]) -> int:
    """Return a new `TF_Tensor` with a copy of the values."""
    value = np.asarray(value)
    shape = (c_int64 * value.ndim)(*value.shape)
    if value.dtype == object:
        tensor = tensorflow.TF_AllocateTensor(_STRING, shape, value.ndim, value.size * _TSTRING_SIZE)
        start = tensorflow.TF_TensorData(tensor)
        for position, item in enumerate(value.ravel()):
            string = c_void_p((start or 0) + position * _TSTRING_SIZE)
            tensorflow.TF_StringInit(string)
            tensorflow.TF_StringCopy(string, item, len(item))
        return int(tensor)
    code = next((code for code, dtype in _DTYPES.items() if dtype == value.dtype), None)
    if code is None:
        raise TensorFlowError(12, f"A tensor of {value.dtype} cannot be written here")
    tensor = tensorflow.TF_AllocateTensor(code, shape, value.ndim, value.nbytes)
    data = np.ascontiguousarray(value)
    if data.nbytes:
        ctypes.memmove(tensorflow.TF_TensorData(tensor), data.ctypes.data, data.nbytes)
    return int(tensor)


def _forget(tensorflow: TensorFlow, tensor: int) -> None:
    """Delete a tensor of `_new_tensor`, with its strings."""
    if tensorflow.TF_TensorType(tensor) == _STRING:
        start = tensorflow.TF_TensorData(tensor)
        for position in range(tensorflow.TF_TensorElementCount(tensor)):
            tensorflow.TF_StringDealloc(c_void_p(start + position * _TSTRING_SIZE))
    tensorflow.TF_DeleteTensor(tensor)


def _read_tensor(tensorflow: TensorFlow, tensor: int) -> NDArray[Any]:
    """Return a copy of the values of a `TF_Tensor`."""
    code = tensorflow.TF_TensorType(tensor)
    shape = [tensorflow.TF_Dim(tensor, axis) for axis in range(tensorflow.TF_NumDims(tensor))]
    start, count = tensorflow.TF_TensorData(tensor), tensorflow.TF_TensorElementCount(tensor)
    if code == _STRING:
        values = np.empty(count, object)
        for position in range(count):
            string = c_void_p(start + position * _TSTRING_SIZE)
            pointer, size = tensorflow.TF_StringGetDataPointer(string), tensorflow.TF_StringGetSize(string)
            values[position] = ctypes.string_at(pointer, size)
        return values.reshape(shape)
    if code not in _DTYPES:
        raise TensorFlowError(12, f"A tensor of TF_DataType {code} cannot be read here")
    size = tensorflow.TF_TensorByteSize(tensor)
    data = ctypes.string_at(start, size) if size else b""
    return np.frombuffer(data, _DTYPES[code]).reshape(shape).copy()
