"""`textclf predict`: labels for texts from anywhere, as a stream."""

import csv
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import click

from textclf.cli.quiet import import_tensorflow
from textclf.errors import RunError


@click.command(name="predict")
@click.argument("model", type=click.Path(file_okay=False))
@click.argument("texts", nargs=-1)
@click.option("--file", "source", help="File to read: plain lines, CSV, TSV, JSON lines or Parquet; - is standard input.")
@click.option("--text-column", default="text", show_default=True, help="Column or field of the text in such a file.")
@click.option("--input-format", default="auto", show_default=True, help="Format of the file: auto, lines, csv, tsv, …")
@click.option("--encoding", default="utf-8", show_default=True, help="Character encoding of the file.")
@click.option("--format", "output_format", type=click.Choice(["tsv", "jsonl"]), default="tsv", show_default=True)
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
    if out != "-" and Path(out).exists() and not force:
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
    kept, asked = itertools.tee(stream)
    rows = zip(kept, classifier.stream(asked), strict=True)
    with nullcontext(sys.stdout) if out == "-" else Path(out).open("w", encoding="utf-8", newline="") as file:
        write = _write_tsv if output_format == "tsv" else _write_jsonl
        write(file, rows, classifier.labels if all_scores else [])


def _write_tsv(file: IO[str], rows: Iterator[tuple[str, Any]], labels: list[str]) -> None:
    writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    writer.writerow(["label", "score", *map(_one_line, labels), "text"])
    for text, prediction in rows:
        scores = [f"{prediction.scores[label]:.6f}" for label in labels]
        writer.writerow([_one_line(prediction.label), f"{prediction.score:.6f}", *scores, _one_line(text)])


def _write_jsonl(file: IO[str], rows: Iterator[tuple[str, Any]], labels: list[str]) -> None:
    for text, prediction in rows:
        record = {"text": text, "label": prediction.label, "score": round(prediction.score, 6)}
        if labels:
            record["scores"] = {label: round(score, 6) for label, score in prediction.scores.items()}
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _one_line(text: str) -> str:
    """Return a text without tabs and line breaks, which TSV cannot hold."""
    return " ".join(text.split())
