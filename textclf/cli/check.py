"""`textclf check`: what is in the data, before it is learnt from."""

import json

import click

from textclf.cli.options import config_argument, set_option
from textclf.config import load_config
from textclf.startup import import_tensorflow


@click.command(name="check")
@config_argument
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show rows, labels and balance of each split, duplicates in and across splits, lengths, and what would be cut.

    CONFIG is a file that `textclf init` wrote, or a run's config.yaml. Nothing is changed.
    """
    run_config = load_config(config, overrides)
    run_config.model.check_files()
    import_tensorflow()
    from textclf.runs.check import check

    found = check(run_config)
    click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1) if as_json else found.to_text())
