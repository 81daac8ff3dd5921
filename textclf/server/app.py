"""The local server as a whole: models that follow their base path, REST and gRPC, in one loop of events."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from textclf.engine import watch
from textclf.engine.batching import Batching
from textclf.engine.errors import RequestError
from textclf.engine.models import State, VersionStatus
from textclf.engine.runner import Direct
from textclf.engine.watch import Watch
from textclf.errors import RunError, listing, refusal
from textclf.server import metrics, page
from textclf.server.access import Access
from textclf.server.audit import AuditLog
from textclf.server.calls import Call, Caller, answering, current_call
from textclf.server.grpc_calls import CallInterceptor
from textclf.server.grpc_services import add_services
from textclf.server.guarded import CountingRunner, GuardedModels
from textclf.server.http import HttpServer
from textclf.server.limits import Limits
from textclf.server.metrics import Metrics
from textclf.server.records import Records
from textclf.server.rest import Reply, Rest
from textclf.server.tls import Tls
from textclf.store.models_config import served_config

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

WHAT_IT_IS = (
    "This is textclf's local server, for development and tests. It is not TensorFlow Serving, whose contract it keeps."
)


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
        self._options, self._say = options, say
        self._names = [model.name for model in self._config().model_config_list.config]
        self._access = Access.read(options.access) if options.access else Access()
        self._audit = AuditLog(options.audit, say) if options.audit else None
        self._models = GuardedModels(allow_labels_for_unavailable=True)
        self._metrics = Metrics()
        self._records = Records(self._models, self._metrics, self._audit)
        self._watch = Watch(self._models, self._config, say)
        self._stopping = asyncio.Event()
        self._told: dict[str, dict[int, VersionStatus]] = {}
        self.rest_port = self.grpc_port = 0

    async def start(self) -> None:
        """Take the ports, load what there is, and accept requests.

        Raises:
            RunError: A port is taken, or the address is not ours.
        """
        listening = _bound(self._options.host, self._options.rest_port, "REST")
        self._runner = Batching() if self._options.batching else Direct()
        runner = CountingRunner(self._runner, self._metrics)
        try:
            self._grpc = self._grpc_server(runner)
            self._say(f"Loading {listing(self._names)} ...")
            await self._look()
            rest = Rest(self._models, runner)
            listings = {metrics.PATH: self._metrics_page, page.MODELS_PATH: self._models_list}
            self._http = HttpServer(rest, self._records, self._access, _page, listings, self._options.limits)
            await self._grpc.start()
            await self._http.start(listening, self._options.tls.context if self._options.tls else None)
        except BaseException:
            listening.close()
            raise
        self.rest_port = listening.getsockname()[1]
        self._looking = asyncio.create_task(self._look_on())

    async def stop(self) -> bool:
        """Accept nothing more, let what runs end, and free all; return whether that was done in the time of grace."""
        self._stopping.set()
        try:
            async with asyncio.timeout(self._options.grace_seconds + 1):
                grace = self._options.grace_seconds
                await asyncio.gather(self._looking, self._http.stop(grace), self._grpc.stop(grace))
                await asyncio.to_thread(self._free)
        except TimeoutError:
            return False
        return True

    def addresses(self) -> list[str]:
        """Return where it can be asked, a line each."""
        host = _in_url(self._options.host)
        scheme = "https" if self._options.tls else "http"
        return [f"REST  {scheme}://{host}:{self.rest_port}/v1/models/NAME", f"gRPC  {host}:{self.grpc_port}"]

    def _grpc_server(self, runner: CountingRunner) -> grpc.aio.Server:
        limits, tls = self._options.limits, self._options.tls
        server = grpc.aio.server(
            interceptors=[CallInterceptor(self._records, self._access, limits)],
            options=[
                ("grpc.so_reuseport", 0),  # or else a second server would take half of the requests, unseen
                ("grpc.max_receive_message_length", limits.body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", limits.requests),
            ],
        )
        add_services(server, self._models, runner)
        address = f"{_in_url(self._options.host)}:{self._options.grpc_port}"
        with contextlib.closing(_bound(self._options.host, self._options.grpc_port, "gRPC")):
            pass  # says better than gRPC why a port cannot be had
        try:
            if tls is None:
                self.grpc_port = server.add_insecure_port(address)
            else:
                self.grpc_port = server.add_secure_port(address, tls.grpc_credentials())
        except RuntimeError:
            raise _taken(self._options.host, self._options.grpc_port, "gRPC", "it was just taken") from None
        return server

    def _config(self) -> "ModelServerConfig":
        return served_config(self._options.base, self._options.names)

    async def _look_on(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), watch.SECONDS)
                return
            await self._look()

    async def _look(self) -> None:
        """Follow the base path and models.config, and tell what has changed."""
        with answering(Call("", caller=Caller())):
            await asyncio.to_thread(self._watch.look)
            self._tell()

    def _tell(self) -> None:
        for name in sorted({*self._models.names(), *self._told}):
            try:
                now = {status.version: status for status in self._models.statuses(name)}
            except RequestError:  # none of it was ever there
                now = {}
            before = self._told.get(name, {})
            for version, status in sorted(now.items()):
                known = before.get(version)
                if known is None or (known.state, known.message) != (status.state, status.message):
                    _tell(self._say, name, status)
            self._told[name] = now

    def _metrics_page(self) -> Reply:
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


async def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends the process at once.

    Args:
        options: What is served, and how.
        say: What tells the operator; called with a line at a time.

    Raises:
        TextclfError: There is no such model, a file is not as expected, or a port is taken.
    """
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    say(WHAT_IT_IS)
    server = LocalServer(options, say)
    starting = asyncio.create_task(server.start())
    ending = asyncio.create_task(told_to_end.wait())
    await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        _end_now(say, "Ended while loading.", 0)
    await starting
    _spare_the_collector()
    for line in server.addresses():
        say(line)
    await ending
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    say("Ending: what runs is answered, and nothing more is accepted. A second signal ends it at once.")
    if not await server.stop():
        _end_now(say, f"What ran was not answered within {options.grace_seconds:g} seconds, and is given up.", 1)


def _spare_the_collector() -> None:
    """Let Python look for cycles seldom, and not among what stays: that look is half of the time of a large body."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _page(target: str) -> Reply | None:
    """Return a file of the page to try the models; None if the target is none."""
    found = page.page_file(target.partition("?")[0])
    return None if found is None else Reply(200, *found, page.HEADERS)


def _end_now(say: Callable[[str], None], why: str, exit_code: int) -> None:
    """End the process with its threads: one that is inside TensorFlow hears of nothing."""
    say(why)
    os._exit(exit_code)


def _tell(say: Callable[[str], None], name: str, status: VersionStatus) -> None:
    if status.state is State.AVAILABLE:
        say(f"{name}: version {status.version} is loaded")
    elif status.message:
        say(f"{name}: version {status.version} cannot be loaded: {status.message}")
    elif status.state is State.END:
        say(f"{name}: version {status.version} is unloaded")


def _bound(host: str, port: int, what: str) -> socket.socket:
    """Return a socket that holds a port and does not listen yet, so that clients are not kept waiting by the load."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _taken(host, port, what, refusal(error)) from None
    try:
        if os.name != "nt":  # there it would take a port from another server
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _taken(host, port, what, refusal(error)) from None
    return bound


def _taken(host: str, port: int, what: str, why: str) -> RunError:
    hint = f"Name another port: --{what.lower()}-port {port + 10}, or another address."
    return RunError(f"{what} cannot listen on {host}:{port}: {why}. {hint}")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
