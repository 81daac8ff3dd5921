"""The models that are served: which versions are loaded, what they are called by, and who holds one."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textclf.engine.errors import Code, RequestError
from textclf.engine.loading import load
from textclf.engine.models_config import check_config, new_labels
from textclf.engine.polling import wanted_versions
from textclf.engine.servable import Servable
from textclf.engine.versions import State, Version, VersionStatus
from textclf.errors import refusal

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

Loader = Callable[[str, int, Path], Servable]
"""Makes a version, by its model, number and folder, ready to be asked; `RequestError` if it cannot be."""


class Models:
    """The versions that are loaded, for any number of threads.

    A new version answers before an old one goes, and what is leased is closed only after it was given back: a hot swap
    loses no request. Nothing happens by itself; `poll` looks what there is.

    Args:
        allow_labels_for_unavailable: Whether a label that is new may point at a version that is not loaded (yet), as
            with TensorFlow Serving's `--allow_version_labels_for_unavailable_models`.
        loader: What makes a version ready.
        clock: Seconds, for the time between two attempts to load a version that fails.

    Example:
        >>> Models().statuses("sentiment")
        Traceback (most recent call last):
        textclf.engine.errors.RequestError: Could not find any versions of model sentiment
    """

    def __init__(
        self,
        *,
        allow_labels_for_unavailable: bool = False,
        loader: Loader = load,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._loader, self._clock = loader, clock
        self._changing = threading.Lock()  # held as long as a load takes
        self._lock = threading.Condition()  # held for moments: of the versions, their labels and leases
        self._configs: dict[str, ModelConfig] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._leaving: list[Version] = []
        self._unreadable: dict[str, str] = {}
        self._is_closed = False

    @contextmanager
    def lease(self, name: str, *, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """Give a version, which is not closed before the block ends.

        Args:
            name: The model.
            version: Its number.
            label: What it is called by; if neither is given, the newest that is loaded is meant.

        Raises:
            RequestError: NOT_FOUND if it is not loaded, INVALID_ARGUMENT for an unknown label or no name.
        """
        if not name:
            raise RequestError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        with self._lock:
            held, servable = self._find(name, version, label)
            held.leases += 1
        try:
            yield servable
        finally:
            with self._lock:
                held.leases -= 1
                self._lock.notify_all()

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """Return the states of all versions that are or were there, newest first; or of one.

        Raises:
            RequestError: NOT_FOUND if there was none.
        """
        with self._lock:
            found = [version.status for version in self._versions.get(name, {}).values()]
        found = sorted((status for status in found if version in (None, status.version)), reverse=True)
        if not found:
            what = "any versions" if version is None else f"version {version}"
            raise RequestError(Code.NOT_FOUND, f"Could not find {what} of model {name}")
        return found

    def names(self) -> list[str]:
        """Return the models that are to be served, in order."""
        with self._lock:
            return sorted(self._configs)

    def labels(self, name: str) -> dict[str, int]:
        """Return the version of each label of a model, by label in order."""
        with self._lock:
            return dict(sorted(self._labels.get(name, {}).items()))

    def unreadable(self) -> dict[str, str]:
        """Return why the base path of a model could not be read at the last look, by model in order."""
        with self._lock:
            return dict(self._unreadable)

    def reload(self, config: "ModelServerConfig") -> None:
        """Serve what a `models.config` asks for, and nothing else; an empty one changes nothing.

        Raises:
            RequestError: INVALID_ARGUMENT or FAILED_PRECONDITION if it cannot be, and all stays as it was; UNKNOWN if a
                model that is new has no version that can be loaded: it is served from now on, and tried again.
        """
        if config.WhichOneof("config") is None:
            return
        with self._changing:
            if self._is_closed:
                return
            check_config(config)
            configs = {model.name: model for model in config.model_config_list.config}
            with self._lock:
                self._labels = new_labels(configs, self._labels, self._is_available, self._allow_labels_for_unavailable)
                added = configs.keys() - self._configs.keys()
                self._configs = configs
            self._poll()
            self._check_available(added)

    def poll(self) -> None:
        """Look once at all base paths: load what has appeared, unload what has gone or is no longer asked for."""
        with self._changing:
            self._poll()

    def close(self) -> None:
        """Unload all, once every lease is given back; nothing is loaded or served after it.

        Of what is being loaded by another thread, one version is waited for.
        """
        self._is_closed = True
        with self._changing:
            with self._lock:
                self._configs, self._labels = {}, {}
                for name in self._versions:
                    self._unload(name, {})
                self._lock.wait_for(lambda: not any(version.leases for version in self._leaving))
            self._free()

    def _find(self, name: str, version: int | None, label: str | None) -> tuple[Version, Servable]:
        """Return what a request means; the caller holds the lock."""
        if label is not None:
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise RequestError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")
        there = self._versions.get(name, {})
        meant = sorted(there, reverse=True) if version is None else [version]
        for number in meant:
            found = there.get(number)
            if found is not None and found.state == State.AVAILABLE and found.servable is not None:
                return found, found.servable
        which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {which}")

    def _is_available(self, name: str, version: int) -> bool:
        found = self._versions.get(name, {}).get(version)
        return found is not None and found.state == State.AVAILABLE

    def _poll(self) -> None:
        unreadable = {}
        for name in sorted(self._configs.keys() | self._versions.keys()):
            try:
                wanted = wanted_versions(self._configs[name]) if name in self._configs else {}
            except OSError as error:  # it says nothing of its versions
                unreadable[name] = refusal(error)
                continue
            with self._lock:
                due = self._due(name, wanted)
            for version in due:
                if self._is_closed:
                    return
                self._load(name, version, wanted[version.number])
            with self._lock:
                if not wanted or any(self._is_available(name, number) for number in wanted):
                    self._unload(name, wanted)
        with self._lock:
            self._unreadable = unreadable
        self._free()

    def _due(self, name: str, wanted: Mapping[int, Path]) -> list[Version]:
        """Return the versions to load, the newest first; the caller holds the lock."""
        there = self._versions.setdefault(name, {})
        for number in there.keys() - wanted.keys():
            there[number].due = 0.0  # if it comes back, it is another one
        for number in wanted:
            known = there.get(number)
            if known is None or (known.state in (State.UNLOADING, State.END) and known.error is None):
                there[number] = Version(number)
        return [there[number] for number in sorted(wanted, reverse=True) if there[number].is_due(self._clock())]

    def _load(self, name: str, version: Version, path: Path) -> None:
        with self._lock:
            version.state = State.LOADING
        try:
            servable = self._loader(name, version.number, path)
        except RequestError as error:
            refused = error
        except Exception as error:  # a version must not end the server, nor what the others are asked
            refused = RequestError(Code.INTERNAL, f"{type(error).__name__}: {error}")
        else:
            with self._lock:
                version.servable, version.state, version.error = servable, State.AVAILABLE, None
            return
        with self._lock:
            version.fail(refused, self._clock())

    def _unload(self, name: str, wanted: Collection[int]) -> None:
        """Let no one else have what is not wanted; the caller holds the lock."""
        for version in self._versions.get(name, {}).values():
            if version.state == State.AVAILABLE and version.number not in wanted:
                version.state = State.UNLOADING
                self._leaving.append(version)

    def _free(self) -> None:
        """Close what has gone and is not held by anyone; the rest is left for the next time."""
        with self._lock:
            free = [version for version in self._leaving if not version.leases]
            self._leaving = [version for version in self._leaving if version.leases]
        for version in free:
            if version.servable is not None:
                version.servable.close()
            with self._lock:
                version.servable, version.state = None, State.END

    def _check_available(self, added: Collection[str]) -> None:
        """Raise, in the words of TensorFlow Serving, if models have nothing but versions that could not be loaded."""
        failed = []
        with self._lock:
            for name in sorted(added):
                there = sorted(self._versions.get(name, {}).values(), key=lambda version: version.number)
                if there and there[-1].error and not any(self._is_available(name, each.number) for each in there):
                    error = there[-1].error
                    said = f"due to error: {error.code.name}: {error.message}"
                    failed.append(f"{{{{name: {name} version: {there[-1].number}}} {said}}}, ")
        if failed:
            message = f"{len(failed)} model(s) did not become available: {{{''.join(failed)}}}"
            raise RequestError(Code.UNKNOWN, message)
