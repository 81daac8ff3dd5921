"""`textclf restore`: a retired version back in the server's sight."""

import click

from textclf.cli.options import base_option, version_argument
from textclf.store.lifecycle import restore


@click.command(name="restore")
@click.argument("name")
@version_argument
@base_option
def command(name: str, version: int, base: str) -> None:
    """Bring the retired VERSION of the model NAME back under its number. Labels stay where they are."""
    click.echo(f"Restored {restore(base, name, version)}")
