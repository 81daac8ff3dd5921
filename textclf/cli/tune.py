"""`textclf tune`: from a config to one that scores better on dev."""

import shlex

import click

from textclf.cli.options import config_argument, set_option
from textclf.config import load_config
from textclf.startup import import_tensorflow


@click.command(name="tune")
@config_argument
@set_option
@click.option("--metric", default="macro_f1", show_default=True, help="Score on dev to search the highest of.")
@click.option("--trials", default=50, show_default=True, help="Trials in all; those before a stop count too.")
@click.option("--minutes", default=30.0, show_default=True, help="Minutes in all; a trial still running is stopped.")
@click.option(
    "--search",
    metavar="FIELD=DOMAIN",
    multiple=True,
    help="Search a field too, or elsewhere than the model would: training.learning_rate=1e-5..1e-3:log, "
    "model.dropout=0.1,0.3, training.epochs=3..8; can be repeated.",
)
@click.option("--run", "run_dir", type=click.Path(), help="Where to write the search; runs/NAME-tune if not given.")
@click.option("--quiet", is_flag=True, help="No line a trial.")
def command(
    config: str,
    overrides: tuple[str, ...],
    metric: str,
    trials: int,
    minutes: float,
    search: tuple[str, ...],
    run_dir: str | None,
    quiet: bool,
) -> None:
    """Search the values of CONFIG's fields that score best on dev; test data has no part in it.

    Writes best.yaml, which `textclf train` takes, trials.tsv, and logs for TensorBoard with its HParams tab. Ctrl-C
    keeps the best so far, and the same command goes on.
    """
    run_config = load_config(config, overrides)
    run_config.model.check_files()
    import_tensorflow()
    from textclf.tuning.results import BEST_FILE, LOGS_FOLDER, TRIALS_FILE, counted
    from textclf.tuning.tune import tune

    found = tune(run_config, run_dir, metric=metric, trials=trials, minutes=minutes, search=search, progress=not quiet)
    if found.interrupted:
        click.echo("Stopped by Ctrl-C; the same command goes on with the search.")
    click.echo(f"{counted(found.trials)}; trial {found.best.number} is the best:\n\n{found.table()}\n")
    click.echo(f"All trials:  {found.path / TRIALS_FILE}")
    click.echo(f"TensorBoard: tensorboard --logdir {shlex.quote(str(found.path / LOGS_FOLDER))}")
    click.echo(f"Next:        textclf train {shlex.quote(str(found.path / BEST_FILE))}")
