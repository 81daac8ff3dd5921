"""What the pages say is so: links, targets, tables, outputs and the generated page."""

import base64
import contextlib
import io
import json
import re
import runpy
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from textclf.config import DataConfig
from textclf.data import Example, problems, read
from textclf.data.problems import HINTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "saved_models").glob("*.md")]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_are_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


def test_config_page_is_up_to_date() -> None:
    tool = [sys.executable, "tools/config_page.py"]
    written = subprocess.run(tool, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert page("docs/config.md") == written, "run `python tools/config_page.py > docs/config.md`"


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "fasttext"])
def test_examples_of_formats(name: str, tmp_path: Path) -> None:
    example = re.search(rf"^```{name}\n(.*?)^```$", page("docs/data.md"), re.MULTILINE | re.DOTALL)
    assert example is not None
    path = tmp_path / "example"
    path.write_text(example[1], encoding="utf-8")
    rows = list(read(str(path), DataConfig(train="-", format=name)))
    assert all(isinstance(row, Example) for row in rows)
    assert [row.label for row in rows[:2] if isinstance(row, Example)] == ["delivery", "refund"]
    assert len(example[1].splitlines()) == 3


def test_example_of_pairs(tmp_path: Path) -> None:
    example = re.search(r"^```pairs\n(.*?)^```$", page("docs/data.md"), re.MULTILINE | re.DOTALL)
    assert example is not None
    path = tmp_path / "example.csv"
    path.write_text(example[1], encoding="utf-8")
    rows = list(read(str(path), DataConfig(train="-", text_column="question", pair_column="answer")))
    assert [row.label for row in rows if isinstance(row, Example) and row.pair] == ["answers", "does not", "answers"]


def test_the_scores_in_the_readme_are_those_measured() -> None:
    measured = {row["recipe"]: f"{row['mean']:.1f} %" for row in json.loads(page("docs/results.json"))}
    for name in ("trec6", "banking77"):
        (row,) = re.findall(rf"^\| {name} .*$", page("README.md"), re.MULTILINE)
        cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
        assert cells == [measured[f"{name}-{model}"] for model in ("textcnn", "bert_minilm", "linear")]


def test_every_problem_of_a_row_is_explained() -> None:
    named = {value for name, value in vars(problems).items() if name.isupper() and isinstance(value, str)}
    table = page("docs/data.md")
    assert [problem for problem in [*named, *HINTS.values()] if problem not in table] == []


def test_examples_of_tokens() -> None:
    import tensorflow as tf

    from textclf.text.splitting import split_words

    table = re.search(r"^\| text \| tokens \|\n\|---\|---\|\n((?:\|.*\n)+)", page("docs/models.md"), re.MULTILINE)
    assert table is not None
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")] for row in table[1].splitlines()]
    tokens = split_words(tf.constant([text for (text,), _ in rows])).to_list()
    assert [[token.decode() for token in row] for row in tokens] == [written for _, written in rows]


def test_the_tool_that_measures_the_tokenizer_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("text\tlabel\n" + "a parcel\ta\n我的快递\tb\n" * 2, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tokenizer_speed.py", str(path), "--repeats", "1"])
    runpy.run_path(str(ROOT / "tools" / "tokenizer_speed.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith("4 texts of 6 characters on average")
    words, word_pieces = (
        [re.split(r"  +(?=[\d(])", line)[0].split() for line in part.splitlines()] for part in printed.split("\n\n")[1:]
    )
    assert words == [["words"], *_measured(["textclf", "TextVectorization"], ["textclf", "TextVectorization"])]
    assert word_pieces == [
        ["word", "pieces"],
        *_measured(["textclf", "keras-hub", "tokenizers"], ["textclf", "keras-hub"]),
    ]


def _measured(eagerly: list[str], in_tf_data: list[str]) -> list[list[str]]:
    """Return how the lines for tokenizers begin: the speed of each, then the ratios of the first to the others."""
    lines = []
    for way, names in (("eager", eagerly), ("tf.data", in_tf_data)):
        lines += [[way, name] for name in names] + [[way, "/", name] for name in names[1:]]
    return lines


@pytest.mark.slow
def test_signature_is_as_shown(exported: Path) -> None:
    shown = re.search(r"signature_def serving_default\n(.*?)^```$", page("docs/export.md"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    tool = [Path(sys.executable).with_name("saved_model_cli"), "show", "--dir", exported]
    tool += ["--tag_set", "serve", "--signature_def", "serving_default"]
    printed = subprocess.run(tool, capture_output=True, check=True, text=True).stdout
    assert printed.strip() == shown[1].replace("(-1, 5)", "(-1, 3)").strip()


@pytest.mark.parametrize("right", [True, False])
def test_the_golden_requests_are_asked_as_shown(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """By a server's contract: columns in, columns out, bytes as `{"b64": …}`, a single output without its name."""
    import tensorflow as tf

    shutil.copytree(exported, tmp_path / "saved_models/messages/1")
    monkeypatch.chdir(tmp_path)
    loaded = tf.saved_model.load(str(exported))

    def answer(url: str, body: bytes) -> io.BytesIO:
        assert url.endswith("/v1/models/messages/versions/1:predict")
        asked = json.loads(body)
        columns = {
            name: [base64.b64decode(its["b64"]) if isinstance(its, dict) else its for its in values]
            for name, values in asked["inputs"].items()
        }
        tensors = {name: tf.constant(values, tf.string) for name, values in columns.items()}
        outputs = {
            name: np.char.decode(tensor.numpy().astype(bytes), "utf-8").tolist()
            if tensor.dtype == tf.string
            else (tensor.numpy() + (0 if right else 0.01)).tolist()
            for name, tensor in loaded.signatures[asked["signature_name"]](**tensors).items()
        }
        columns = outputs if len(outputs) > 1 else outputs.popitem()[1]
        return io.BytesIO(json.dumps({"outputs": columns}).encode())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    block = re.search(r"^```py\n(.*?)^```$", page("docs/export.md"), re.MULTILINE | re.DOTALL)
    assert block is not None
    with contextlib.nullcontext() if right else pytest.raises(AssertionError, match="Not equal to tolerance"):
        exec(compile(block[1], "docs/export.md", "exec"), {})


def test_keys_as_the_pages_name_them_are_not_tracked() -> None:
    named = set(re.findall(r"[\w-]+(\.key)\b", page("docs/security.md")))
    assert {f"*{ending}" for ending in named} <= set(page(".gitignore").splitlines())


def test_the_files_of_a_version_are_named(exported: Path) -> None:
    files = [*exported.iterdir(), *(exported / "assets.extra").iterdir()]
    there = {path.name + "/" * path.is_dir() for path in files}
    table = page("docs/export.md").split("## The folder")[1].split("\n##")[0]
    assert [name for name in there - {"assets.extra/", "model_card.json"} if name not in table] == []
    beside = {path.name for path in (exported / "assets.extra").iterdir()} - {"model_card.json"}
    assert [name for name in beside if f"`{name}`" not in page("saved_models/README.md")] == []
