"""`textclf rollback`: the label `stable` back to where it was."""

import click

from textclf.cli.label import say_who_is_left
from textclf.cli.options import base_option
from textclf.store.labels import rollback


@click.command(name="rollback")
@click.argument("name")
@base_option
def command(name: str, base: str) -> None:
    """Let the label stable of the model NAME point at the version before, as the log has it.

    A second call goes back one more. A version that was retired meanwhile has to be restored first.
    """
    move = rollback(base, name)
    click.echo(f"stable points at version {move.after}, not {move.before} any more.")
    say_who_is_left(base, name)
