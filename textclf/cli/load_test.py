"""`textclf load-test`: how long a served model takes to answer under a load."""

import asyncio
import itertools
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.api_key import key_for
from textclf.client.core import MOST_VERSION, check_name
from textclf.client.rest import SERVER, http_options, request_of, without_secrets
from textclf.client.steps import Ask
from textclf.errors import DataError, RunError

if TYPE_CHECKING:
    from textclf.loadtest.result import LoadResult


@click.command(name="load-test")
@click.argument("name")
@click.option("--server", default=SERVER, show_default=True, help="Address of the server's REST interface.")
@click.option("--version", type=click.IntRange(0, MOST_VERSION), help="Version to ask; the newest if not given.")
@click.option("--label", help="Label of the version to ask.")
@click.option("--texts", "source", default="sample:test", show_default=True, help="File with the texts to ask for.")
@click.option("--text-column", default="text", show_default=True, help="Column of the text in such a file.")
@click.option("--rate", type=float, default=20.0, show_default=True, help="Requests a second, on average.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="How long requests are sent.")
@click.option("--batch-size", type=int, default=1, show_default=True, help="Texts a request.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds until a request has failed.")
@click.option("--plot", type=click.Path(dir_okay=False), help="PNG file to write with the latencies.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@click.option("--force", is_flag=True, help="Replace --plot if it is there.")
def command(
    name: str, source: str, text_column: str, plot: str | None, as_json: bool, force: bool, **options: Any
) -> None:
    """Send requests for the model NAME to a running server at a rate of their own, and say how long answers took.

    Nobody waits for the answer to another's request, as with clients that do not know of each other: if the server
    cannot keep up, latencies grow. The exit code is 1 if a request failed. An API key that the server wants is read
    from the environment variable TEXTCLF_API_KEY.
    """
    url, headers = _target(name, options.pop("server"), options.pop("version"), options.pop("label"))
    if plot is not None:
        _check_plot(Path(plot), force)
    result = _load(name, url, headers, _texts(source, text_column), options)
    click.echo(json.dumps(result.to_json(), indent=1) if as_json else result.to_text())
    if plot is not None:
        _write_plot(Path(plot), without_secrets(url), result)
    if result.errors:
        raise click.exceptions.Exit(1)


def _target(name: str, server: str, version: int | None, label: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL of what is asked, and the headers of a request."""
    if version is not None and label is not None:
        raise click.UsageError("Expected --version or --label, got both.")
    for what, value in (("NAME", name), ("--label", label)):
        if value is not None:
            check_name(what, value)
    options = http_options(server, key_for(server), True)
    return options["base_url"] + request_of(Ask("status", version=version, label=label), name).path, options["headers"]


def _load(name: str, url: str, headers: dict[str, str], texts: list[str], options: dict[str, Any]) -> "LoadResult":
    """Apply the load that the options say, with a bar; Ctrl-C ends it with what was measured."""
    from tqdm import tqdm

    from textclf.loadtest.load import apply_load

    async def run() -> "LoadResult":
        asking = asyncio.create_task(apply_load(url, texts, headers=headers, done=lambda _: bar.update(), **options))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asking.cancel)
        return await asking

    total = round(options["rate"] * options["seconds"])
    with tqdm(total=total, desc=f"asking {name}", unit="request", disable=None) as bar:
        try:
            return asyncio.run(run())
        except asyncio.CancelledError:  # before anything was measured
            raise KeyboardInterrupt from None


def _check_plot(path: Path, force: bool) -> None:
    """Refuse before the load what could not be written after it."""
    if path.exists() and not force:
        raise RunError(f"'{path}' is there already. Choose another --plot, or replace it with --force.")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "cannot be written" if folder.is_dir() else "is no folder"
        raise RunError(f"--plot: expected a file in a folder that can be written, but '{folder}' {what}.")


def _write_plot(path: Path, url: str, result: "LoadResult") -> None:
    from textclf.loadtest.plot import write_plot

    plural = "s" * (result.batch_size > 1)
    write_plot(path, result, f"{url}: {result.rate:g} requests a second of {result.batch_size} text{plural}")
    click.echo(f"Plot: {path}", err=True)


_MOST_TEXTS = 10_000


def _texts(source: str, text_column: str) -> list[str]:
    """Return the first texts of a file, or of the sample data."""
    if source.startswith("sample:"):
        from textclf.config import DataConfig
        from textclf.data import Example, read

        return [row.text for row in read(source, DataConfig(train=source)) if isinstance(row, Example)]
    from textclf.data.texts import iter_texts

    try:
        return list(itertools.islice(iter_texts(source, text_column=text_column), _MOST_TEXTS))
    except DataError as error:
        if "has no column" not in str(error):
            raise
        raise DataError(
            f"{str(error).partition(' Name the right one')[0]} Name the right one with --text-column."
        ) from None
