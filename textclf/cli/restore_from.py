"""`textclf restore-from`: what a backup holds, back under a base path."""

import click

from textclf.cli.options import base_option, served_from_option
from textclf.cli.stopping import cleans_up
from textclf.store.backup import restore_from


@click.command(name="restore-from")
@click.argument("source", metavar="BACKUP", type=click.Path())
@base_option
@served_from_option
@cleans_up
def command(source: str, base: str, served_from: str | None) -> None:
    """Bring back the versions, the log and the labels of BACKUP that BASE lacks.

    Each file is checked by its SHA-256 before and after. A version that is there with the same files is passed over;
    if one is there with other files, nothing comes back.
    """
    done = restore_from(source, base, served_from)
    click.echo(f"Restored {_named(done.new)} of '{done.name}'; already there: {_named(done.same)}.")
    for label, version in done.labels.items():
        click.echo(f"{label} points at version {version}.")


def _named(versions: list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
