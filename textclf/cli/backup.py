"""`textclf backup`: a served model in another place."""

import click

from textclf.cli.options import base_option, way_back
from textclf.cli.stopping import cleans_up
from textclf.store.backup import backup


@click.command(name="backup")
@click.argument("name")
@click.argument("target", type=click.Path())
@base_option
@cleans_up
def command(name: str, target: str, base: str) -> None:
    """Copy the model NAME to the new folder TARGET: its versions in every state, its log and its labels.

    Each file is checked by its SHA-256 before and after. TARGET appears when it is whole; nothing is overwritten.
    """
    done = backup(base, name, target)
    states = list(done.versions.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    click.echo(f"Copied {len(states)} versions ({counts}), {done.size / 1e6:,.1f} MB, to {target}")
    for version in done.unverified:
        click.echo(f"Version {version} has no manifest: it was copied as it is, whether or not it is whole.", err=True)
    click.echo(way_back(base, "restore-from", target))
