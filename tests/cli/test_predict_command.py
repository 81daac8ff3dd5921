"""`textclf predict`: from arguments, files and streams, to TSV and JSON lines, whole or not at all."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from textclf.config import dump_config, load_config
from textclf.savedmodel.manifest import write_manifest
from textclf.serving.classifier import Classifier, load

Command = Callable[..., Result]


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_arguments_give_a_line_each(textclf: Command, exported: Path) -> None:
    texts = ["where is my parcel", "", "验证码 login"]
    result = textclf("predict", exported, *texts)
    assert result.stderr == ""
    header, *rows = table(result.stdout)
    assert header == ["label", "score", "text"]
    expected = load(exported).predict(texts)
    assert [row[0] for row in rows] == [prediction.label for prediction in expected]
    assert [row[1] for row in rows] == [f"{prediction.score:.6f}" for prediction in expected]
    assert [row[2] for row in rows] == texts


def test_all_scores_as_tsv(textclf: Command, exported: Path) -> None:
    header, row = table(textclf("predict", exported.parent, "--all-scores", "退款").stdout)
    assert header == ["label", "score", "delivery", "refund", "登录", "text"]
    scores = [float(score) for score in row[2:5]]
    assert sum(scores) == pytest.approx(1.0, abs=1e-5)
    assert row[0] == header[2:5][int(np.argmax(scores))]
    assert float(row[1]) == max(scores)


def test_json_lines(textclf: Command, exported: Path) -> None:
    text = 'a\ttab, a "quote", a\nnew line and a \\backslash'
    result = textclf("predict", exported, "--format", "jsonl", "--all-scores", text, "退款")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["text"] for record in records] == [text, "退款"]
    assert "退款" in result.stdout  # not as escapes
    assert records[0].keys() == {"text", "label", "score", "scores"}
    assert list(records[0]["scores"]) == ["delivery", "refund", "登录"]
    plain = textclf("predict", exported, "--format", "jsonl", "退款")
    assert json.loads(plain.stdout).keys() == {"text", "label", "score"}


def test_white_space_becomes_spaces_in_tsv_and_nothing_is_quoted(textclf: Command, exported: Path) -> None:
    result = textclf("predict", exported, "a\tb\nc\r\n\"d\" \\ 'e' \x85 \u2028 f, g")
    (row,) = table(result.stdout)[1:]
    assert row[2] == "a b c \"d\" \\ 'e' f, g"


def write_inputs(folder: Path) -> dict[str, list[str]]:
    """Write a file of each kind, and return the options that read it."""
    lines = "parcel late\n退款\n\n"
    (folder / "texts.txt").write_text(lines, encoding="utf-8")
    (folder / "texts.txt.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "texts.csv").write_text('id,text\n1,"parcel late"\n2,退款\n3,\n', encoding="utf-8")
    (folder / "texts.tsv").write_text("id\tbody\n1\tparcel late\n2\t退款\n3\t\n", encoding="utf-8")
    (folder / "texts.jsonl").write_text(
        '{"body": "parcel late"}\n{"body": "\\u9000\\u6b3e"}\n{"body": ""}\n', encoding="utf-8"
    )
    (folder / "gb.txt").write_bytes(lines.encode("gb18030"))
    return {
        "lines": ["--file", "texts.txt"],
        "gzip": ["--file", "texts.txt.gz"],
        "csv": ["--file", "texts.csv"],
        "tsv": ["--file", "texts.tsv", "--text-column", "body"],
        "jsonl": ["--file", "texts.jsonl", "--text-column", "body"],
        "gb18030": ["--file", "gb.txt", "--encoding", "gb18030"],
    }


@pytest.mark.parametrize("kind", ["lines", "gzip", "csv", "tsv", "jsonl", "gb18030"])
def test_files(textclf: Command, exported: Path, tmp_path: Path, kind: str) -> None:
    options = write_inputs(tmp_path)[kind]
    rows = table(textclf("predict", exported, *options).stdout)[1:]
    assert [row[2] for row in rows] == ["parcel late", "退款", ""]


@pytest.mark.parametrize("arguments", [[], ["-"], ["--file", "-"]], ids=["nothing", "-", "--file -"])
def test_standard_input(textclf: Command, exported: Path, arguments: list[str]) -> None:
    result = textclf("predict", exported, *arguments, stdin="parcel late\r\n退款\nno line end".encode())
    assert [row[2] for row in table(result.stdout)[1:]] == ["parcel late", "退款", "no line end"]


@pytest.fixture
def from_other_data(exported: Path, tmp_path: Path) -> Path:
    """An export of a run whose data is a table in gb18030 without a header, where quotes are characters."""
    copy = shutil.copytree(exported, tmp_path / "model/1")
    config = load_config(exported / "assets.extra/config.yaml")
    written = {"encoding": "gb18030", "text_column": "2", "header": False, "quoting": "none", "delimiter": ";"}
    config = config.model_copy(update={"data": config.data.model_copy(update=written)})
    (copy / "assets.extra/config.yaml").write_text(dump_config(config), encoding="utf-8")
    write_manifest(copy)
    return copy


def test_a_file_is_read_as_the_training_data_was(textclf: Command, from_other_data: Path, tmp_path: Path) -> None:
    rows = '1;"退款;a\n2;包裹" late;b\n'
    (tmp_path / "new.csv").write_bytes(rows.encode("gb18030"))
    expected = ['"退款', '包裹" late']
    result = textclf("predict", from_other_data, "--file", "new.csv")
    assert [row[2] for row in table(result.stdout)[1:]] == expected
    assert result.stderr == ""

    (tmp_path / "new.csv").write_text('id,body\n1,"退款, bitte"\n', encoding="utf-8")
    options = ["--encoding", "utf-8", "--text-column", "body", "--header", "--quoting", "standard", "--delimiter", ","]
    result = textclf("predict", from_other_data, "--file", "new.csv", *options)
    assert [row[2] for row in table(result.stdout)[1:]] == ["退款, bitte"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("new.txt", []),
        ("-", []),
        ("-", ["--input-format", "jsonl"]),
        ("new.jsonl", []),
        ("new.csv", ["--input-format", "lines"]),
        ("new.gb18030.txt", ["--encoding", "gb18030"]),
    ],
)
def test_what_is_not_of_the_training_datas_format_is_utf_8(
    textclf: Command, from_other_data: Path, tmp_path: Path, name: str, options: list[str]
) -> None:
    json_lines = "jsonl" in name or "jsonl" in options
    content = '{"2": "garçon où 退款"}\n' if json_lines else "garçon où 退款\n"
    encoded = content.encode("gb18030" if "gb18030" in options else "utf-8")
    (tmp_path / name).write_bytes(encoded)
    result = textclf("predict", from_other_data, "--file", name, *options, stdin=encoded)
    assert [row[2] for row in table(result.stdout)[1:]] == ["garçon où 退款"]
    assert result.stderr == ""


def test_the_encoding_is_utf_8_where_the_training_data_is_not_known_any_more(
    textclf: Command, from_other_data: Path, tmp_path: Path
) -> None:
    config = from_other_data / "assets.extra/config.yaml"
    changed = load_config(config, [f"data.train={tmp_path / 'gone'}"])
    config.write_text(dump_config(changed), encoding="utf-8")
    write_manifest(from_other_data)
    (tmp_path / "new.csv").write_text("1;où\n", encoding="utf-8")
    result = textclf("predict", from_other_data, "--file", "new.csv")
    assert [row[2] for row in table(result.stdout)[1:]] == ["où"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.csv", ["--text-column", "body"], "Name the right one with --text-column. If the file has no line of names "
         "at its top, set --no-header and call the columns 1, 2"),
        ("a.csv", ["--encoding", "uft-8"], "--encoding: expected the name of a character encoding"),
        ("a.dat", [], "name the format with --input-format."),
        ("a.csv", ["--input-format", "cvs"], "--input-format: expected 'lines', 'csv'"),
        ("b.csv", ["--no-header", "--text-column", "1"], "line 2: expected 2 fields, got 1"),
    ],
)  # fmt: skip
def test_an_error_names_the_commands_own_options_and_leaves_no_output(
    textclf: Command, exported: Path, tmp_path: Path, name: str, options: list[str], message: str
) -> None:
    for file in ("a.csv", "a.dat"):
        (tmp_path / file).write_text("id,text\n1,parcel\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("a,b\nc\n", encoding="utf-8")
    result = textclf("predict", exported, "--file", name, *options, exit_code=1)
    assert result.stdout == ""
    assert message in result.stderr
    assert "data." not in result.stderr


def test_what_could_not_be_decoded_is_counted(textclf: Command, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes("caf\u00e9 \ufffd\n".encode() + b"caf\xe9\nna\xefve\n")
    result = textclf("predict", exported, "--file", "texts.txt")
    assert [row[2] for row in table(result.stdout)[1:]] == ["café \ufffd", "caf\ufffd", "na\ufffdve"]
    assert result.stderr.startswith("Read as U+FFFD, because they are not in the encoding: 2 pieces of the input.")
    damaged = " It may be damaged there, or be in another encoding: then name it with --encoding.\n"
    assert result.stderr.endswith(damaged)
    result = textclf("predict", exported, "--file", "texts.txt", "--encoding", "latin-1")
    assert result.stderr == ""

    (tmp_path / "texts.txt").write_bytes("还没发货\n退款\n".encode() * 9 + b"\xff\n")
    assert textclf("predict", exported, "--file", "texts.txt").stderr.endswith(damaged)
    (tmp_path / "texts.txt").write_bytes("还没发货\n退款\n".encode("gb18030") * 9)
    shown = textclf("predict", exported, "--file", "texts.txt").stderr
    assert shown.endswith(" It looks like gb18030: try --encoding gb18030.\n")
    # Its codec calls itself charmap, which is no name of an encoding that can be asked for.
    (tmp_path / "texts.txt").write_bytes(b"caf\xe9 \x81\n")
    shown = textclf("predict", exported, "--file", "texts.txt", "--encoding", "windows-1252").stderr
    assert shown.endswith(damaged)


def test_nothing_in_nothing_out(textclf: Command, exported: Path) -> None:
    assert textclf("predict", exported, stdin=b"").stdout == "label\tscore\ttext\n"
    assert textclf("predict", exported, "--format", "jsonl", stdin=b"").stdout == ""


def test_bytes_that_are_no_text_become_replacement_characters(textclf: Command, exported: Path) -> None:
    result = textclf("predict", exported, stdin=b"money \xff back\n")
    assert table(result.stdout)[1][2] == "money \ufffd back"
    # An argument that is no UTF-8 comes from Python with lone surrogates.
    result = textclf("predict", exported, "money \udcff back", "--format", "jsonl")
    assert json.loads(result.stdout)["text"] == "money \ufffd back"


def test_lone_surrogates_in_json(textclf: Command, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a \\ud83d b"}\n{"text": "\\ud83d\\ude00"}\n', encoding="utf-8")
    for output_format in ("jsonl", "tsv"):
        shown = textclf("predict", exported, "--file", "texts.jsonl", "--format", output_format).stdout
        assert "a \ufffd b" in shown
        assert "😀" in shown


def test_a_stream_is_answered_in_batches(textclf: Command, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    read_when_asked: list[int] = []

    def texts(*_: object, **__: object) -> Iterator[str]:
        nonlocal read
        for read in range(1, 5001):
            yield f"parcel {read}"

    ask = Classifier._ask

    def watch(self: Classifier, *batch: object) -> object:
        read_when_asked.append(read)
        return ask(self, *batch)

    monkeypatch.setattr("textclf.data.iter_texts", texts)
    monkeypatch.setattr(Classifier, "_ask", watch)
    rows = table(textclf("predict", exported).stdout)[1:]
    assert [row[2] for row in rows] == [f"parcel {number}" for number in range(1, 5001)]
    assert read_when_asked == [*range(64, 5000, 64), 5000]


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_out_is_written_whole_and_not_replaced_without_force(textclf: Command, exported: Path, tmp_path: Path) -> None:
    assert textclf("predict", exported, "退款", "--out", "out.tsv").output == ""
    assert table((tmp_path / "out.tsv").read_text(encoding="utf-8"))[1][2] == "退款"
    result = textclf("predict", exported, "x", "--out", "out.tsv", exit_code=1)
    assert result.stderr == "Error: 'out.tsv' is there already. Choose another --out, or replace it with --force.\n"
    assert "退款" in (tmp_path / "out.tsv").read_text(encoding="utf-8")
    textclf("predict", exported, "x", "--out", "out.tsv", "--force")
    assert table((tmp_path / "out.tsv").read_text(encoding="utf-8"))[1][2] == "x"
    assert names(tmp_path) == {"out.tsv"}


@pytest.mark.parametrize("old", [None, "old"])
def test_a_failure_half_way_leaves_no_half_file(
    textclf: Command, exported: Path, tmp_path: Path, old: str | None
) -> None:
    if old is not None:
        (tmp_path / "out.tsv").write_text(old, encoding="utf-8")
    (tmp_path / "texts.csv").write_text("id,text\n" + "1,parcel\n" * 600 + "2\n", encoding="utf-8")
    before = names(tmp_path)
    result = textclf("predict", exported, "--file", "texts.csv", "--out", "out.tsv", "--force", exit_code=1)
    assert "line 602: expected 2 fields, got 1" in result.stderr
    assert names(tmp_path) == before
    if old is not None:
        assert (tmp_path / "out.tsv").read_text(encoding="utf-8") == old


def test_out_that_is_no_file(textclf: Command, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = textclf("predict", exported, "x", "--out", "folder", exit_code=1)
    assert result.stderr == "Error: The file system refused 'folder': Is a directory.\n"
    result = textclf("predict", exported, "x", "--out", "nowhere/out.tsv", exit_code=1)
    assert "No such file or directory" in result.stderr
    assert textclf("predict", exported, "x", "--out", "/dev/null").output == ""
    assert not Path("/dev/null").is_file()
