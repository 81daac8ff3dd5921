"""Models and runner as requests meet them: asked only by who may, and with a note of which version answered."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from textclf.engine.models import Models
from textclf.engine.runner import Runner
from textclf.engine.servable import Servable
from textclf.engine.versions import VersionStatus
from textclf.server.calls import check_model, check_reload, current_call
from textclf.server.metrics import Metrics

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig


class GuardedModels(Models):
    """Models that check the caller of the request which asks.

    Here, and not where paths and messages are read: nothing that is asked, in whatever words, comes to a model by
    another way. Code that asks outside of a request is refused as nobody.
    """

    @contextmanager
    def lease(self, name: str, *, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """See `Models`; PERMISSION_DENIED for who has no right to the model."""
        if name:
            check_model(name)
        with super().lease(name, version=version, label=label) as servable:
            current_call().version = servable.version
            yield servable

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """See `Models`; PERMISSION_DENIED for who has no right to the model."""
        check_model(name)
        return super().statuses(name, version)

    def reload(self, config: "ModelServerConfig") -> None:
        """See `Models`; PERMISSION_DENIED for who may not change what is served."""
        check_reload()
        super().reload(config)


class CountingRunner:
    """A runner that counts texts and the time they take."""

    def __init__(self, runner: Runner, metrics: Metrics) -> None:
        """Ask `runner`, and tell `metrics`."""
        self._runner, self._metrics = runner, metrics

    async def run(
        self, servable: Servable, signature: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See `Runner`."""
        call, started = current_call(), time.perf_counter()
        texts = max((len(tensor) for tensor in feeds.values() if tensor.ndim), default=0)
        call.texts += texts
        answer = await self._runner.run(servable, signature, feeds, outputs)
        self._metrics.ran(servable.name, call.api, texts, time.perf_counter() - started)
        return answer
