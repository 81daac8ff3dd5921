"""`textclf unseal`: a sealed version as a folder again."""

from pathlib import Path

import click

from textclf.cli.options import base_option, encryption_key_option, version_argument
from textclf.cli.stopping import cleans_up


@click.command(name="unseal")
@click.argument("name")
@version_argument
@encryption_key_option
@click.option("--to", type=click.Path(), help="Folder in which the folder VERSION appears; BASE/NAME if not given.")
@base_option
@cleans_up
def command(name: str, version: int, key_file: str, to: str | None, base: str) -> None:
    """Decrypt BASE/NAME/VERSION.sealed into a folder that servers load. The sealed file stays."""
    from textclf.store.keys import read_encryption_key
    from textclf.store.sealing import unseal
    from textclf.store.secured import unseal_live
    from textclf.store.versions import SEALED

    key = read_encryption_key(key_file)
    if to is None:
        folder = unseal_live(base, name, version, key)
    else:
        folder = unseal(Path(base) / name / f"{version}{SEALED}", key, to)
    click.echo(f"Unsealed {folder}")
