"""How data is written, guessed from its beginning."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textclf.config import DataConfig
from textclf.data import Example, guess, read
from textclf.data.columns import is_header
from textclf.data.encodings import EncodingGuess, encoding_hint, guess_encoding, is_binary
from textclf.errors import DataError, TextclfError

SENTENCES = [
    ("the food was good, and cheap", "pos"),
    ("never again will I eat here", "neg"),
    ("a fine place to be", "pos"),
    ("cold soup, rude waiters", "neg"),
]


def write(path: Path, content: str, encoding: str = "utf-8") -> str:
    data = content.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def table(rows: Sequence[tuple[str, ...]], separator: str = "\t") -> str:
    return "".join(separator.join(row) + "\n" for row in rows)


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.txt", "a.data", "a.csv"])
def test_tabs_with_a_header(tmp_path: Path, name: str) -> None:
    found = guess(write(tmp_path / name, table([("said", "mood"), *SENTENCES])))
    assert (found.format, found.text_column, found.label_column, found.header) == ("tsv", "said", "mood", True)
    assert (found.labels_found, found.rows_looked_at, found.quoting) == (["neg", "pos"], 4, "auto")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_no_header(tmp_path: Path, order: tuple[int, int]) -> None:
    content = table([tuple(row[index] for index in order) for row in SENTENCES])
    found = guess(write(tmp_path / "a.tsv", content))
    assert (found.text_column, found.label_column) == (("1", "2") if order == (0, 1) else ("2", "1"))
    assert (found.header, found.rows_looked_at) == (False, 4)


def test_a_first_row_whose_label_comes_once_is_no_header(tmp_path: Path) -> None:
    rows = [("my parcel is late today", "delivery"), ("I want my money back", "refund"), ("my money please", "refund")]
    found = guess(write(tmp_path / "a.csv", table(rows, ",")))
    assert (found.text_column, found.label_column, found.header) == ("1", "2", False)
    assert (found.header_certainty, found.labels_found) == ("unsure", ["delivery", "refund"])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["text", "anything at all, be it long"], (True, "certain")),
        (["my parcel is late", "refund"], (False, "certain")),
        (["my parcel is late", "topic"], (False, "certain")),
        (["text", "topic"], (True, "certain")),
        (["said", "category"], (True, "certain")),
        (["Consumer complaint narrative", "Product"], (True, "likely")),
        (["客户留言内容", "订单类型"], (True, "likely")),
        (["said", ""], (True, "likely")),
        (["my parcel is late", "delivery"], (False, "unsure")),
        (["Late again!", "delivery"], (False, "unsure")),
        (["我的快递还没到", "物流"], (False, "unsure")),
        (["late", "delivery", "17"], (False, "unsure")),
        (["late", "delivery", "-1.5"], (False, "unsure")),
        (["x" * 41, "delivery"], (False, "unsure")),
    ],
)
def test_a_line_of_names(row: list[str], expected: tuple[bool, str]) -> None:
    assert is_header(row, text=0, label=1, labels=["refund", "login", "topic"]) == expected


def test_no_more_rows_are_counted_without_a_header_than_with_one(tmp_path: Path) -> None:
    rows = [(f"I said nr. {index} of these, and more!", "ab"[index % 2]) for index in range(1100)]
    for name, lines in (
        ("a.tsv", rows),
        ("b.tsv", [*rows[:10], ("odd",), *rows[10:]]),
        ("c.tsv", [("text", "x"), *rows]),
    ):
        assert guess(write(tmp_path / name, table(lines))).rows_looked_at == 1000


def test_columns_of_many_kinds(tmp_path: Path) -> None:
    rows = [
        (str(index), f"user-{index}", f"sentence number {index} of these", "en", str(index % 3), f"{index / 7:.4f}")
        for index in range(60)
    ]
    found = guess(write(tmp_path / "a.tsv", table([("id", "user", "said", "language", "stars", "score"), *rows])))
    assert (found.text_column, found.label_column) == ("said", "stars")
    assert found.labels_found == ["0", "1", "2"]


def test_names_win(tmp_path: Path) -> None:
    rows = [(f"t{index}", f"a much longer remark {index}", f"c{index}", "xy"[index % 2]) for index in range(4)]
    found = guess(write(tmp_path / "a.tsv", table([("Text", "remark", "Category", "kind"), *rows])))
    assert (found.text_column, found.label_column) == ("Text", "Category")


def test_chinese_names(tmp_path: Path) -> None:
    rows = [("体育", "比赛很精彩"), ("财经", "股市上涨了")]
    found = guess(write(tmp_path / "a.csv", table([("标签", "内容"), *rows], ","), "gb18030"))
    assert (found.text_column, found.label_column, found.encoding) == ("内容", "标签", "gb18030")
    assert found.encoding_certainty == "likely"
    assert found.labels_found == ["体育", "财经"]


@pytest.mark.parametrize(
    ("name", "wrap", "expected"),
    [
        ("a.csv", '"{}"', "auto"),
        ("a.tsv", '"{}"', "standard"),
        ("a.tsv", "{}", "auto"),
        ("a.csv", '"{}" he said', "none"),
    ],
)
def test_quoting(tmp_path: Path, name: str, wrap: str, expected: str) -> None:
    separator = "," if name == "a.csv" else "\t"
    rows = [(wrap.format(text.replace(",", "")), label) for text, label in SENTENCES]
    found = guess(write(tmp_path / name, table([("text", "label"), *rows], separator)))
    assert found.quoting == expected
    assert found.labels_found == ["neg", "pos"]


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_delimiters(tmp_path: Path, delimiter: str, quote: str) -> None:
    rows = [(f"{quote}{text}{quote}", label) for text, label in SENTENCES]  # two of them with a comma inside
    path = write(tmp_path / "a.csv", table([("text, as said", "label"), *rows], delimiter))
    found = guess(path)
    assert (found.format, found.delimiter, found.quoting) == ("csv", delimiter, "auto")
    assert (found.text_column, found.labels_found) == ("text, as said", ["neg", "pos"])


def test_the_usual_delimiter_wins(tmp_path: Path) -> None:
    content = table([("text", "label"), *((f"one; two | three {index}", "xy"[index % 2]) for index in range(6))], ",")
    assert guess(write(tmp_path / "a.csv", content)).delimiter is None
    assert guess(write(tmp_path / "a.data", content.replace(",", ";").replace("; ", ", "))).delimiter == ";"


def test_jsonl(tmp_path: Path) -> None:
    content = "".join(json.dumps({"id": n, "said": t, "ok": y == "pos"}) + "\n" for n, (t, y) in enumerate(SENTENCES))
    for name in ("a.jsonl", "a.txt"):
        found = guess(write(tmp_path / name, content))
        assert (found.format, found.text_column, found.label_column) == ("jsonl", "said", "ok")
        assert found.labels_found == ["false", "true"]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"class": [1, 0] * 1000, "said": [f"sentence {index}" for index in range(2000)]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    found = guess(str(tmp_path / "a.parquet"))
    assert (found.format, found.text_column, found.label_column) == ("parquet", "said", "class")
    assert (found.labels_found, found.rows_looked_at) == (["0", "1"], 1000)


def test_parquet_columns_of_other_types_are_left_alone(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = [["one text", "another"], ["x", "y"], [{"a": 1}, {"a": 2}], [10**12, 1], [1, 1], [2, 2]]
    arrays = [pyarrow.array(column) for column in columns]
    arrays[3] = arrays[3].cast(pyarrow.timestamp("s"))  # a year that Python's datetime cannot hold
    names = ["a.text", "a.label", "nested", "when", "twice", "twice"]
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=names), path)
    found = guess(path)
    assert (found.text_column, found.label_column) == ("a.text", "a.label")
    config = DataConfig(train=path, text_column=found.text_column, label_column=found.label_column)
    assert list(read(path, config))[1] == Example("another", "y", path, 2)


def test_fasttext(tmp_path: Path) -> None:
    found = guess(write(tmp_path / "a.txt", "__label__x one\n\n__label__y two\n"))
    assert (found.format, found.labels_found, found.rows_looked_at) == ("fasttext", ["x", "y"], 2)


def test_folder(tmp_path: Path) -> None:
    for label in ("b", "a"):
        (tmp_path / label).mkdir()
        write(tmp_path / label / "1.txt", "très bon café", "windows-1252")
    found = guess(str(tmp_path))
    assert (found.format, found.labels_found, found.encoding) == ("folder", ["a", "b"], "windows-1252")
    assert (found.rows_looked_at, found.encoding_certainty) == (2, "unsure")


def test_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").mkdir()
    rows = [("text", "label", "language"), ("one text", "x", "en"), ("another text", "y", "en")]
    write(tmp_path / "samples" / "train.csv", table(rows, ","))
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    found = guess("sample:train")
    assert (found.format, found.text_column, found.label_column, found.header) == ("csv", "text", "label", True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text\none\n", "a single column, 'text'; expected texts and labels"),
        ("a.csv", "", "holds no rows"),
        ("a.csv", "text,label\n", "a single line of fields, 'text', 'label': a header and no rows"),
        (
            "a.csv",
            "Messages of March\ntext,label\none,x\ntwo,y\n",
            "begins with a line of 1 field, 'Messages of March', but most of its lines have 2.*"
            "a name for each column.*take it out",
        ),
        (
            "a.csv",
            "Messages of March,,\n,,\nticket,message,queue\n"
            + "".join(f"{number},where is my parcel number {number},{'ab'[number % 2]}\n" for number in range(20)),
            "begins with 2 lines above the names of its columns, 'ticket', 'message', 'queue'. Take what is above",
        ),
        (
            "a.csv",
            '"March" messages\ntext,label\n"one, two",x\n"three, four",y\n',
            "begins with a line whose quotes are broken, before the names of its columns, 'text', 'label'. Mend",
        ),
        ("a.jsonl", "", "holds no JSON objects"),
        ("a.txt", "just a line\n", "first line is 'just a line'.*__label__NAME the text"),
        (
            "a.tsv",
            table([("n", "m"), ("1", "2"), ("3", "4")]),
            "no column looks like the text.*'n', 'm'.*Write a config of your own .*data.text_column",
        ),
        (
            "a.tsv",
            table([("one", "two"), *((f"a text {index}", f"tag {index}") for index in range(9))]),
            "no column looks like the label.*'one', 'two'.*data.label_column",
        ),
    ],
)
def test_what_cannot_be_guessed(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        guess(write(tmp_path / name, content))


def test_white_space_is_no_label_and_odd_rows_are_looked_at(tmp_path: Path) -> None:
    content = table([("text", "label"), *SENTENCES, ("one more", "  "), ("and one",)])
    found = guess(write(tmp_path / "a.tsv", content))
    assert (found.labels_found, found.rows_looked_at) == (["neg", "pos"], 6)
    found = guess(write(tmp_path / "a.jsonl", '{"text": "one", "label": "x"}\n{"text": "two", "label": " "}\n[]\n'))
    assert (found.labels_found, found.rows_looked_at) == (["x"], 3)


PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(range(256)) + b"\x15\xd8\0\0\x01\0\0\0" * 40


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a"])
@pytest.mark.parametrize("content", [PROGRAM, bytes(range(256)) * 4], ids=["program", "every byte"])
def test_a_binary_file_is_told_from_text(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"/{name}' does not look like a text file: it is full of control characters"):
        guess(str(tmp_path / name))
    with pytest.raises(DataError, match="does not look like a text file"):
        list(read(str(tmp_path / name), DataConfig(train="-", format="csv")))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "shift-jis", "iso-2022-jp", "gb18030"]
)
def test_text_is_not_taken_for_binary(encoding: str) -> None:
    assert not is_binary("text,label\r\n日本語のテキスト\tok\n".encode(encoding))


TABLES = {
    "Chinese": "文本,标签\n" + "上海一家很好的饭店，价格也很便宜。,好评\n" * 9,
    "Korean": "문장,분류\n" + "배송이 너무 늦어서 환불을 원합니다,배송\n" * 9,
    "Russian": "текст,метка\n" + "Посылка так и не пришла,доставка\n" * 9,
    "Thai": "ข้อความ,ป้าย\n" + "พัสดุของฉันยังไม่มาถึง,จัดส่ง\n" * 9,
    "English": "text,label\n" + "My parcel is late,delivery\n" * 9,
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("language", TABLES)
def test_utf_16_without_a_mark_is_text(tmp_path: Path, language: str, encoding: str) -> None:
    sample = TABLES[language].encode(encoding)
    assert not is_binary(sample)
    assert guess_encoding(sample) == guess_encoding(sample[:-1]) == EncodingGuess(encoding, "likely")
    assert guess(write(tmp_path / "a.csv", TABLES[language], encoding)).encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "shift-jis", "euc-kr", "windows-1251", "tis-620"])
@pytest.mark.parametrize("language", TABLES)
def test_other_encodings_are_not_taken_for_utf_16(language: str, encoding: str) -> None:
    content = TABLES[language].encode(encoding, "replace")
    assert not guess_encoding(content).name.startswith("utf-16")
    assert not guess_encoding(b"\0".join([content[:20], content[20:]])).name.startswith("utf-16")


def test_a_file_is_guessed_in_the_encoding_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TABLES["Russian"] + "\x01" * 6 + ",доставка\n", "utf-16-le")
    with pytest.raises(DataError, match=r"or is it UTF-16\? Name it with data\.encoding\.$"):
        guess(path)
    assert guess(path, "utf-16-le").label_column == "метка"
    path = write(tmp_path / "b.csv", TABLES["Russian"], "windows-1251")
    found = guess(path, "windows-1251")
    assert (found.encoding, found.encoding_certainty, found.text_column) == ("windows-1251", "certain", "текст")
    with pytest.raises(DataError, match="expected the name of a character encoding"):
        guess(path, "windows-125l")
    with pytest.raises(DataError, match="is not all idna"):
        guess(path, "idna")
    with pytest.raises(DataError, match="does not look like a text file"):
        guess(write(tmp_path / "c.csv", "".join(map(chr, range(256))), "latin-1"), "latin-1")


GERMAN = "Es müßte größer sein, schöne Grüße\n"


@pytest.mark.parametrize(
    ("sample", "encoding", "expected"),
    [
        ((TABLES["Chinese"]).encode() + b"\xff\n", "utf-8", ""),
        (TABLES["Russian"].encode() + b"\xff\n", "utf-8", ""),
        (GERMAN.encode() + b"\xff\n", "utf-8", ""),
        (GERMAN.encode("windows-1252"), "utf-8", ""),  # or another of one byte a character
        (GERMAN.encode("windows-1252") + b"\x81", "windows-1252", ""),
        (TABLES["Russian"].encode("windows-1251"), "utf-8", ""),
        (TABLES["Chinese"].encode("gb18030") + b"\xff\n", "gb18030", ""),
        (TABLES["Chinese"].encode("gb18030"), "utf-8", "gb18030"),
        (TABLES["Chinese"].encode(), "gb18030", "utf-8"),
        (TABLES["Chinese"].encode(), "ascii", "utf-8"),
        (TABLES["Chinese"].encode("utf-16"), "utf-8", "utf-16"),
        (TABLES["Chinese"].encode("utf-16-le"), "utf-8", "utf-16-le"),
        (b"caf\xe9 noir", "idna", ""),
    ],
)
def test_an_encoding_is_suggested_only_where_it_can_be_told(sample: bytes, encoding: str, expected: str) -> None:
    damaged = "It may be damaged there, or be in another encoding: then name it with data.encoding."
    said = f"It looks like {expected}: try data.encoding={expected}." if expected else damaged
    assert encoding_hint(sample, encoding) == said


def test_a_missing_file_suggests_its_namesake(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "")
    with pytest.raises(DataError, match=r"Did you mean 'train.csv'"):
        guess(str(tmp_path / "trian.csv"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@example(content=b"\x0b\n\t\x0b\n\x1b\t ", suffix=".csv")  # the name of the column is white space
@example(content=b"\t\t\n:\t\n:\t ", suffix=".csv")  # the first line has more fields than the others
@example(content=b'"a"b\ntext,label\n"a, b",x\n"c, d",y\n', suffix=".csv")  # the first line's quotes are broken
@given(content=st.binary() | st.text(st.sampled_from('ab",\t{}:[]\n12')).map(str.encode), suffix=st.sampled_from(
    [".csv", ".tsv", ".jsonl", ".parquet", ".txt", "", ".csv.gz"]
))  # fmt: skip
def test_arbitrary_bytes_raise_nothing_but_our_own_errors(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    try:
        found = guess(str(path))
    except TextclfError as error:
        assert str(error)
    else:
        options = vars(found) | {"train": str(path)}
        config = DataConfig.model_validate({key: options[key] for key in options if key in DataConfig.model_fields})
        # What is guessed can be read: no column is missing, which would raise.
        assert all(row.source == str(path) for row in read(str(path), config))


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (b"plain", EncodingGuess("utf-8", "likely")),
        ("价格".encode(), EncodingGuess("utf-8", "certain")),
        ("价格".encode()[:-1], EncodingGuess("utf-8", "certain")),
        (b"\xef\xbb\xbfplain", EncodingGuess("utf-8", "certain")),
        ("a text".encode("utf-16"), EncodingGuess("utf-16", "certain")),
        ("a text".encode("utf-16-le"), EncodingGuess("utf-16-le", "likely")),
        ("a text".encode("utf-16-be"), EncodingGuess("utf-16-be", "likely")),
        ("a text".encode("utf-32"), EncodingGuess("utf-32", "certain")),
        ("这家店的价格很好, OK".encode("gb18030"), EncodingGuess("gb18030", "likely")),
        ("déjà vu, très “bon” cafés".encode("cp1252"), EncodingGuess("windows-1252", "unsure")),
        (b"\x81\x20\x8d\xe9 x", EncodingGuess("latin-1", "unsure")),
        (b"", EncodingGuess("utf-8", "likely")),
    ],
)
def test_encodings(sample: bytes, expected: EncodingGuess) -> None:
    assert guess_encoding(sample) == expected
