"""What is known of a request while it is answered: who asks, what was asked, and what metrics and audit say of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from textclf.engine.errors import Code, RequestError


@dataclass(frozen=True)
class Caller:
    """Who asks, and what they may.

    Attributes:
        name: The name of the key; an empty string if the server knows no keys.
        models: The models that may be asked; None for all.
        may_reload: Whether the models that are served may be changed.
    """

    name: str = ""
    models: frozenset[str] | None = None
    may_reload: bool = True

    def sees(self, model: str) -> bool:
        """Return whether a model may be asked."""
        return self.models is None or model in self.models


NOBODY = Caller(models=frozenset(), may_reload=False)
"""Who has shown no key yet, and where nobody asks at all."""


@dataclass
class Call:
    """One request.

    Attributes:
        entrypoint: REST or GRPC.
        api: What was asked, in the words of TensorFlow Serving's metrics: `predict` over REST, `Predict` over gRPC.
        model: The model's name as it was asked for, which may be none that is served.
        version: The version that answered.
        texts: How many texts it was given.
        caller: Who asks.
        started: When it came, by `time.perf_counter`.
    """

    entrypoint: str
    api: str = ""
    model: str = ""
    version: int | None = None
    texts: int = 0
    caller: Caller = NOBODY
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since it came."""
        return time.perf_counter() - self.started


_NO_CALL = Call("")
_current: ContextVar[Call] = ContextVar("call", default=_NO_CALL)


def current_call() -> Call:
    """Return the request that is being answered here; outside of any, one of `NOBODY`, who may nothing."""
    return _current.get()


@contextmanager
def answering(call: Call) -> Iterator[None]:
    """Let `current_call` be this one in the block, and in the tasks that it starts."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def check_model(name: str) -> None:
    """Refuse a model that the caller has no right to, whether or not it is served.

    Raises:
        RequestError: PERMISSION_DENIED.
    """
    caller = current_call().caller
    if not caller.sees(name):
        raise RequestError(Code.PERMISSION_DENIED, f"The key '{caller.name}' has no right to the model '{name}'.")


def check_reload() -> None:
    """Refuse who may not change the models that are served.

    Raises:
        RequestError: PERMISSION_DENIED.
    """
    caller = current_call().caller
    if not caller.may_reload:
        raise RequestError(Code.PERMISSION_DENIED, f"The key '{caller.name}' has no right to change what is served.")
