"""`textclf load-test`: how long a served model takes to answer under a load."""

import asyncio
import itertools
import json
import signal
from pathlib import Path

import click

from textclf.errors import RunError


@click.command(name="load-test")
@click.argument("name")
@click.option("--server", default="http://127.0.0.1:8501", show_default=True, help="Where the server listens for REST.")
@click.option("--version", type=int, help="Version to ask; the newest if not given.")
@click.option("--label", help="Label of the version to ask.")
@click.option("--texts", "source", default="sample:test", show_default=True, help="File with the texts to ask for.")
@click.option("--text-column", default="text", show_default=True, help="Column of the text in such a file.")
@click.option("--rate", type=float, default=20.0, show_default=True, help="Requests a second, on average.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="How long requests are sent.")
@click.option("--batch-size", type=int, default=1, show_default=True, help="Texts a request.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds until a request has failed.")
@click.option("--api-key", envvar="TEXTCLF_API_KEY", help="Key for servers that ask for one.")
@click.option("--plot", type=click.Path(dir_okay=False), help="PNG file to write with the latencies.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@click.option("--force", is_flag=True, help="Replace --plot if it is there.")
def command(
    name: str,
    server: str,
    version: int | None,
    label: str | None,
    source: str,
    text_column: str,
    rate: float,
    seconds: float,
    batch_size: int,
    timeout: float,
    api_key: str | None,
    plot: str | None,
    as_json: bool,
    force: bool,
) -> None:
    """Send requests for the model NAME to a running server at a rate of their own, and say how long answers took.

    Nobody waits for the answer to another's request, as with clients that do not know of each other: if the server
    cannot keep up, latencies grow. The exit code is 1 if a request failed.
    """
    if version is not None and label is not None:
        raise click.UsageError("Expected --version or --label, got both.")
    if plot is not None and Path(plot).exists() and not force:
        raise RunError(f"'{plot}' is there already. Choose another --plot, or replace it with --force.")
    from tqdm import tqdm

    from textclf.loadtest.load import apply_load
    from textclf.loadtest.result import LoadResult

    which = f"/versions/{version}" if version is not None else f"/labels/{label}" if label is not None else ""
    url = f"{server.rstrip('/')}/v1/models/{name}{which}"
    texts = _texts(source, text_column)

    async def run() -> LoadResult:
        asking = asyncio.create_task(
            apply_load(
                url,
                texts,
                rate=rate,
                seconds=seconds,
                batch_size=batch_size,
                timeout=timeout,
                headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
                done=lambda _: bar.update(),
            )
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asking.cancel)
        return await asking

    with tqdm(total=round(rate * seconds), desc=f"asking {name}", unit="request", disable=None) as bar:
        result = asyncio.run(run())
    click.echo(json.dumps(result.to_json(), indent=1) if as_json else result.to_text())
    if plot is not None:
        from textclf.loadtest.plot import write_plot

        write_plot(
            Path(plot), result, f"{url}: {rate:g} requests a second of {batch_size} text{'s' * (batch_size > 1)}"
        )
        click.echo(f"Plot: {plot}", err=True)
    if result.errors:
        raise click.exceptions.Exit(1)


_MOST_TEXTS = 10_000


def _texts(source: str, text_column: str) -> list[str]:
    """Return the first texts of a file, or of the sample data."""
    if source.startswith("sample:"):
        from textclf.config import DataConfig
        from textclf.data import Example, read

        return [row.text for row in read(source, DataConfig(train=source)) if isinstance(row, Example)]
    from textclf.data.texts import iter_texts

    return list(itertools.islice(iter_texts(source, text_column=text_column), _MOST_TEXTS))
