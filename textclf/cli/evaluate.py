"""`textclf evaluate`: scores on labelled data."""

import json
from pathlib import Path

import click

from textclf.cli.options import opening_key_option, trusted_key_option
from textclf.startup import import_tensorflow


@click.command(name="evaluate")
@click.argument("model", type=click.Path())
@click.option("--data", "source", help="Labelled file, folder or tfds:NAME; the run's own test split if not given.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="How --data is written, where it is not as the training data, e.g. data.text_column=body.",
)
@click.option("--report", "report_dir", type=click.Path(file_okay=False), help="Folder for report.html and its plots.")
@click.option("--force", is_flag=True, help="Replace a report that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@opening_key_option
@trusted_key_option
def command(
    model: str,
    source: str | None,
    overrides: tuple[str, ...],
    report_dir: str | None,
    force: bool,
    as_json: bool,
    key_file: str | None,
    trusted_keys: tuple[str, ...],
) -> None:
    """Score MODEL, a run directory or an export (saved_models/NAME[/VERSION]), on labelled data."""
    import_tensorflow()
    from textclf.serving.classifier import load
    from textclf.serving.evaluate import evaluate

    secured = key_file is not None or trusted_keys
    loaded = load(model, key=key_file, trusted_keys=trusted_keys or None) if secured else model
    scores = evaluate(loaded, source, overrides=overrides, report_dir=report_dir, force=force)
    click.echo(json.dumps(scores.to_json(), ensure_ascii=False, indent=1) if as_json else scores.table())
    if report_dir is not None:
        click.echo(f"Report: {Path(report_dir) / 'report.html'}", err=as_json)
