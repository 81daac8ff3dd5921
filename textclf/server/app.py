"""The local server as a whole: models that follow their base path, REST and gRPC, in one loop of events."""

import asyncio
import contextlib
import logging
import shlex
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from textclf.engine import watch
from textclf.engine.batching import Batching
from textclf.engine.errors import Code, RequestError
from textclf.engine.runner import Direct
from textclf.engine.versions import State, VersionStatus
from textclf.engine.watch import Watch
from textclf.errors import listing
from textclf.server import metrics, page
from textclf.server.access import Access
from textclf.server.audit import AuditLog
from textclf.server.bodies import Bodies
from textclf.server.calls import Call, Caller, answering, current_call
from textclf.server.connections import AT_ONCE
from textclf.server.grpc_calls import CallInterceptor, grpc_options
from textclf.server.grpc_services import add_services
from textclf.server.guarded import CountingRunner, GuardedModels
from textclf.server.http import HttpServer
from textclf.server.limits import Limits
from textclf.server.metrics import Metrics
from textclf.server.ports import bound, in_url, taken
from textclf.server.records import Records
from textclf.server.rest import Reply, Rest
from textclf.server.tls import Tls
from textclf.store.models_config import served_config

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What is served, and how.

    Attributes:
        base: Folder of the served models.
        names: Those that are served; none for all.
        host: The address that both ports listen on.
        rest_port: REST; 0 for any that is free.
        grpc_port: gRPC; 0 for any that is free.
        batching: Whether requests that come together are run together.
        access: File of the API keys; None asks nobody for one.
        tls: What both ports are encrypted with.
        audit: File of the audit log.
        limits: The bounds.
        grace_seconds: For what runs when the server is told to end.
    """

    base: Path
    names: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    batching: bool = True
    access: Path | None = None
    tls: Tls | None = None
    audit: Path | None = None
    limits: Limits = field(default_factory=Limits)
    grace_seconds: float = 30.0


class LocalServer:
    """Starts and ends all parts.

    Attributes:
        rest_port: Where REST listens, once it is started.
        grpc_port: Where gRPC listens, once it is started.
    """

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        """Read what the options name; nothing is opened yet.

        Args:
            options: What is served, and how.
            say: What tells the operator; called with a line at a time.

        Raises:
            TextclfError: There is no such model, or a file is not as expected.
        """
        self._options, self._say = options, patient(say)
        self._names = [model.name for model in self._config().model_config_list.config]
        self._access = Access.read(options.access) if options.access else Access()
        self._audit = AuditLog(options.audit, self._say) if options.audit else None
        self._models = GuardedModels(allow_labels_for_unavailable=True)
        self._metrics = Metrics()
        self._records = Records(self._models, self._metrics, self._audit)
        self._watch = Watch(self._models, self._config, self._say)
        self._stopping = asyncio.Event()
        self._told: dict[str, dict[int, VersionStatus]] = {}
        self._told_labels: dict[str, dict[str, int]] = {}
        self.rest_port = self.grpc_port = 0

    async def start(self) -> None:
        """Take the ports, load what there is, and accept requests.

        Raises:
            RunError: A port is taken, or the address is not ours.
        """
        async with contextlib.AsyncExitStack() as parts:
            self._runner = Batching() if self._options.batching else Direct()
            parts.push_async_callback(asyncio.to_thread, self._free)
            runner = CountingRunner(self._runner, self._metrics)
            listening = parts.enter_context(bound(self._options.host, self._options.rest_port, "REST"))
            holding = parts.enter_context(bound(self._options.host, self._options.grpc_port, "gRPC"))
            self._say(f"Loading {listing(self._names)} ...")
            await self._look()
            rest, bodies = Rest(self._models, runner), Bodies(self._options.limits)
            listings = {metrics.PATH: self._metrics_page, page.MODELS_PATH: self._models_list}
            self._http = HttpServer(rest, self._records, self._access, _page, listings, self._options.limits, bodies)
            holding.close()
            self._grpc = self._grpc_server(runner, bodies)
            await self._grpc.start()  # at once: one that has a port and is not started cannot be stopped
            parts.push_async_callback(self._grpc.stop, None)
            await self._listen(listening)
            parts.push_async_callback(self._http.stop, AT_ONCE)
            self._looking = asyncio.create_task(self._look_on())
            self._parts = parts.pop_all()

    async def stop(self) -> bool:
        """Accept nothing more, and let what runs end; return whether it was answered in the time of grace."""
        self._stopping.set()
        grace = self._options.grace_seconds
        self._ending = [asyncio.create_task(part.stop(grace)) for part in (self._http, self._grpc)]
        _, late = await asyncio.wait(self._ending, timeout=grace)
        if late:
            self._say(f"What ran was not answered within {grace:g} seconds, and is given up.")
        return not late

    async def close(self) -> None:
        """Free all, once it is stopped; what TensorFlow runs or loads cannot be ended, and is waited for."""
        for task in self._ending:
            task.cancel()
        await self._parts.aclose()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._looking

    def addresses(self) -> list[str]:
        """Return where it can be asked, a line each."""
        host = in_url(self._options.host)
        scheme = "https" if self._options.tls else "http"
        rest = f"{scheme}://{host}:{self.rest_port}"
        return [f"REST  {rest}/v1/models/NAME", f"gRPC  {host}:{self.grpc_port}", f"Page  {rest}/"]

    def _grpc_server(self, runner: CountingRunner, bodies: Bodies) -> grpc.aio.Server:
        limits, tls = self._options.limits, self._options.tls
        server = grpc.aio.server(
            interceptors=[CallInterceptor(self._records, self._access, limits, bodies)],
            options=grpc_options(limits),
            maximum_concurrent_rpcs=2 * limits.requests,  # those beyond wait unread
        )
        add_services(server, self._models, runner)
        address = f"{in_url(self._options.host)}:{self._options.grpc_port}"
        try:
            if tls is None:
                self.grpc_port = server.add_insecure_port(address)
            else:
                self.grpc_port = server.add_secure_port(address, tls.grpc_credentials())
        except RuntimeError:
            raise taken(self._options.host, self._options.grpc_port, "gRPC", "it was just taken") from None
        return server

    async def _listen(self, listening: socket.socket) -> None:
        try:
            await self._http.start(listening, self._options.tls.context if self._options.tls else None)
        except OSError as error:  # two may hold a port, but one listen on it
            raise taken(self._options.host, self._options.rest_port, "REST", error) from None
        self.rest_port = listening.getsockname()[1]

    def _config(self) -> "ModelServerConfig":
        return served_config(self._options.base, self._options.names)

    async def _look_on(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), watch.SECONDS)
                return
            try:
                await self._look()
            except Exception:  # a mistake of ours must not end the look at what is served
                _log.exception("The base path")

    async def _look(self) -> None:
        """Follow the base path and models.config, and tell what has changed."""
        with answering(Call("", caller=Caller())):
            await asyncio.to_thread(self._watch.look)
            if not self._stopping.is_set():
                self._tell_changes()

    def _tell_changes(self) -> None:
        for name in sorted({*self._models.names(), *self._told}):
            try:
                now = {status.version: status for status in self._models.statuses(name)}
            except RequestError:  # none of it was ever there
                now = {}
                if name not in self._told:
                    self._say(f"{name}: no version is there yet")
            before = self._told.get(name, {})
            # As it happens: the new version is there before the old one goes.
            for version in sorted(now, key=lambda version: (now[version].state is State.END, version)):
                status, known = now[version], before.get(version)
                if known is None or (known.state, known.message) != (status.state, status.message):
                    self._tell(name, status)
            self._told[name] = now
            labels = self._models.labels(name)
            for label, version in labels.items() - self._told_labels.get(name, {}).items():
                self._say(f"{name}: label {label} means version {version}")
            self._told_labels[name] = labels

    def _tell(self, name: str, status: VersionStatus) -> None:
        if status.state is State.AVAILABLE:
            self._say(f"{name}: version {status.version} is loaded")
        elif status.message:
            why = status.message.partition("\n")[0].rstrip(
                "."
            )  # TensorFlow adds the nodes of its graph; a status has all
            self._say(f"{name}: version {status.version} cannot be loaded: {why}. {self._to_do(name, status)}")
        elif status.state is State.END:
            self._say(f"{name}: version {status.version} is unloaded")

    def _to_do(self, name: str, status: VersionStatus) -> str:
        folder = shlex.quote(str(Path(self._options.base) / name / str(status.version)))
        return f"`textclf verify {folder}` may say more; what is loaded stays, and it is tried again."

    def _metrics_page(self) -> Reply:
        if current_call().caller.models is not None:
            raise RequestError(Code.PERMISSION_DENIED, "The metrics are of all models, which this key does not open.")
        return Reply(200, metrics.CONTENT_TYPE, self._metrics.page())

    def _models_list(self) -> Reply:
        sees = current_call().caller.sees
        names = [name for name in self._models.names() if sees(name)]
        return Reply(200, "application/json", page.models_json(self._models, names), {"Cache-Control": "no-store"})

    def _free(self) -> None:
        self._runner.close()
        self._models.close()
        if self._audit is not None:
            self._audit.close()


@asynccontextmanager
async def running(options: Options, say: Callable[[str], None]) -> AsyncIterator[LocalServer]:
    """Give a local server that runs as long as the block."""
    server = LocalServer(options, say)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await server.close()


def patient(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what tells the operator as far as anybody listens: a pipe that is gone ends no server."""

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):
            say(line)

    return tell


def _page(target: str) -> Reply | None:
    """Return a file of the page to try the models; None if the target is none."""
    found = page.page_file(target.partition("?")[0])
    return None if found is None else Reply(200, *found, page.HEADERS)
