"""`textclf serve`: exports answered over REST and gRPC, by the real TensorFlow Serving or by a server of our own."""

import asyncio
from pathlib import Path
from typing import Any

import click

from textclf.cli.options import base_option
from textclf.optional import import_optional
from textclf.server import real
from textclf.startup import import_tensorflow

_LOCAL_ONLY = {"access": "--access", "tls_cert": "--tls-cert", "tls_key": "--tls-key", "audit": "--audit"}
_PORT = click.IntRange(0, 65535)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(name="serve")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@base_option
@click.option("--local", is_flag=True, help="Run textclf's own server, though TensorFlow Serving is installed.")
@click.option("--docker", is_flag=True, help=f"Run TensorFlow Serving's official image, {real.IMAGE}.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 is all of them, which tensorflow_model_server takes in any case.",
)
@click.option("--rest-port", default=8501, show_default=True, type=_PORT, help="Port of REST.")
@click.option("--grpc-port", default=8500, show_default=True, type=_PORT, help="Port of gRPC.")
@click.option("--no-batching", is_flag=True, help="Run each request by itself.")
@click.option("--access", type=click.Path(dir_okay=False), help="File of API keys; `textclf keys api` makes them.")
@click.option("--tls-cert", type=click.Path(dir_okay=False), help="Certificate for both ports, in PEM.")
@click.option("--tls-key", type=click.Path(dir_okay=False), help="Its private key, in PEM.")
@click.option("--audit", type=click.Path(dir_okay=False), help="Log who asked what, without the texts, to this file.")
@click.pass_context
def command(ctx: click.Context, /, names: tuple[str, ...], local: bool, docker: bool, **options: Any) -> None:
    """Serve the models NAME under BASE, or all of them, until Ctrl-C.

    TensorFlow Serving does it, if `tensorflow_model_server` is on the PATH, or with --docker. Otherwise, and with
    --local, a server of textclf's own does, which gives the same answers: for development and tests.
    """
    if local and docker:
        raise click.UsageError("--local and --docker exclude each other.")
    if options["rest_port"] == options["grpc_port"] != 0:
        raise click.UsageError("REST and gRPC need a port each: --rest-port and --grpc-port are the same.")
    if docker or (real.find() is not None and not local):
        ctx.exit(_serve_real(names, docker, options))
    _serve_local(names, options)


def _serve_real(names: tuple[str, ...], docker: bool, options: dict[str, Any]) -> int:
    for name, option in _LOCAL_ONLY.items():
        if options[name] is not None:
            raise click.UsageError(f"{option} is of textclf's own server: add --local. See docs/serving.md for others.")
    if 0 in (options["rest_port"], options["grpc_port"]):
        raise click.UsageError("Port 0, any that is free, is of textclf's own server: add --local.")
    if not docker:
        if options["host"] != "127.0.0.1":
            raise click.UsageError("tensorflow_model_server listens on all addresses: it knows no --host.")
        click.echo("TensorFlow Serving listens on all addresses of this machine.", err=True)
    chosen = real.Options(Path(options["base"]), names, docker, *_addresses(options), not options["no_batching"])
    return real.serve(chosen, click.echo)


def _serve_local(names: tuple[str, ...], options: dict[str, Any]) -> None:
    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    for module in ("aiohttp", "grpc", "prometheus_client"):
        import_optional(module, "serve", "The local server")
    import_tensorflow(with_text=False)
    from textclf.server.app import Options
    from textclf.server.serve import serve
    from textclf.server.tls import Tls

    tls = Tls(options["tls_cert"], options["tls_key"]) if options["tls_cert"] else None
    chosen = Options(
        Path(options["base"]),
        names,
        *_addresses(options),
        batching=not options["no_batching"],
        access=_path(options["access"]),
        tls=tls,
        audit=_path(options["audit"]),
    )
    if chosen.host not in _LOOPBACK:
        if chosen.access is None:
            click.echo("Whoever reaches this address may ask, and change what is served: see --access.", err=True)
        if tls is None:
            click.echo("Texts and keys go over the network as they are: see --tls-cert.", err=True)
    asyncio.run(serve(chosen, click.echo))


def _addresses(options: dict[str, Any]) -> tuple[str, int, int]:
    return options["host"], options["rest_port"], options["grpc_port"]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
