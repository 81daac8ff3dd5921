"""`textclf seal`: a version at rest, encrypted."""

from pathlib import Path

import click

from textclf.cli.options import base_option, encryption_key_option, version_argument
from textclf.cli.stopping import cleans_up


@click.command(name="seal")
@click.argument("name")
@version_argument
@encryption_key_option
@click.option("--remove", is_flag=True, help="Remove the folder, after the sealed file was read back and compared.")
@base_option
@cleans_up
def command(name: str, version: int, key_file: str, remove: bool, base: str) -> None:
    """Encrypt VERSION of NAME into the file BASE/NAME/VERSION.sealed, which servers do not load."""
    from textclf.store.keys import read_encryption_key
    from textclf.store.secured import seal_live

    sealed = seal_live(base, name, version, read_encryption_key(key_file), remove=remove)
    click.echo(f"Sealed {sealed}" + (f" and removed {Path(base) / name / str(version)}" if remove else ""))
