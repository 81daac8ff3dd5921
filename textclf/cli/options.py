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
