"""`textclf export`: from a run to a version that TensorFlow Serving takes."""

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from textclf.cli.keys import ask_passphrase
from textclf.cli.options import BASE, base_option, served_from_option
from textclf.cli.stopping import cleans_up
from textclf.errors import ConfigError
from textclf.runs.files import check_run
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
@click.option(
    "--sign-key", "key_file", type=click.Path(), help="File of a private key that signs it (see `textclf keys new`)."
)
@click.option("--quiet", is_flag=True, help="No line a step.")
@cleans_up
def command(
    run: str,
    name: str | None,
    base: str,
    floors: tuple[str, ...],
    allow_worse: bool,
    no_verify: bool,
    served_from: str | None,
    key_file: str | None,
    quiet: bool,
) -> None:
    """Write the run directory RUN as the next free version under BASE/NAME. Nothing is overwritten.

    It is published only if it loads and answers as a server would have it (see `textclf verify`), and if it is not
    worse than the live version (the one labelled stable, or else the newest) on the run's test split by more than
    chance.
    """
    check_run(Path(run))
    sign = _signer(key_file) if key_file else None
    import_tensorflow()
    from textclf.config import load_config
    from textclf.runs.files import CONFIG_FILE
    from textclf.savedmodel.files import EXTRA
    from textclf.serving.export import export

    path = export(
        run,
        name,
        base,
        floors=_floors(floors),
        allow_worse=allow_worse,
        verified=not no_verify,
        sign=sign,
        served_from=served_from,
        progress=not quiet,
    )
    click.echo(f"Exported {path}")
    takes_pairs = load_config(path / EXTRA / CONFIG_FILE).data.pair_column is not None
    texts = '"a text" "its second text"' if takes_pairs else '"a text"'
    click.echo(f"Next: textclf predict {shlex.quote(str(path.parent))} {texts}")
    elsewhere = "" if base == BASE else f" --base {shlex.quote(base)}"
    click.echo(f"      textclf serve {shlex.quote(path.parent.name)}{elsewhere}")


def _signer(key_file: str) -> Callable[[Path], str]:
    """Return what signs a version's folder; the passphrase is asked for now, and not minutes later."""
    from textclf.store.keys import read_signing_key
    from textclf.store.signing import sign_version

    key = read_signing_key(key_file, ask_passphrase)
    return lambda directory: sign_version(directory, key)


def _floors(texts: tuple[str, ...]) -> dict[str, float]:
    """Return the floors by name, of one that is given twice the higher one."""
    found: dict[str, float] = {}
    for name, value in map(_floor, texts):
        found[name] = max(value, found.get(name, value))
    return found


def _floor(text: str) -> tuple[str, float]:
    """Return the score and the value of `SCORE=VALUE`."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"--floor: expected SCORE=VALUE such as accuracy=0.9, got '{text}'.") from None
