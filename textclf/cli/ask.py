"""`textclf ask`: labels for texts from a running server."""

import io
import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Any

import click

from textclf.cli.answers import NAMES, encodable, write_jsonl, write_tsv
from textclf.cli.api_key import key_for
from textclf.cli.output import STDOUT, opened
from textclf.client import Client
from textclf.client.advice import COMMAND_LINE
from textclf.client.core import BATCH_SIZE, MOST_VERSION
from textclf.client.rest import SERVER
from textclf.errors import DataError


@click.command(name="ask")
@click.argument("name")
@click.argument("texts", nargs=-1, required=True)
@click.option("--server", default=SERVER, show_default=True, help="Address of the server's REST interface.")
@click.option("--label", help="Label of the version to ask, such as stable.")
@click.option(
    "--version",
    type=click.IntRange(0, MOST_VERSION),
    help="Version to ask; the newest if neither it nor --label is given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, with the best labels' scores, instead of TSV.")
def command(
    name: str, texts: tuple[str, ...], server: str, label: str | None, version: int | None, as_json: bool
) -> None:
    """Ask a running server for the labels of TEXTS by its model NAME; TEXTS may be - for the lines of standard input.

    Writes a line a text, in their order: label, score and text (TSV: white space in texts becomes spaces), or JSON
    objects. A model of pairs takes two texts for each, and a line then holds both, with a tab between them. All are
    answered by one version. Neither the model nor TensorFlow is loaded here. An API key that the server wants is read
    from the environment variable TEXTCLF_API_KEY.
    """
    if label is not None and version is not None:
        raise click.UsageError("Expected --label or --version, got both.")
    with Client(server, name, api_key=key_for(server)) as client:
        client.core.advice = COMMAND_LINE
        asked = client.metadata(version=version, label=label)
        rows = _lines(asked.takes_pairs) if texts == ("-",) else _arguments(texts, asked.takes_pairs)
        answers = _answers(client, _told_of(rows), asked.version)
        first = list(itertools.islice(answers, 1))  # an error at the first text leaves not even a header
        with opened(STDOUT) as file:
            _write(file, itertools.chain(first, answers), asked.takes_pairs, as_json)


def _write(file: IO[str], rows: Iterator[tuple[tuple[str, ...], Any]], pairs: bool, as_json: bool) -> None:
    names = NAMES[: 2 if pairs else 1]
    if as_json:
        write_jsonl(file, rows, names, None)
    else:
        write_tsv(file, rows, names, [])


def _answers(client: Client, rows: Iterable[tuple[str, ...]], version: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield rows with their predictions as they come: what is answered is written, whatever becomes of the rest."""
    stream = iter(rows)
    while batch := list(itertools.islice(stream, BATCH_SIZE)):
        texts, *pairs = zip(*batch, strict=True)
        yield from zip(
            batch, client.predict(texts, text_pairs=pairs[0] if pairs else None, version=version), strict=True
        )


def _arguments(texts: tuple[str, ...], pairs: bool) -> list[tuple[str, ...]]:
    if not pairs:
        return [(text,) for text in texts]
    if len(texts) % 2:
        raise click.UsageError(
            f"Expected an even number of texts, since the model was trained on pairs of texts; got {len(texts)}."
        )
    return list(zip(texts[::2], texts[1::2], strict=True))


def _told_of(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield rows as they can be sent, and say at the end how many of them that changed."""
    changed = 0
    for row in rows:
        sent = tuple(map(encodable, row))
        changed += sent != row
        yield sent
    if changed:
        plural = "s" * (changed > 1)
        click.echo(f"{changed:,} row{plural} with bytes that are no UTF-8, which were read as U+FFFD.", err=True)


def _lines(pairs: bool) -> Iterator[tuple[str, ...]]:
    if sys.stdin.isatty():
        click.echo("Reading texts from the terminal, one a line; Ctrl-D ends.", err=True)
    if isinstance(sys.stdin, io.TextIOWrapper):  # whatever the locale says
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    for number, line in enumerate(sys.stdin, start=1):
        row = tuple(line.rstrip("\r\n").split("\t", 1)) if pairs else (line.rstrip("\r\n"),)
        if pairs and len(row) != len(NAMES):
            raise DataError(
                f"Standard input, line {number}: expected two texts with a tab between them, since the model was "
                "trained on pairs of texts; got one."
            )
        yield row
