"""Options that several commands share."""

import click

config_argument = click.argument("config", type=click.Path(dir_okay=False))

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field of the config, e.g. training.epochs=5 or model=linear; can be repeated.",
)

base_option = click.option(
    "--base", default="saved_models", show_default=True, type=click.Path(), help="Folder of the served models."
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
