"""`textclf retire`: a version out of the server's sight, and kept."""

import click

from textclf.cli.options import base_option, version_argument, way_back
from textclf.errors import listing
from textclf.store.lifecycle import retire


@click.command(name="retire")
@click.argument("name")
@version_argument
@base_option
@click.option("--force", is_flag=True, help="Retire it with the labels that point at it, or as the last live one.")
def command(name: str, version: int, base: str, force: bool) -> None:
    """Move VERSION of the model NAME to BASE/NAME/.retired, so that a server unloads it. Nothing is deleted."""
    gone = retire(base, name, version, force)
    click.echo(f"Retired version {version}." + (f" Its labels are gone: {listing(gone)}." if gone else ""))
    click.echo(way_back(base, "restore", name, str(version)))
