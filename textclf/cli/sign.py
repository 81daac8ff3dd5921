"""`textclf sign`: a signature that says a version is as it was exported, and by whom."""

from pathlib import Path

import click

from textclf.cli.keys import ask_passphrase
from textclf.cli.options import base_option


@click.command(name="sign")
@click.argument("model")
@click.option(
    "--key", "key_file", required=True, type=click.Path(), help="File of the private key, as `textclf keys new` wrote."
)
@base_option
def command(model: str, key_file: str, base: str) -> None:
    """Sign MODEL, a version's folder (saved_models/NAME/VERSION), or NAME or NAME/VERSION under BASE.

    Of a model without a version it is the newest. The signature goes into assets.extra/manifest.sig.
    """
    from textclf.store.keys import read_signing_key
    from textclf.store.secured import sign
    from textclf.store.versions import versions

    path = Path(model) if Path(model).is_dir() else Path(base) / model
    found = versions(path)
    version = path / str(found[-1]) if found else path
    fingerprint = sign(version, read_signing_key(key_file, ask_passphrase))
    click.echo(f"Signed {version} with the key {fingerprint}")
