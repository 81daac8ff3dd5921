"""The readers: what is written is read, and what is broken is named."""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textclf.config import DataConfig
from textclf.data import BadRow, Example, format_of, iter_texts, problems, read
from textclf.data.examples import Row
from textclf.data.readers import FORMATS
from textclf.errors import DataError, TextclfError

TEXT_FORMATS = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "fasttext": ".txt"}


def rows_of(path: Path, **options: object) -> list[Row]:
    return list(read(str(path), DataConfig.model_validate({"train": str(path)} | options)))


def pairs(rows: list[Row]) -> list[tuple[str, str]]:
    assert all(isinstance(row, Example) for row in rows), rows
    return [(row.text, row.label) for row in rows if isinstance(row, Example)]


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    content = content.encode(encoding) if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


# Any Unicode text but for what is no text (NUL, half surrogates, nothing but white space).
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)
lines = texts.filter(lambda text: not set(text) & set("\t\r\n"))
fasttext_texts = texts.filter(lambda text: "\n" not in text and not text.endswith("\r")).filter(
    lambda text: not text.lstrip(" \t\v\f\r").startswith("__label__")
)
fasttext_labels = texts.filter(lambda label: not set(label) & set(" \t\v\f\r\n"))
same_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@same_path
@given(rows=st.lists(st.tuples(texts, texts)), quote_all=st.booleans(), suffix=st.sampled_from(["", ".gz"]))
def test_csv_reads_back(tmp_path: Path, rows: list[tuple[str, str]], quote_all: bool, suffix: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerows([("text", "label"), *rows])
    assert pairs(rows_of(write(tmp_path / f"a.csv{suffix}", file.getvalue()))) == rows


@same_path
@given(rows=st.lists(st.tuples(lines, lines)))
def test_tsv_reads_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    content = "".join(f"{label}\t{text}\n" for text, label in [("text", "label"), *rows])
    assert pairs(rows_of(write(tmp_path / "a.tsv", content))) == rows


@same_path
@given(rows=st.lists(st.tuples(texts, texts)), ascii_only=st.booleans())
def test_jsonl_reads_back(tmp_path: Path, rows: list[tuple[str, str]], ascii_only: bool) -> None:
    content = "".join(json.dumps({"text": t, "label": y}, ensure_ascii=ascii_only) + "\n" for t, y in rows)
    assert pairs(rows_of(write(tmp_path / "a.jsonl", content))) == rows


@same_path
@given(rows=st.lists(st.tuples(fasttext_texts, fasttext_labels)))
def test_fasttext_reads_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    content = "".join(f"__label__{label} {text}\n" for text, label in rows)
    assert pairs(rows_of(write(tmp_path / "a.txt", content))) == rows


@same_path
@given(rows=st.lists(st.tuples(texts, texts)))
def test_parquet_reads_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    string_pair = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.string())])
    parquet.write_table(pyarrow.table(columns, schema=string_pair), tmp_path / "a.parquet")
    assert pairs(rows_of(tmp_path / "a.parquet")) == rows


@same_path
@given(content=st.binary() | st.text().map(str.encode), name=st.sampled_from([*FORMATS]), gz=st.booleans())
def test_arbitrary_bytes_raise_nothing_but_our_own_errors(tmp_path: Path, content: bytes, name: str, gz: bool) -> None:
    path = tmp_path / f"a{'.gz' if gz else ''}"
    path.write_bytes(content)
    for header in (True, False):
        try:
            rows_of(path, format=name if name != "sample" else "auto", header=header)
        except TextclfError as error:
            assert str(error)


@same_path
@given(content=st.text(st.sampled_from('",\n\rax'), max_size=40))
def test_every_line_of_a_broken_csv_is_in_one_row(tmp_path: Path, content: str) -> None:
    rows = rows_of(write(tmp_path / "a.csv", "text,label\n" + content))
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("A.CSV.GZ", "csv"),
        ("a.b.tsv", "tsv"),
        ("a.jsonl.gz", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.txt", "fasttext"),
        ("tfds:glue:sst2", "tfds"),
        ("sample:dev", "sample"),
    ],
)
def test_format_goes_by_the_name(name: str, expected: str) -> None:
    assert format_of(name) == expected


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert format_of(str(tmp_path)) == "folder"


@pytest.mark.parametrize("name", ["a.xls", "a", "a.gz", "a.parquet.gz", "a.cvs"])
def test_an_unknown_suffix_lists_the_known(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"")
    with pytest.raises(
        DataError, match=r"(?s)does not tell the format.*'\.csv', '\.tsv'.*sample:.*data\.format"
    ) as error:
        format_of(str(tmp_path / name))
    assert ("Did you mean '.csv'" in str(error.value)) == (name == "a.cvs")


def test_quoted_line_ends_keep_the_first_line_number(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.csv", 'text,label\n"one\ntwo\r\nthree",x\n\nfour,y\n'))
    assert rows == [
        Example("one\ntwo\r\nthree", "x", str(tmp_path / "a.csv"), 2),
        Example("four", "y", str(tmp_path / "a.csv"), 6),
    ]


def test_very_long_fields_are_read(tmp_path: Path) -> None:
    text = "word " * 100_000
    assert pairs(rows_of(write(tmp_path / "a.csv", f"text,label\n{text},x\n"))) == [(text, "x")]


def test_without_header_columns_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,one\ny,two\n")
    assert pairs(rows_of(path, header=False, text_column="2", label_column="1")) == [("one", "x"), ("two", "y")]
    with pytest.raises(DataError, match=r"no column 'text'; it has '1', '2'.*Without a header"):
        rows_of(path, header=False)


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_quoting_can_be_chosen(tmp_path: Path, suffix: str, separator: str) -> None:
    path = write(tmp_path / f"a.{suffix}", f'text{separator}label\n"one"{separator}x\n')
    assert pairs(rows_of(path, quoting="standard")) == [("one", "x")]
    assert pairs(rows_of(path, quoting="none")) == [('"one"', "x")]
    assert pairs(rows_of(path)) == [("one" if suffix == "csv" else '"one"', "x")]


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.csv", 'text,label\none,x\n"two,x\nthree,y\n"four" ,y\nfive,x\n'))
    assert [(row.line, isinstance(row, Example)) for row in rows] == [
        (2, True),
        (3, False),
        (4, True),
        (5, False),
        (6, True),
    ]
    assert {row.problem for row in rows if isinstance(row, BadRow)} == {problems.QUOTES}


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gb18030", "windows-1252", "utf-8"])
def test_encodings_work_when_named(tmp_path: Path, format_name: str, encoding: str) -> None:
    text = "café noir" if encoding == "windows-1252" else "很好的咖啡"
    content = {
        "csv": f"text,label\n{text},x\n",
        "tsv": f"text\tlabel\n{text}\tx\n",
        "jsonl": json.dumps({"text": text, "label": "x"}, ensure_ascii=False),
        "fasttext": f"__label__x {text}",
    }[format_name]
    mark = "\ufeff" if encoding in ("utf-16-le", "gb18030") else ""
    path = write(tmp_path / f"a{TEXT_FORMATS[format_name]}", mark + content, encoding)
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    assert pairs(rows_of(path, encoding=named)) == [(text, "x")]


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n")
    with pytest.raises(DataError, match=r"data\.encoding: expected .* got 'window-1252'\. Did you mean 'windows-1252'"):
        list(iter_texts(str(path), encoding="window-1252"))
    with pytest.raises(DataError, match=r"got 'hex'"):
        list(iter_texts(str(path), encoding="hex"))


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("delimiter", [";", "|", "\t", ",", "§"])
def test_any_character_can_stand_between_fields(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = write(tmp_path / f"a.{suffix}", f"text{delimiter}label\none: two{delimiter}x\n")
    assert pairs(rows_of(path, delimiter=delimiter)) == [("one: two", "x")]
    assert list(iter_texts(str(path), delimiter=delimiter)) == ["one: two"]


def test_a_file_with_another_delimiter_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text;label\none;x\n")
    with pytest.raises(DataError, match=r"no column 'text'; it has 'text;label'.*separated by ';': .*data\.delimiter"):
        rows_of(path)
    with pytest.raises(DataError, match=r"data\.delimiter: expected one character such as ';'.*, got ';;'"):
        list(iter_texts(str(path), delimiter=";;"))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_undecodable_bytes_have_a_place_and_a_hint(tmp_path: Path, suffix: str) -> None:
    before = "text,label\n" + "很好的,x\n" * 150_000  # longer than one chunk, so that the offset adds up
    path = write(tmp_path / f"a.csv{suffix}", before.encode() + b"caf\xe9 noir,y\n")
    with pytest.raises(DataError) as error:
        rows_of(path)
    place = f"byte 0xe9 in line 150002, at byte offset {len(before.encode()) + 3},"
    assert place in str(error.value)
    assert "data.encoding" in str(error.value)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("文本很好,喜欢".encode("gb18030"), "It looks like gb18030: try data.encoding=gb18030."),
        ("文本很好,喜欢\n".encode() + b"\xff,x", "It may be damaged there, or be in another encoding"),
        ("très bon café, déjà vu".encode("cp1252"), "It may be damaged there, or be in another encoding"),
    ],
)
def test_undecodable_bytes_suggest_an_encoding_where_it_can_be_told(tmp_path: Path, content: bytes, hint: str) -> None:
    path = write(tmp_path / "a.csv", b"text,label\n" + content)
    with pytest.raises(DataError, match=f"cannot be decoded. {hint}"):
        rows_of(path)


def test_bytes_that_are_not_in_the_encoding_that_is_named_have_a_place(tmp_path: Path) -> None:
    content = "текст,метка\nПосылка не пришла,доставка\n".encode("utf-16-le") + b"\x00\xd8\n\x00"
    with pytest.raises(DataError, match="is not all utf-16-le: byte 0x00 in line 3, at byte offset 78, cannot"):
        rows_of(write(tmp_path / "a.csv", content), encoding="utf-16-le", text_column="текст", label_column="метка")


def test_a_character_cut_off_at_the_end_has_a_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"byte 0xe4 in line 2, at byte offset 11,"):
        rows_of(write(tmp_path / "a.csv", b"text,label\n\xe4\xbd"))


def test_a_missing_file_suggests_its_namesake(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", b"")
    with pytest.raises(DataError, match=r"no file '.*trian\.csv'\. Did you mean 'train\.csv'"):
        rows_of(tmp_path / "trian.csv")
    with pytest.raises(DataError, match=r"no file .* is no folder"):
        rows_of(tmp_path / "nowhere" / "train.csv")
    with pytest.raises(DataError, match=r"no file 'nothing'"):
        rows_of(Path("nothing"))


def test_a_folder_where_a_file_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a file, got a folder"):
        rows_of(tmp_path, format="csv")
    with pytest.raises(DataError, match=r"expected a folder with a subfolder a class, got a file"):
        rows_of(write(tmp_path / "a.csv", b""), format="folder")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.csv", b"")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"may not be read by this user"):
        rows_of(path)


def test_broken_gzip_files(tmp_path: Path) -> None:
    whole = gzip.compress(b"text,label\n" + bytes(range(48, 58)) * 999, mtime=0)
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "fake.csv.gz").write_bytes(b"text,label\n")
    (tmp_path / "wrong.csv.gz").write_bytes(whole[:12] + b"\xff\xff\xff" + whole[15:])
    with pytest.raises(DataError, match=r"damaged gzip file, perhaps half a download"):
        rows_of(tmp_path / "cut.csv.gz")
    with pytest.raises(DataError, match=r"named \.gz, but is no gzip file"):
        rows_of(tmp_path / "fake.csv.gz")
    with pytest.raises(DataError, match=r"damaged gzip file"):
        rows_of(tmp_path / "wrong.csv.gz")


def test_a_missing_column_names_those_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,lable\none,x\n")
    with pytest.raises(
        DataError, match=r"no column 'label'; it has 'text', 'lable'\. Did you mean 'lable'.*data\.label_column.*header"
    ):
        rows_of(path)
    with pytest.raises(DataError, match=r"2 columns 'text'"):
        rows_of(write(tmp_path / "b.csv", "text,text,label\n"))
    with pytest.raises(DataError, match=r"names of the columns in line 1 have broken quotes"):
        rows_of(write(tmp_path / "c.csv", '"text"x,label\none,x\n'))


@pytest.mark.parametrize(
    ("line", "problem", "detail"),
    [
        (",x", problems.NO_TEXT, ""),
        (" \u3000,x", problems.NO_TEXT, ""),
        ("one,", problems.NO_LABEL, ""),
        ("one, ", problems.NO_LABEL, ""),
        ("one", problems.FIELDS, "expected 2, got 1"),
        ("one,two,x", problems.FIELDS, "expected 2, got 3"),
        ("o\0ne,x", problems.NUL, ""),
        ("one,x\0", problems.NUL, ""),
    ],
)
def test_bad_lines_of_csv(tmp_path: Path, line: str, problem: str, detail: str) -> None:
    path = write(tmp_path / "a.csv", f"text,label\none,x\n{line}\ntwo,y\n")
    first, bad, last = rows_of(path)
    assert (first.line, last.line) == (2, 4)
    assert bad == BadRow(str(path), 3, problem, detail)


@pytest.mark.parametrize(
    ("line", "problem", "detail"),
    [
        ("{", problems.NOT_JSON, "Expecting property name"),
        ("[1]", problems.NOT_JSON, "expected an object {…}, got '[1]'"),
        ("[" * 100_000, problems.NOT_JSON, ""),
        (f'{{"text": {"1" * 5000}}}', problems.NOT_JSON, ""),
        ('{"text": "one"}', problems.MISSING_FIELD, "no 'label', but 'text'"),
        ('{"text": "one", "lable": "x"}', problems.MISSING_FIELD, "Did you mean 'lable'"),
        ('{"text": 1, "label": "x"}', problems.WRONG_TYPE, "text should be a string, but is a whole number"),
        ('{"text": "one", "label": 0.5}', problems.WRONG_TYPE, "label should be"),
        ('{"text": "one", "label": ["x"]}', problems.WRONG_TYPE, "but is a list"),
        ('{"text": null, "label": "x"}', problems.NO_TEXT, ""),
        ('{"text": "one", "label": null}', problems.NO_LABEL, ""),
        ('{"text": "\\u0000", "label": "x"}', problems.NUL, ""),
        ('{"text": "\\ud800", "label": "x"}', problems.NOT_UNICODE, "half a surrogate pair"),
    ],
)
def test_bad_lines_of_jsonl(tmp_path: Path, line: str, problem: str, detail: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"text": "zero", "label": "x"}}\n\n{line}\n')
    good, bad = rows_of(path)
    assert isinstance(good, Example)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.problem) == (3, problem)
    assert detail in bad.detail


def test_jsonl_labels_may_be_numbers_and_truth_values(tmp_path: Path) -> None:
    content = "".join(f'{{"text": "one", "label": {label}}}\n' for label in ("1", "true", "false", '"x"', "0"))
    assert [label for _, label in pairs(rows_of(write(tmp_path / "a.jsonl", content)))] == [
        "1",
        "true",
        "false",
        "x",
        "0",
    ]


def test_a_field_that_no_object_has_is_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'text'; it has 'content', 'label'"):
        rows_of(write(tmp_path / "a.jsonl", '{"content": "one", "label": "x"}\n'))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("just a text", problems.NO_LABEL),
        ("__label__ text", problems.NO_LABEL),
        ("__label__x", problems.NO_TEXT),
        ("__label__x __label__y text", problems.SEVERAL_LABELS),
    ],
)
def test_bad_lines_of_fasttext(tmp_path: Path, line: str, problem: str) -> None:
    (row,) = rows_of(write(tmp_path / "a.txt", line + "\n\n"))
    assert isinstance(row, BadRow)
    assert row.problem == problem


def test_a_folder_a_class(tmp_path: Path) -> None:
    for name, text in {
        "b/2.txt": "four\n",
        "b/1.txt": "three\r\n",
        "a/x.txt.gz": "one\n\ntwo",
        "a/.hidden.txt": "no",
        ".git/a.txt": "no",
        "a/.DS_Store": "",
        "a/table.csv": "bad",
        "readme.txt": "bad",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, text)
    rows = rows_of(tmp_path)
    good = [row for row in rows if isinstance(row, Example)]
    assert pairs([*good]) == [("one\n\ntwo", "a"), ("three", "b"), ("four", "b")]
    assert good[0].source == str(tmp_path / "a" / "x.txt.gz")
    bad = [(Path(row.source).name, row.problem) for row in rows if isinstance(row, BadRow)]
    assert bad == [("table.csv", problems.NOT_TEXT_FILE), ("readme.txt", problems.NOT_TEXT_FILE)]


def test_a_folder_without_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no subfolders; expected .*<label>/<file>\.txt"):
        rows_of(tmp_path)


def test_parquet_types_and_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"text": ["one", None, "three"], "label": [1, 2, None], "n": [0.1, 0.2, 0.3]}
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(table), path)
    assert rows_of(path) == [
        Example("one", "1", str(path), 1),
        BadRow(str(path), 2, problems.NO_TEXT),
        BadRow(str(path), 3, problems.NO_LABEL),
    ]
    with pytest.raises(DataError, match=r"column 'n' should hold text, but holds double"):
        rows_of(path, text_column="n")
    with pytest.raises(DataError, match=r"column 'n' should hold text, whole numbers or true/false"):
        rows_of(path, label_column="n")
    with pytest.raises(DataError, match=r"no column 'labels'.*Did you mean 'label'"):
        rows_of(path, label_column="labels")
    parquet.write_table(
        pyarrow.table({"text": pyarrow.array(["a", "a"]).dictionary_encode(), "label": [True, False]}), path
    )
    assert pairs(rows_of(path)) == [("a", "true"), ("a", "false")]


def test_parquet_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"cannot be read as Parquet"):
        rows_of(write(tmp_path / "a.parquet", b"text,label\n"))


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "textclf\[parquet\]"'):
        rows_of(write(tmp_path / "a.parquet", b""))


def test_samples_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").mkdir()
    write(tmp_path / "samples" / "dev.csv", 'text,label,language\n"fine, thanks",smalltalk,en\n')
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    config = DataConfig(
        train="sample:dev", format="jsonl", header=False, quoting="none", encoding="utf-16", delimiter=";"
    )
    assert list(read("sample:dev", config)) == [Example("fine, thanks", "smalltalk", "sample:dev", 2)]
    with pytest.raises(DataError, match=r"no 'sample:tset'.*'sample:train'.*Did you mean 'sample:test'"):
        list(read("sample:tset", config))
