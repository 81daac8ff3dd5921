"""Options that several commands share."""

import shlex

import click

config_argument = click.argument("config", type=click.Path(dir_okay=False))

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field of the config, e.g. training.epochs=5 or model=linear; can be repeated.",
)


class _Version(click.IntRange):
    name = "version number"


version_argument = click.argument("version", type=_Version(min=0))
optional_version_argument = click.argument("version", type=_Version(min=0), required=False)

API_KEY = "TEXTCLF_API_KEY"
"""The environment variable of the key that a server wants: whoever runs `ps` reads the options of a command."""

BASE = "saved_models"

base_option = click.option(
    "--base", default=BASE, show_default=True, type=click.Path(), help="Folder of the served models."
)

served_from_option = click.option(
    "--served-from",
    metavar="PATH",
    help="Where the server sees the models' folder, if that is not where it is here, such as /models in a container.",
)

encryption_key_option = click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(),
    help="File of the encryption key, as `textclf keys new --encryption` wrote.",
)

opening_key_option = click.option(
    "--key", "key_file", type=click.Path(), help="File of the encryption key that opens a sealed version."
)

trusted_key_option = click.option(
    "--trusted-key",
    "trusted_keys",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="Load only what the holder of this public key has signed; repeated, what one of several has.",
)


def way_back(base: str, *words: str) -> str:
    """Return the line that says with which command a change is taken back."""
    return f"Back: {store_command(base, *words)}"


def store_command(base: str, *words: str) -> str:
    """Return a command on the models of a base path, as it is typed."""
    return shlex.join(["textclf", *words, *(["--base", base] if base != BASE else [])])
