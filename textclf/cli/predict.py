"""`textclf predict`: labels for texts from anywhere, as a stream."""

import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from textclf.cli.quiet import import_tensorflow
from textclf.errors import RunError


@click.command(name="predict")
@click.argument("model", type=click.Path(file_okay=False))
@click.argument("texts", nargs=-1)
@click.option(
    "--file", "source", help="File to read: plain lines, CSV, TSV, JSON lines or Parquet; - is standard input."
)
@click.option("--text-column", default="text", show_default=True, help="Column or field of the text in such a file.")
@click.option("--input-format", default="auto", show_default=True, help="Format of the file: auto, lines, csv, tsv, …")
@click.option("--encoding", default="utf-8", show_default=True, help="Character encoding of the file.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["tsv", "jsonl"]),
    default="tsv",
    show_default=True,
    help="Format of the answers.",
)
@click.option("--all-scores", is_flag=True, help="Write every label's score, not only the best one's.")
@click.option("--out", default="-", show_default=True, help="File to write; - is standard output.")
@click.option("--force", is_flag=True, help="Replace --out if it is there.")
def command(
    model: str,
    texts: tuple[str, ...],
    source: str | None,
    text_column: str,
    input_format: str,
    encoding: str,
    output_format: str,
    all_scores: bool,
    out: str,
    force: bool,
) -> None:
    """Classify TEXTS, or a file of any size, or standard input, with the exported MODEL (saved_models/NAME[/VERSION]).

    Writes a line a text, in their order: label, score and text (TSV: white space in texts becomes spaces), or JSON
    objects.
    """
    if texts and source is not None:
        raise click.UsageError("Expected texts as arguments or --file, got both.")
    if texts == ("-",):
        texts = ()
    if out != "-" and Path(out).is_file() and not force:
        raise RunError(f"'{out}' is there already. Choose another --out, or replace it with --force.")
    import_tensorflow()
    from textclf.data import iter_texts
    from textclf.serving.classifier import load

    classifier = load(model)
    stream: Iterable[str] = texts or iter_texts(
        source or "-", format=input_format, text_column=text_column, encoding=encoding
    )
    if source is None and not texts and sys.stdin.isatty():
        click.echo("Reading texts from the terminal, one a line; Ctrl-D ends.", err=True)
    kept, asked = itertools.tee(map(_encodable, stream))
    rows = zip(kept, classifier.stream(asked), strict=True)
    write: Callable[..., None] = _write_tsv if output_format == "tsv" else _write_jsonl
    with _opened(out) as file:
        write(file, rows, classifier.labels if all_scores else [])


@contextmanager
def _opened(out: str) -> Iterator[IO[str]]:
    """Open the output; a file takes its name when it is whole, so that a failure leaves nothing half-written."""
    path = Path(out)
    if out == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):  # whatever the locale says
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        sys.stdout.flush()
    elif path.exists() and not path.is_file():  # a named pipe, /dev/stdout
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    else:
        unfinished = path.with_name(f".unfinished-{path.name}")
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _encodable(text: str) -> str:
    """Return a text with U+FFFD for what no encoding takes: bytes of an argument, and half a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _write_tsv(file: IO[str], rows: Iterator[tuple[str, Any]], labels: list[str]) -> None:
    file.write("\t".join(["label", "score", *map(_one_line, labels), "text"]) + "\n")
    for text, prediction in rows:
        scores = [f"{score:.6f}" for score in (prediction.score, *(prediction.scores[label] for label in labels))]
        file.write("\t".join([_one_line(prediction.label), *scores, _one_line(text)]) + "\n")


def _write_jsonl(file: IO[str], rows: Iterator[tuple[str, Any]], labels: list[str]) -> None:
    for text, prediction in rows:
        record = {"text": text, "label": prediction.label, "score": round(prediction.score, 6)}
        if labels:
            record["scores"] = {label: round(score, 6) for label, score in prediction.scores.items()}
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _one_line(text: str) -> str:
    """Return a text without tabs and line breaks, which TSV cannot hold."""
    return " ".join(text.split())
