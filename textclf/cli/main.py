"""The `textclf` command itself. A command's module is imported when the command is used."""

import importlib
from typing import Any

import click

from textclf import __version__
from textclf.errors import TextclfError, did_you_mean, refusal

COMMANDS = {
    "init": "Look at a data file and write a commented config for it.",
    "check": "Show what is in the data: rows, labels, duplicates, lengths.",
    "train": "Train a classifier and write a run directory with a report.",
    "tune": "Search for the values of a config that score best on dev.",
    "evaluate": "Score a run or an export on labelled data.",
    "predict": "Classify texts from arguments, a file or standard input.",
    "ask": "Ask a running server for the labels of texts.",
    "export": "Export a run as the next version of a served model.",
    "verify": "Load an export as a server does, ask it, and say what is wrong.",
    "serve": "Answer over REST and gRPC, as TensorFlow Serving or with it.",
    "load-test": "Ask a running server at a set rate; say how long answers took.",
    "versions": "List a served model's versions, or who did what with them.",
    "label": "Let a label such as stable point at a version.",
    "rollback": "Let the label stable point at the version before.",
    "retire": "Take a version from the server's sight.",
    "restore": "Bring a retired version back.",
    "backup": "Copy a served model with all its versions to a folder.",
    "restore-from": "Bring back what a backup holds.",
    "keys": "Make keys that sign versions, seal them, or may ask a server.",
    "sign": "Sign a version, so that it can be told from an altered one.",
    "seal": "Encrypt a version at rest.",
    "unseal": "Decrypt a sealed version.",
}


class _Failed(click.ClickException):
    """A user's error, with the exit code that it asks for."""

    def __init__(self, error: TextclfError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click calls it a class variable


class _Stopped(click.ClickException):
    """Ctrl-C, with the exit code that shells give to a command which it ended."""

    exit_code = 130


class LazyGroup(click.Group):
    """A group that imports a command's module, `textclf.cli.<name>`, and words errors for people."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            if ctx.resilient_parsing:  # the shell completes a half-written name
                return None
            ctx.fail(f"No such command '{name}'.{did_you_mean(name, COMMANDS)}")
        command: click.Command = importlib.import_module(f"textclf.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, so that help imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Show a user's error as a message, without a traceback."""
        try:
            return super().invoke(ctx)
        except TextclfError as error:
            raise _Failed(error) from error
        except KeyboardInterrupt:
            raise _Stopped("Stopped by Ctrl-C.") from None
        except BrokenPipeError:  # `| head` has read enough, which click ends without a word
            raise
        except OSError as error:
            where = f" '{error.filename}'" if error.filename else ""
            raise click.ClickException(f"The file system refused{where}: {refusal(error)}.") from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="textclf")
def main() -> None:
    """Train, judge, export and serve text classifiers: raw strings in, label names out.

    \b
    A first classifier:
      textclf init messages.csv        writes config.yaml
      textclf check config.yaml
      textclf train config.yaml        writes runs/messages/
      textclf export runs/messages     writes saved_models/messages/1/
      textclf predict saved_models/messages "Where is my parcel?"
    """  # noqa: D301 (click reads the backspace: do not rewrap)
