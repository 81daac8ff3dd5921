"""Cuts by share and by folds."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.data import read_folds, stratified_cut
from textclf.errors import DataError

rows_and_seats = st.lists(st.tuples(st.text(max_size=5), st.sampled_from("abcde")), min_size=2, max_size=60).flatmap(
    lambda rows: st.tuples(
        st.just(rows),
        st.integers(
            min_value=sum(count > 1 for count in Counter(label for _, label in rows).values()),
            max_value=len(rows) - len({label for _, label in rows}),
        ),
    )
)


def cut(rows: list[tuple[str, str]], num_rows: int, seed: int = 1, name: str = "dev") -> list[int]:
    return stratified_cut([text for text, _ in rows], [label for _, label in rows], num_rows, seed, name)


@given(rows_and_seats)
def test_size_and_classes(case: tuple[list[tuple[str, str]], int]) -> None:
    rows, num_rows = case
    chosen = cut(rows, num_rows)
    assert len(chosen) == len(set(chosen)) == num_rows
    assert chosen == sorted(chosen)
    taken = Counter(rows[index][1] for index in chosen)
    for label, count in Counter(label for _, label in rows).items():
        assert min(count - 1, 1) <= taken[label] <= max(count - 1, 0)


@given(rows_and_seats, st.randoms())
def test_the_order_of_the_rows_does_not_matter(
    case: tuple[list[tuple[str, str]], int], random: "st.DataObject"
) -> None:
    rows, num_rows = case
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Counter(rows[index] for index in cut(rows, num_rows)) == Counter(
        shuffled[index] for index in cut(shuffled, num_rows)
    )


def test_the_balance_is_kept_to_one_row() -> None:
    rows = [(str(index), "a" if index < 700 else "b" if index < 950 else "c") for index in range(1000)]
    assert Counter(rows[index][1] for index in cut(rows, 101)) in (
        Counter(a=71, b=25, c=5),
        Counter(a=70, b=26, c=5),
    )


def test_seed_and_name_choose_other_rows() -> None:
    rows = [(str(index), "ab"[index % 2]) for index in range(100)]
    assert cut(rows, 20) == cut(rows, 20)
    assert cut(rows, 20) != cut(rows, 20, seed=2)
    assert cut(rows, 20) != cut(rows, 20, name="test")


def test_a_cut_that_is_too_small_or_too_large() -> None:
    rows = [(str(index), "abc"[index % 3]) for index in range(9)]
    with pytest.raises(DataError, match=r"data\.dev: 2 of 9 rows are too few to hold each of the 3 classes"):
        cut(rows, 2)
    with pytest.raises(DataError, match=r"data\.test: 7 of 9 rows cannot be cut off.*smaller share"):
        cut(rows, 7, name="test")
    with pytest.raises(
        DataError,
        match=r"data\.test: 4 of 9 rows cannot be cut off, because .* 2 rows for the other "
        r"splits, or 1 if it has no more than 2\.",
    ):
        stratified_cut([text for text, _ in rows], [label for _, label in rows], 4, 1, "test", keep=2)


def test_folds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "folds.txt"
    path.write_bytes(b"\xef\xbb\xbf0\r\n 1 \n0\n2")
    assert read_folds(str(path), 4, 0) == [True, False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0\n1\n0\n", "has 3 lines, but train has 4 rows"),
        ("0\n1\n0\n1\n0\n", "has 5 lines, but train has 4 rows"),
        ("0\n0\n3\n10\n", "no row of fold 1; it has the folds 0, 3, 10"),
        ("0\n1\nx\n1\n", "line 3: expected the number of a fold, got 'x'"),
        ("0\n1\n\n1\n", "line 3: expected the number of a fold, got ''"),
        ("0\n1\n-1\n1\n", "line 3: expected the number of a fold, got '-1'"),
    ],
)
def test_bad_folds(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "folds.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_folds(str(path), 4, 1)


def test_folds_that_are_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file, got a folder"):
        read_folds(str(tmp_path), 4, 1)
