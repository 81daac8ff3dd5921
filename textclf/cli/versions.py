"""`textclf versions`: what there is of a served model, and who made it so."""

import json
import shlex
from pathlib import Path

import click

from textclf.cli.options import base_option
from textclf.store import log
from textclf.store.listing import records, table
from textclf.store.versions import find_model, leftovers


@click.command(name="versions")
@click.argument("name")
@base_option
@click.option("--log", "show_log", is_flag=True, help="Show who did what and when instead, and check the log's chain.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table, or the log as JSON lines.")
def command(name: str, base: str, show_log: bool, as_json: bool) -> None:
    """List the versions of the model NAME: labels, scores on test, date, data, size and state.

    A live version is one that a server sees, a retired one is kept out of its sight, and a sealed one is encrypted.
    Nothing is changed. With --log, the exit code is 1 if a line was changed or removed.
    """
    if show_log:
        _show_log(find_model(base, name), as_json)
        return
    found = records(base, name)
    if as_json:
        click.echo(json.dumps([record.to_json() for record in found], ensure_ascii=False, indent=1))
    else:
        click.echo(table(found))
    left = leftovers(find_model(base, name))
    if left:
        removal = shlex.join(["rm", "-r", *map(str, left)])
        click.echo(f"Left by a process that was killed, if none is at work here: {removal}", err=True)


def _show_log(model_path: Path, as_json: bool) -> None:
    lines = log.read(model_path)
    for line in lines:
        if as_json:
            click.echo(json.dumps(line.facts, ensure_ascii=False))
            continue
        facts = dict(line.facts)
        words = [str(facts.pop(key, "?")) for key in ("time", "who", "action")]
        facts.pop("before", None)
        shown = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in facts.items() if value is not None)
        click.echo("  ".join([*words, " ".join(shown)]).rstrip())
    broken = [line for line in lines if line.problem]
    for line in broken:
        click.echo(f"The chain is broken at line {line.number}: {line.problem}.", err=True)
    if broken:
        raise click.exceptions.Exit(1)
    click.echo(
        f"{len(lines)} lines, each with the hash of the one before; the last one's is {log.head(model_path)}.", err=True
    )
