"""Pretrained vectors: word2vec, GloVe and fastText text, and what is wrong with a file."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from textclf.errors import DataError
from textclf.text.vectors import load_vectors

VOCABULARY = ["[PAD]", "[UNK]", "hello", "你", "paris"]
LINES = "hello 1 2\n你 3 -4.5e0\n, 9 9\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.txt"


def check(path: Path) -> np.ndarray:
    matrix, found = load_vectors(path, VOCABULARY, seed=1)
    assert matrix.dtype == np.float32
    assert (matrix.shape, found) == ((5, 2), 2)
    np.testing.assert_array_equal(matrix[[0, 2, 3]], np.array([[0, 0], [1, 2], [3, -4.5]], np.float32))
    return matrix


@pytest.mark.parametrize("header", ["", "3 2\n"])
@pytest.mark.parametrize("ends", ["\n", " \n", "\r\n", "\n\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_formats(header: str, ends: str, packed: bool, path: Path) -> None:
    content = (header + LINES.replace("\n", ends)).encode()
    path.write_bytes(gzip.compress(content) if packed else content)  # packed or not shows in the bytes, not the name
    check(path)


def test_a_file_without_a_last_line_break(path: Path) -> None:
    path.write_text(LINES.removesuffix("\n"), encoding="utf-8")
    check(path)


def test_tokens_with_spaces_inside(path: Path) -> None:
    path.write_text(LINES + ". . . 7 7\nat name@domain.com 8 8\n", encoding="utf-8")
    check(path)


def test_a_token_that_is_a_number_is_no_header(path: Path) -> None:
    path.write_text("7 0.5\nhello 0.25\n", encoding="utf-8")
    matrix, found = load_vectors(path, [*VOCABULARY, "7"], seed=1)
    assert (matrix.shape, found, matrix[5, 0], matrix[2, 0]) == ((6, 1), 2, 0.5, 0.25)


def test_case_folding_and_the_first_of_several(path: Path) -> None:
    path.write_text("PARIS 1 1\nParis 2 2\nHello 3 3\nhello 4 4\nhello 5 5\nHELLO 6 6\n", encoding="utf-8")
    matrix, found = load_vectors(path, VOCABULARY, seed=1)
    assert found == 2
    assert matrix[4].tolist() == [1, 1]  # no exact one: the first folded one
    assert matrix[2].tolist() == [4, 4]  # the first exact one, wherever it stands


def test_bytes_that_are_no_utf8_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xff\xfe 1 1\n" + LINES.encode())
    check(path)


def test_tokens_without_a_vector_are_drawn_with_the_seed(path: Path) -> None:
    generator = np.random.default_rng(3)
    vocabulary = ["[PAD]", "[UNK]", *(f"w{index}" for index in range(1000))]
    known = generator.normal(0.0, 0.3, (200, 8)).round(4)
    path.write_text("".join(f"w{index} {' '.join(map(str, row))}\n" for index, row in enumerate(known)))
    first, found = load_vectors(path, vocabulary, seed=1)
    assert found == 200
    np.testing.assert_array_equal(first, load_vectors(path, vocabulary, seed=1)[0])
    other = load_vectors(path, vocabulary, seed=2)[0]
    np.testing.assert_array_equal(first[:1], other[:1])
    np.testing.assert_array_equal(first[2:202], other[2:202])
    assert (first[202:] != other[202:]).all() and (first[1] != other[1]).all()
    # Kim: as much variance as the pretrained ones.
    assert first[202:].std() == pytest.approx(known.std(), rel=0.03)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("hello 1 2\n你 3\n", ":2: expected a token and 2 numbers between single spaces, got b'"),
        ("hello 1 2\n你 3 x\n", ":2: expected a token and 2 numbers"),
        ("hello 1 2\n\n\n你 3 nan\n", ":4: expected a token and 2 numbers"),
        ("9 3\nhello 1 2\n", ":2: expected a token and 3 numbers"),
        ("hello\n", ":1: expected a token and 1 numbers"),
        ("hello\t1\t2\n", ":1: expected a token and 1 numbers"),
        ("hello 1 2\n 3 4\n", ":2: expected a token and 2 numbers"),
    ],
)
def test_a_line_that_does_not_fit_is_located(content: str, place: str, path: Path) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_vectors(path, VOCABULARY, seed=1)
    assert f"{path}{place}" in str(caught.value)


def test_the_numbers_of_other_tokens_are_not_read_but_counted(path: Path) -> None:
    path.write_text(LINES + "other x y\nHello x y\nhello x y\n", encoding="utf-8")
    check(path)
    path.write_text(LINES + "other 1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r":4: expected a token and 2 numbers"):
        load_vectors(path, VOCABULARY, seed=1)


@pytest.mark.parametrize("content", ["", "2 2\n", "other 1 2\n"])
def test_a_file_of_another_language_is_refused(content: str, path: Path) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"holds a vector for none of the 5 tokens\. Is it the right language"):
        load_vectors(path, VOCABULARY, seed=1)


def test_files_that_cannot_be_read(path: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"vectors\.txt' cannot be read: No such file or directory. Check model.vectors"
    ):
        load_vectors(path, VOCABULARY, seed=1)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load_vectors(tmp_path, VOCABULARY, seed=1)
    path.write_bytes(gzip.compress((LINES * 1000).encode())[:-20])
    with pytest.raises(DataError, match="cannot be read: Compressed file ended"):
        load_vectors(path, VOCABULARY, seed=1)
    path.write_bytes(gzip.compress(LINES.encode())[:-6] + b"broken")
    with pytest.raises(DataError, match="cannot be read: CRC check failed"):
        load_vectors(path, VOCABULARY, seed=1)
