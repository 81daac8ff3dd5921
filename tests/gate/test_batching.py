"""The batching file: read as protobuf reads it, and what contradicts itself is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.gate.batching import check_batching

GOOD = """# as an export writes it
max_batch_size { value: 64 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
thread_pool_name { value: "texts" }
allowed_batch_sizes: 1
allowed_batch_sizes: [8, 64]
"""


def check(text: str, folder: Path, ids: bool = False) -> list[str]:
    path = folder / "batching_params.pbtxt"
    path.write_text(text, encoding="utf-8")
    return check_batching(path, ids)


def test_a_good_file(tmp_path: Path) -> None:
    assert check(GOOD, tmp_path, ids=True) == []
    assert check("", tmp_path) == []  # the server's defaults
    assert check(GOOD + "pad_variable_length_inputs: true", tmp_path) == []  # strings have one length
    large = "enable_large_batch_splitting { value: true }\nmax_execution_batch_size { value: 64 }"
    assert check(GOOD + large, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nmax_batch { value: 64 }", 'line 2: Message type "tensorflow.serving.BatchingParameters" has no field'),
        ("max_batch_size: 64", 'line 1: \'max_batch_size: 64\': Expected "{"'),
        ("num_batch_threads { value: 1.5 }", "line 1: 'num_batch_threads { value: 1.5 }': Couldn't parse integer: 1.5"),
        ('thread_pool_name { value: 1 }', "line 1: "),
        ("max_batch_size { value: 8 }\nmax_batch_size { value: 8 }", "line 2: "),
        ("max_batch_size { value: 8", 'line 1: Expected "}"'),
    ],
)  # fmt: skip
def test_what_protobuf_refuses_is_refused_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    (found,) = check(text, tmp_path)
    assert found.startswith(f"'batching_params.pbtxt', {problem}")
    assert found.endswith(". TensorFlow Serving would not read it either.")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_batch_size { value: 8 } allowed_batch_sizes: [4, 2, 8]",
         "allowed_batch_sizes: expected sizes from 1 on that increase, got [4, 2, 8]"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [0, 8]",
         "allowed_batch_sizes: expected sizes from 1 on that increase, got [0, 8]"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]",
         "the last of allowed_batch_sizes must be max_batch_size: expected 8, got 4"),
        ("allowed_batch_sizes: 4", "the last of allowed_batch_sizes must be max_batch_size: expected none, got 4"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 8 enable_large_batch_splitting { value: true }",
         "the last of allowed_batch_sizes must be max_execution_batch_size: expected none, got 8"),
        ("num_batch_threads {}", "num_batch_threads: expected at least 1, got 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros: expected at least 0, got -1"),
        ("pad_variable_length_inputs: true",
         "pad_variable_length_inputs pads token ids with the first one of a text, which changes its answer. "
         "Leave it out"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    assert check(text, tmp_path, ids=True) == [f"'batching_params.pbtxt': {problem}."]


def test_no_file_and_no_text(tmp_path: Path) -> None:
    path = tmp_path / "batching_params.pbtxt"
    assert check_batching(path, False)[0].startswith("'batching_params.pbtxt' is missing")
    path.write_bytes(b"\xff")
    assert check_batching(path, False)[0].startswith("'batching_params.pbtxt' cannot be read")


@given(
    st.lists(
        st.sampled_from([*GOOD.split(), "}", "{", "value:", "-1", "9" * 30, '"', "'a", ",", "[", "\n"]), max_size=9
    )
)
def test_whatever_the_file_holds_is_judged(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    found = check(" ".join(words), tmp_path_factory.mktemp("batching"))
    assert all(problem.startswith("'batching_params.pbtxt'") for problem in found)
