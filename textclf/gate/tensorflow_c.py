"""TensorFlow through its C API: a SavedModel loaded and asked as a server does it, without TensorFlow's Python.

`libtensorflow_cc` of the `tensorflow` wheel exports it, and its headers, `tensorflow/include/tensorflow/c`, are the
reference. What a server links of tensorflow-text stands in that wheel as shared objects.
"""

import ctypes
import importlib.util
from collections.abc import Iterable, Mapping
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from textclf.errors import ExportError

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


class TensorFlowError(Exception):
    """A `TF_Status` that is not OK.

    Attributes:
        code: The canonical code: 3 is InvalidArgument, 5 NotFound, 9 FailedPrecondition, …
    """

    def __init__(self, code: int, message: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


class _Output(ctypes.Structure):
    _fields_ = (("operation", c_void_p), ("index", c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


_P, _POINTERS = c_void_p, POINTER(c_void_p)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_Version": (c_char_p, []),
    "TF_GetAllOpList": (POINTER(_Buffer), []),
    "TF_DeleteBuffer": (None, [POINTER(_Buffer)]),
    "TF_LoadLibrary": (_P, [c_char_p, _P]),
    "TF_NewStatus": (_P, []),
    "TF_DeleteStatus": (None, [_P]),
    "TF_GetCode": (c_int, [_P]),
    "TF_Message": (c_char_p, [_P]),
    "TF_NewGraph": (_P, []),
    "TF_DeleteGraph": (None, [_P]),
    "TF_GraphOperationByName": (_P, [_P, c_char_p]),
    "TF_NewSessionOptions": (_P, []),
    "TF_DeleteSessionOptions": (None, [_P]),
    "TF_LoadSessionFromSavedModel": (_P, [_P, _P, c_char_p, POINTER(c_char_p), c_int, _P, _P, _P]),
    "TF_CloseSession": (None, [_P, _P]),
    "TF_DeleteSession": (None, [_P, _P]),
    "TF_SessionRun": (
        None,
        [_P, _P, POINTER(_Output), _POINTERS, c_int, POINTER(_Output), _POINTERS, c_int, _P, c_int, _P, _P],
    ),
    "TF_AllocateTensor": (_P, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_DeleteTensor": (None, [_P]),
    "TF_TensorType": (c_int, [_P]),
    "TF_NumDims": (c_int, [_P]),
    "TF_Dim": (c_int64, [_P, c_int]),
    "TF_TensorElementCount": (c_int64, [_P]),
    "TF_TensorByteSize": (c_size_t, [_P]),
    "TF_TensorData": (_P, [_P]),
    "TF_StringInit": (None, [_P]),
    "TF_StringCopy": (None, [_P, c_char_p, c_size_t]),
    "TF_StringDealloc": (None, [_P]),
    "TF_StringGetDataPointer": (_P, [_P]),
    "TF_StringGetSize": (c_size_t, [_P]),
}
"""The functions of the C API that are used here: what they return and take."""


def folder_of(package: str) -> Path:
    """Return the folder of an installed package without importing it.

    Raises:
        ExportError: It is not installed; the message says how to.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise ExportError(f"The package {distribution} is not installed. Install it: pip install {distribution}")
    return Path(next(iter(found.submodule_search_locations)))


def text_libraries() -> list[Path]:
    """Return the libraries of tensorflow-text's ops, which TensorFlow Serving links.

    Raises:
        ExportError: tensorflow-text is not installed, or its wheel has none.
    """
    folder = folder_of("tensorflow_text")
    found = sorted(folder.glob("python/*/_*.so"))
    if not found:
        raise ExportError(
            f"'{folder}' holds no op libraries (python/*/_*.so). Install them: pip install tensorflow-text"
        )
    return found


class TensorFlow:
    """The functions of TensorFlow's C API that a SavedModel needs.

    Args:
        folder: The folder `tensorflow` of the wheel; that of the installed package if None.

    Raises:
        ExportError: The shared objects are not there, or lack a function of the C API.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder_of("tensorflow") if folder is None else folder
        try:
            # Loaded for all: the op libraries look for TensorFlow's symbols among them.
            for name in ("libtensorflow_framework", "libtensorflow_cc"):
                self._library = ctypes.CDLL(str(_shared_object(folder, name)), mode=ctypes.RTLD_GLOBAL)
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self._library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise ExportError(
                f"TensorFlow's C API cannot be loaded from '{folder}' ({error}). "
                "Install a wheel that has it: pip install 'tensorflow>=2.19'"
            ) from error

    def __getattr__(self, name: str) -> Any:
        """Return a function of the C API."""
        return getattr(self._library, name)

    @property
    def version(self) -> str:
        """The version of the library."""
        return str(self.TF_Version().decode())

    def load_ops(self, library: Path) -> None:
        """Register the ops of a shared object; `TensorFlowError` if it is none."""
        with _Status(self) as status:
            self.TF_LoadLibrary(str(library).encode(), status.pointer)
            status.check()

    def registered_ops(self) -> bytes:
        """Return the ops that are registered, a serialized `tensorflow.OpList`."""
        buffer = self.TF_GetAllOpList()
        try:
            return ctypes.string_at(buffer.contents.data, buffer.contents.length)
        finally:
            self.TF_DeleteBuffer(buffer)


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
            with _Status(tensorflow) as status:
                self._session = tensorflow.TF_LoadSessionFromSavedModel(
                    options, None, str(path).encode(), tags, 1, self._graph, None, status.pointer
                )
                status.check()
        except TensorFlowError:
            tensorflow.TF_DeleteGraph(self._graph)
            raise
        finally:
            tensorflow.TF_DeleteSessionOptions(options)
        self._outputs: dict[str, _Output] = {}

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
            with _Status(self._tensorflow) as status:
                self._tensorflow.TF_SessionRun(
                    self._session,
                    None,
                    (_Output * len(given))(*given),
                    (c_void_p * len(tensors))(*tensors),
                    len(given),
                    (_Output * len(wanted))(*wanted),
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
        with _Status(self._tensorflow) as status:
            self._tensorflow.TF_CloseSession(self._session, status.pointer)
            self._tensorflow.TF_DeleteSession(self._session, status.pointer)
        self._tensorflow.TF_DeleteGraph(self._graph)

    def _output(self, name: str) -> _Output:
        if name not in self._outputs:
            operation, _, index = name.partition(":")
            pointer = self._tensorflow.TF_GraphOperationByName(self._graph, operation.encode())
            if not pointer:
                raise TensorFlowError(5, f"The graph has no operation '{operation}'")
            self._outputs[name] = _Output(pointer, int(index or 0))
        return self._outputs[name]


def _shared_object(folder: Path, name: str) -> Path:
    """Return a library of the wheel: `NAME.so.2`, on macOS `NAME.2.dylib`."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".2", ".dylib", ".so"))
    if not found:
        raise OSError(f"no {name}.so.2")
    return found[0]


class _Status:
    """A `TF_Status` for the time of a `with`."""

    def __init__(self, tensorflow: TensorFlow) -> None:
        self._tensorflow, self.pointer = tensorflow, tensorflow.TF_NewStatus()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tensorflow.TF_DeleteStatus(self.pointer)

    def check(self) -> None:
        """Raise `TensorFlowError` if it is not OK."""
        code = self._tensorflow.TF_GetCode(self.pointer)
        if code:
            raise TensorFlowError(code, self._tensorflow.TF_Message(self.pointer).decode(errors="replace"))


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
