"""`textclf label`: names for versions, which move while clients ask for them."""

import click

from textclf.cli.options import base_option, optional_version_argument, served_from_option, store_command, way_back
from textclf.store.labels import newest_beside_stable, remove_label, set_label
from textclf.store.versions import find_model, versions


@click.command(name="label")
@click.argument("name")
@click.argument("label")
@optional_version_argument
@base_option
@click.option("--remove", is_flag=True, help="Take the label away; no VERSION is given then.")
@served_from_option
def command(name: str, label: str, version: int | None, base: str, remove: bool, served_from: str | None) -> None:
    """Let LABEL, such as stable or canary, point at the live VERSION of the model NAME, in BASE/models.config.

    A server that was started with --model_config_file follows when it reads the file again; clients ask for
    /v1/models/NAME/labels/LABEL.
    """
    if remove == (version is not None):
        raise click.UsageError("Expected either a VERSION or --remove.")
    if version is None:
        click.echo(f"Removed {label}, which pointed at version {remove_label(base, name, label)}.")
        return
    move = set_label(base, name, label, version, served_from)
    if move.before == version:
        click.echo(f"{label} pointed at version {version} already.")
        say_who_is_left(base, name)
        return
    before = "" if move.before is None else f", not {move.before} any more"
    click.echo(f"{label} points at version {version}{before}.")
    live = len(versions(find_model(base, name)))
    if move.before is None and live > 1:
        click.echo(f"So that labels can move, the server loads all {live} live versions; `textclf retire` unloads one.")
    if label == "stable" and move.before is not None:
        click.echo(way_back(base, "rollback", name))
    say_who_is_left(base, name)


def say_who_is_left(base: str, name: str) -> None:
    """Say that requests without a label get another version than `stable`, if they do."""
    newest = newest_beside_stable(base, name)
    if newest is not None:
        retire = store_command(base, "retire", name, str(newest))
        click.echo(f"Requests without a label get the newest version, {newest}. To take it from them: {retire}")
