"""`textclf train`: from a config to a run directory."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.options import config_argument, set_option
from textclf.config import load_config
from textclf.runs.files import CHECKPOINTS_FOLDER, SCORES_FILE, taken
from textclf.startup import import_tensorflow

if TYPE_CHECKING:
    from textclf.runs.resume import Resume


@click.command(name="train")
@config_argument
@set_option
@click.option("--run", "run_dir", type=click.Path(), help="Where to write the run; runs/NAME if not given.")
@click.option("--force", is_flag=True, help="Replace a run that is there.")
@click.option(
    "--resume",
    type=click.Choice(["auto", "must", "never"]),
    default="auto",
    show_default=True,
    help="Go on from the last checkpoint of a run that was killed: if there is one, or else fail, or not at all.",
)
@click.option("--quiet", is_flag=True, help="No progress bar and no line an evaluation.")
def command(
    config: str, overrides: tuple[str, ...], run_dir: str | None, force: bool, resume: "Resume", quiet: bool
) -> None:
    """Train as CONFIG says; print the scores; write model, scores, report and logs. Ctrl-C keeps the best so far."""
    run_config = load_config(config, overrides)
    path = Path(run_dir or Path("runs") / run_config.name)
    if (path / SCORES_FILE).is_file() and not force and resume != "must":
        raise taken(path)  # as `train` would, some seconds later
    if not (path / CHECKPOINTS_FOLDER).is_dir():  # a run that goes on has what it took from the files
        run_config.model.check_files()
    import_tensorflow()
    from textclf.runs.train import train
    from textclf.training.devices import is_chief, make_strategy

    run = train(run_config, run_dir, force=force, resume=resume, progress=not quiet)
    if not is_chief(make_strategy(run_config.compute)):  # it has said who writes the run
        return
    split = "test" if "test" in run.results["scores"] else "dev"
    if run.results["interrupted"]:
        click.echo(f"Stopped by Ctrl-C; the best weights so far (step {run.results['best_step']}) are kept.")
    click.echo(f"Scores on {split}:\n{run.scores(split).table()}\n")
    report = run.path / "report.html"
    if report.is_file():  # the log has said why, if it could not be written
        click.echo(f"Report:      {report}")
    click.echo(f"TensorBoard: tensorboard --logdir {shlex.quote(str(run.path / 'logs'))}")
    click.echo(f"Next:        textclf export {shlex.quote(str(run.path))}")
