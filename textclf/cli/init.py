"""`textclf init`: from a data file to a config."""

import re
from pathlib import Path

import click

from textclf.cli.options import set_option
from textclf.config import Config
from textclf.config.comments import comment_config
from textclf.config.files import override
from textclf.data import Guess, guess
from textclf.errors import RunError, listing

# What a guess says of `DataConfig`; both call it the same.
_GUESSED_FIELDS = ("format", "text_column", "label_column", "header", "encoding", "quoting")


@click.command(name="init")
@click.argument("data")
@click.option(
    "--out", default="config.yaml", show_default=True, help="Where to write the config; - for standard output."
)
@click.option("--name", help="Name of the classifier; the data file's if not given.")
@click.option("--force", is_flag=True, help="Replace a config that is there.")
@set_option
def command(data: str, out: str, name: str | None, force: bool, overrides: tuple[str, ...]) -> None:
    """Look at DATA (a file, a folder with a folder a class, or tfds:NAME) and write a commented config for it."""
    guessed = guess(data)
    fields = {field: getattr(guessed, field) for field in _GUESSED_FIELDS}
    values = {"name": name or _name_of(data), "data": {"train": data} | fields}
    config = Config.make(override(values, overrides))
    text = comment_config(config, f"What textclf trains on {data}. Paths are relative to where textclf is run.")
    if out == "-":
        click.echo(text, nl=False)
        return
    path = Path(out)
    if path.exists() and not force:
        raise RunError(f"'{out}' is there already. Choose another --out, or replace it with --force.")
    path.write_text(text, encoding="utf-8")
    click.echo(_summary(guessed))
    click.echo(f"Wrote {out}. Next: textclf check {out}, then textclf train {out}.")


def _summary(guessed: Guess) -> str:
    """Return what was found, for the terminal."""
    lines = [f"Format {guessed.format}, encoding {guessed.encoding} ({guessed.encoding_certainty})."]
    lines.append(f"Text in '{guessed.text_column}', label in '{guessed.label_column}'.")
    if guessed.labels_found:
        found = f"{len(guessed.labels_found)} labels in the first {guessed.rows_looked_at:,} rows"
        lines.append(f"{found}: {listing(guessed.labels_found)}.")
    return "\n".join(lines)


def _name_of(data: str) -> str:
    """Return a name made of a source's: `data/My messages.csv.gz` gives `My-messages`.

    Example:
        >>> _name_of("data/My messages.csv.gz"), _name_of("tfds:imdb_reviews"), _name_of("消息.csv")
        ('My-messages', 'imdb_reviews', 'classifier')
    """
    stem = Path(data.rpartition(":")[2]).name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-_") or "classifier"
