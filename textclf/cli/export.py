"""`textclf export`: from a run to a version that TensorFlow Serving takes."""

import shlex

import click

from textclf.cli.options import base_option, served_from_option
from textclf.errors import ConfigError
from textclf.startup import import_tensorflow


@click.command(name="export")
@click.argument("run", type=click.Path(file_okay=False))
@click.option("--name", help="Name of the served model; the config's name if not given.")
@base_option
@click.option(
    "--floor",
    "floors",
    metavar="SCORE=VALUE",
    multiple=True,
    help="Refuse it below this score on test, such as accuracy=0.9; can be repeated.",
)
@click.option("--allow-worse", is_flag=True, help="Publish it without comparing it with the live version.")
@click.option("--no-verify", is_flag=True, help="Publish it without loading and asking it as a server does.")
@served_from_option
@click.option("--quiet", is_flag=True, help="No line a step.")
def command(
    run: str,
    name: str | None,
    base: str,
    floors: tuple[str, ...],
    allow_worse: bool,
    no_verify: bool,
    served_from: str | None,
    quiet: bool,
) -> None:
    """Write the run directory RUN as the next free version under BASE/NAME. Nothing is overwritten.

    It is published only if it loads and answers as a server would have it (see `textclf verify`), and if it is not
    worse than the live version (the one labelled stable, or else the newest) on the run's test split by more than
    chance.
    """
    import_tensorflow()
    from textclf.serving.export import export

    path = export(
        run,
        name,
        base,
        floors=dict(map(_floor, floors)),
        allow_worse=allow_worse,
        verified=not no_verify,
        served_from=served_from,
        progress=not quiet,
    )
    click.echo(f"Exported {path}")
    click.echo(f'Next: textclf predict {shlex.quote(str(path.parent))} "a text"')


def _floor(text: str) -> tuple[str, float]:
    """Return the score and the value of `SCORE=VALUE`."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"--floor: expected SCORE=VALUE such as accuracy=0.9, got '{text}'.") from None
