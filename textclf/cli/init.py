"""`textclf init`: from a data file to a config."""

import shlex
from pathlib import Path

import click

from textclf.cli.options import set_option
from textclf.cli.output import STDOUT, opened
from textclf.config.comments import comment_config
from textclf.data import Guess
from textclf.data.init import count_bad_rows, guess_with, init
from textclf.data.readers.delimited import DELIMITERS
from textclf.errors import DataError, RunError, listing


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
    guessed = guess_with(data, overrides)
    config = init(data, overrides, name, guessed=guessed)
    text = comment_config(config, f"What textclf trains on {data}. Paths are relative to where textclf is run.")
    if out != STDOUT and Path(out).exists() and not force:
        raise RunError(f"'{out}' is there already. Choose another --out, or replace it with --force.")
    with opened(out) as file:
        file.write(text)
    if out == STDOUT:
        return
    written = shlex.quote(out)
    click.echo(_summary(guessed, config.data.pair_column))
    try:
        num_bad, num_rows = count_bad_rows(config.data)
    except DataError as error:  # some of it was set, and the rest is for whoever edits the config
        click.echo(f"The config does not fit the data yet: {error}")
        num_bad = 0
    if num_bad:
        look = "looks" if num_bad == 1 else "look"
        click.echo(f"{num_bad:,} of the first {num_rows:,} rows {look} bad; textclf check {written} shows them.")
    click.echo(f"Wrote {out}. Next: textclf check {written}, then textclf train {written}.")


def _summary(guessed: Guess, pair_column: str | None) -> str:
    """Return what was found, for the terminal."""
    second = "" if pair_column is None else f"second text in '{pair_column}', "
    lines = [f"Format {guessed.format}, encoding {guessed.encoding} ({guessed.encoding_certainty})."]
    lines.append(f"Text in '{guessed.text_column}', {second}label in '{guessed.label_column}'.")
    if pair_column is None and guessed.second_column is not None:
        pairs = shlex.join(["--set", f"data.pair_column={guessed.second_column}"])
        lines.append(f"Column '{guessed.second_column}' is not used. If rows are pairs of texts: {pairs}")
    if guessed.format in DELIMITERS:
        held = "names of columns" if guessed.header else "a text like the others"
        lines.append(f"The first line holds {held} ({guessed.header_certainty}).")
        if guessed.header_certainty == "unsure":
            lines[-1] += " If it holds names, set data.header, data.text_column and data.label_column."
    num_labels = len(guessed.labels_found)
    if num_labels:
        found = f"{num_labels} label{'s' if num_labels > 1 else ''} in the first {guessed.rows_looked_at:,} rows"
        lines.append(f"{found}: {listing(guessed.labels_found)}.")
    if num_labels == 1:
        lines.append("Training needs at least two: if the rows below have no other one, look at data.label_column.")
    return "\n".join(lines)
