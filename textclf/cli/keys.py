"""`textclf keys`: keys that sign versions, keys that seal them, and keys that may ask a server."""

import os
import shlex
import sys

import click

from textclf.errors import ExportError
from textclf.store.keys import PUBLIC, new_encryption_key, new_signing_key

PASSPHRASE = "TEXTCLF_PASSPHRASE"
"""The environment variable that holds the passphrase of a private key, where nobody sits at a terminal."""


@click.group(name="keys")
def command() -> None:
    """Make keys: a pair that signs versions, a secret that seals them, or one that a client shows to a server."""


@command.command(name="new")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--encryption", is_flag=True, help="Make a key of 256 bits that seals versions, instead of a pair.")
@click.option(
    "--passphrase", is_flag=True, help=f"Protect the private key with a passphrase: asked for, or from {PASSPHRASE}."
)
def new(path: str, encryption: bool, passphrase: bool) -> None:
    """Write a new Ed25519 key to FILE, for you alone, and its public key to FILE.pub. Nothing is overwritten."""
    name = shlex.quote(path)
    if encryption:
        if passphrase:
            raise click.UsageError("--passphrase protects a private key; a key of --encryption has none.")
        key_id = new_encryption_key(path)
        click.echo(f"Wrote {name}, the key {key_id}. Who loses it loses what it sealed: keep a copy elsewhere.")
        return
    printed = new_signing_key(path, ask_passphrase(confirm=True) if passphrase else None)
    click.echo(f"Wrote {name} (private: keep it) and {name}{PUBLIC} (public: give it to whoever is to trust it).")
    click.echo(f"Fingerprint {printed}")


@command.command(name="api")
@click.argument("name")
@click.option(
    "--access", "path", required=True, type=click.Path(dir_okay=False), help="File of `textclf serve --access`."
)
@click.option("--model", "models", multiple=True, required=True, help="Model that may be asked; * for all; repeatable.")
@click.option("--may-reload", is_flag=True, help="Let it change which models are served, over gRPC.")
def api(name: str, path: str, models: tuple[str, ...], may_reload: bool) -> None:
    """Print a new API key, which the file ACCESS knows as NAME from now on. It is shown this once."""
    from textclf.server.access import add_key

    click.echo(add_key(path, name, models, may_reload))


def ask_passphrase(confirm: bool = False) -> str:
    """Return the passphrase of a private key, which never stands on a command line, where other users would see it.

    Raises:
        ExportError: There is nobody to ask, and nothing in the environment.
    """
    passphrase = os.environ.get(PASSPHRASE)
    if passphrase is None:
        if not _is_terminal():
            raise ExportError(f"The private key wants a passphrase, and there is no terminal. Set {PASSPHRASE}.")
        passphrase = str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    if not passphrase:
        raise ExportError("The passphrase is empty. For a key without one, leave --passphrase out.")
    return passphrase


def _is_terminal() -> bool:
    return sys.stdin.isatty()
