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

served_from_option = click.option(
    "--served-from",
    metavar="PATH",
    help="Where the server sees the models' folder, if that is not where it is here, such as /models in a container.",
)
