"""`textclf predict`: labels for texts from anywhere, as a stream."""

import codecs
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from textclf.cli.answers import NAMES, encodable, write_jsonl, write_tsv
from textclf.cli.options import opening_key_option, trusted_key_option
from textclf.cli.output import opened
from textclf.config import DataConfig
from textclf.errors import DataError, RunError
from textclf.startup import import_tensorflow


@click.command(name="predict")
@click.argument("model", type=click.Path())
@click.argument("texts", nargs=-1)
@click.option(
    "--file", "source", help="File to read: plain lines, CSV, TSV, JSON lines or Parquet; - is standard input."
)
@click.option("--text-column", help="Column or field of the text in such a file; the training data's if not given.")
@click.option("--pair-column", help="The same of the second text, for a model of pairs.")
@click.option("--input-format", default="auto", show_default=True, help="Format of the file: auto, lines, csv, tsv, …")
@click.option(
    "--encoding",
    help="Character encoding; if not given, the training data's for a CSV, TSV or JSON lines file in the training "
    "data's own format, UTF-8 for any other, plain lines and standard input.",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether CSV and TSV begin with a line of column names; as the training data if not given.",
)
@click.option("--delimiter", help="Character between the fields of CSV and TSV; the training data's if not given.")
@click.option(
    "--quoting",
    type=click.Choice(["auto", "standard", "none"]),
    help='Whether " holds fields of CSV and TSV together; as in the training data if not given.',
)
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
@opening_key_option
@trusted_key_option
def command(
    model: str,
    texts: tuple[str, ...],
    source: str | None,
    text_column: str | None,
    pair_column: str | None,
    input_format: str,
    encoding: str | None,
    header: bool | None,
    delimiter: str | None,
    quoting: str | None,
    output_format: str,
    all_scores: bool,
    out: str,
    force: bool,
    key_file: str | None,
    trusted_keys: tuple[str, ...],
) -> None:
    """Classify TEXTS, or a file of any size, or standard input, with the exported MODEL (saved_models/NAME[/VERSION]).

    Writes a line a text, in their order: label, score and text (TSV: white space in texts becomes spaces), or JSON
    objects. A model of pairs takes two texts for each, and of TEXTS each two are a pair.
    """
    if texts and source is not None:
        raise click.UsageError("Expected texts as arguments or --file, got both.")
    if texts == ("-",):
        texts = ()
    if out != "-" and Path(out).is_file() and not force:
        raise RunError(f"'{out}' is there already. Choose another --out, or replace it with --force.")
    import_tensorflow()
    from textclf.serving.classifier import load

    classifier = load(model, key=key_file, trusted_keys=trusted_keys or None)
    undecodable = _Undecodable()
    stream: Iterable[tuple[str, ...]]
    if texts:
        stream = _arguments(texts, classifier.takes_pairs)
    else:
        given = {
            "text_column": text_column,
            "pair_column": pair_column,
            "encoding": encoding,
            "header": header,
            "delimiter": delimiter,
            "quoting": quoting,
        }
        if pair_column is not None and not classifier.takes_pairs:
            raise click.UsageError(f"--pair-column: '{model}' was trained on single texts.")
        stream = _read(source or "-", input_format, classifier.data_config, given, undecodable)
        if source is None and sys.stdin.isatty():
            click.echo("Reading texts from the terminal, one a line; Ctrl-D ends.", err=True)
    kept, *asked = itertools.tee((tuple(map(encodable, row)) for row in stream), 3)
    pairs = (row[1] for row in asked[1]) if classifier.takes_pairs else None
    rows = zip(kept, classifier.stream((row[0] for row in asked[0]), pairs=pairs), strict=True)
    first = list(itertools.islice(rows, 1))  # an error at the first text leaves nothing behind, not even a header
    write: Callable[..., None] = write_tsv if output_format == "tsv" else write_jsonl
    with opened(out) as file:
        names = NAMES[: 2 if classifier.takes_pairs else 1]
        write(file, itertools.chain(first, rows), names, classifier.labels if all_scores else [])
    if undecodable.count:
        click.echo(
            f"Read as U+FFFD, because they are not in the encoding: {undecodable.count:,} pieces of the input. "
            + undecodable.hint(),
            err=True,
        )


def _arguments(texts: tuple[str, ...], pairs: bool) -> Iterator[tuple[str, ...]]:
    if pairs and len(texts) % 2:
        raise click.UsageError(
            f"Expected an even number of texts, since the model was trained on pairs of texts; got {len(texts)}."
        )
    return zip(texts[::2], texts[1::2], strict=True) if pairs else ((text,) for text in texts)


class _Undecodable:
    """A codec error handler that reads bytes which are not in the encoding as U+FFFD, and counts the times.

    Attributes:
        count: How many times.
        encoding: The one that was asked for; the errors of some codecs call it `charmap`.
    """

    name = "textclf-undecodable"

    def __init__(self) -> None:
        self.count = 0
        self.encoding = "utf-8"
        self._first = b""  # the bytes around the first time
        codecs.register_error(self.name, self)

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        if not self.count:
            self._first = error.object
        self.count += 1
        return "\ufffd", error.end

    def hint(self) -> str:
        """Return what to do about it."""
        from textclf.data.encodings import encoding_hint

        return _renamed(encoding_hint(self._first, self.encoding))


# How the readers call the options, and what they are called here.
_OPTIONS = {
    "the option for the text column": "--text-column",
    "the option for the second text's column": "--pair-column",
    "data.text_column": "--text-column",
    "data.pair_column": "--pair-column",
    "data.encoding=": "--encoding ",
    "data.encoding": "--encoding",
    "data.delimiter=": "--delimiter ",
    "data.delimiter": "--delimiter",
    "data.header=false": "--no-header",
    "data.header=true": "--header",
    "data.quoting=": "--quoting ",
    "data.quoting": "--quoting",
    "data.format=": "--input-format ",
    "data.format": "--input-format",
}


def _renamed(message: str) -> str:
    """Return a message of the readers with the options called as they are here."""
    for name, option in _OPTIONS.items():
        message = message.replace(name, option)
    return message


def _read(
    source: str, input_format: str, data: DataConfig, given: dict[str, Any], undecodable: _Undecodable
) -> Iterator[tuple[str, ...]]:
    """Yield each row's texts, of a file or of standard input, written as the training data but for what is given."""
    from textclf.data import iter_pairs, iter_texts

    try:
        written = data if _is_written_as(source, input_format, data) else data.model_copy(update={"encoding": "utf-8"})
        options = {name: getattr(written, name) if value is None else value for name, value in given.items()}
        undecodable.encoding = options["encoding"]
        options |= {"format": input_format, "errors": undecodable.name}
        pair_column = options.pop("pair_column")
        if pair_column is None:
            yield from ((text,) for text in iter_texts(source, **options))
        else:
            yield from iter_pairs(source, pair_column=pair_column, **options)
    except DataError as error:
        message = _renamed(str(error))
        if message.startswith("format: "):
            message = f"--input-{message}"
        raise DataError(message) from None


def _is_written_as(source: str, input_format: str, data: DataConfig) -> bool:
    """Say whether a file has the training data's format; only then it is likely to have their encoding too.

    Plain lines, pipes and the files of other programs are mostly UTF-8, and one that is not is seen: its bytes
    become U+FFFD and are counted. Read in an old encoding of one byte a character, UTF-8 would be garbled in silence.
    """
    from textclf.data import format_of

    if source == "-":
        return False
    file_format = format_of(source) if input_format == "auto" else input_format
    try:
        return file_format in ("csv", "tsv", "jsonl") and file_format == format_of(data.train, data.format)
    except DataError:  # the training data is not there any more, and its name alone does not tell
        return False
