"""`textclf verify`: whether a version may be served, told by loading it as a server does."""

import json

import click

from textclf.startup import import_tensorflow


@click.command(name="verify")
@click.argument("path", type=click.Path(file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def command(path: str, as_json: bool) -> None:
    """Load PATH as TensorFlow Serving does and ask it: a version's folder, or a model's for its newest version.

    Checks manifest, ops, signatures and batching file; replays the warm-up records and the golden requests; sends what
    must not end a server. Nothing is changed. The exit code is 1, with all findings, if it should not be served.
    """
    import_tensorflow()
    from textclf.gate.verify import verify

    report = verify(path)
    click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1) if as_json else report.to_text())
    if not report.accepted:
        raise click.exceptions.Exit(1)
