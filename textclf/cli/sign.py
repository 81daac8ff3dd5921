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

    version = _version(model, base)
    fingerprint = sign(version, read_signing_key(key_file, ask_passphrase))
    click.echo(f"Signed {version} with the key {fingerprint}")


def _version(model: str, base: str) -> Path:
    """Return a version's folder, of a model the newest one's, or refuse what is not there."""
    from textclf.store.versions import find_model, find_version, states, version_number, versions

    for path in (Path(model), Path(base) / model):
        if path.is_dir():
            found = versions(path)
            return path / str(found[-1]) if found else path
        number = version_number(path.name)
        if number is not None and path.parent.is_dir() and states(path.parent):
            return find_version(path.parent, number, "live", "Only what stands there in the clear can be signed.")
    return find_model(base, model)
