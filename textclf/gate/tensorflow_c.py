"""TensorFlow's C API: its shared objects, found in the installed wheels, and the functions that are used here.

`libtensorflow_cc` of the `tensorflow` wheel exports it, and its headers, `tensorflow/include/tensorflow/c`, are the
reference. What a server links of tensorflow-text stands in that wheel as shared objects.
"""

import ctypes
import importlib.util
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from textclf.errors import ExportError


class TensorFlowError(Exception):
    """A `TF_Status` that is not OK.

    Attributes:
        code: The canonical code: 3 is InvalidArgument, 5 NotFound, 9 FailedPrecondition, …
    """

    def __init__(self, code: int, message: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


class Output(ctypes.Structure):
    """A `TF_Output`: a tensor of the graph."""

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
        [_P, _P, POINTER(Output), _POINTERS, c_int, POINTER(Output), _POINTERS, c_int, _P, c_int, _P, _P],
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
        with Status(self) as status:
            self.TF_LoadLibrary(str(library).encode(), status.pointer)
            status.check()

    def registered_ops(self) -> bytes:
        """Return the ops that are registered, a serialized `tensorflow.OpList`."""
        buffer = self.TF_GetAllOpList()
        try:
            return ctypes.string_at(buffer.contents.data, buffer.contents.length)
        finally:
            self.TF_DeleteBuffer(buffer)


def _shared_object(folder: Path, name: str) -> Path:
    """Return a library of the wheel: `NAME.so.2`, on macOS `NAME.2.dylib`."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".2", ".dylib", ".so"))
    if not found:
        raise OSError(f"no {name}.so.2")
    return found[0]


class Status:
    """A `TFStatus` for the time of a `with`."""

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
