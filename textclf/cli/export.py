"""`textclf export`: from a run to a version that TensorFlow Serving takes."""

import shlex

import click

from textclf.cli.options import base_option
from textclf.startup import import_tensorflow


@click.command(name="export")
@click.argument("run", type=click.Path(file_okay=False))
@click.option("--name", help="Name of the served model; the config's name if not given.")
@base_option
def command(run: str, name: str | None, base: str) -> None:
    """Write the run directory RUN as the next free version under BASE/NAME. Nothing is overwritten."""
    import_tensorflow()
    from textclf.serving.export import export

    path = export(run, name, base)
    click.echo(f"Exported {path}")
    click.echo(f'Next: textclf predict {shlex.quote(str(path.parent))} "a text"')
