import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textclf.engine.errors import Code, RequestError
from textclf.engine.servable import Servable
from textclf.gate.session import Session
from textclf.savedmodel.files import BATCHING_FILE


def strings(*values: bytes) -> Any:
    return np.array(values, object)


@pytest.fixture(scope="module")
def servable(parity: Path) -> Iterator[Servable]:
    servable = Servable("parity", 1, parity)
    yield servable
    servable.close()


def test_answers_by_alias(servable: Servable) -> None:
    found = servable.run("serving_default", {"text": strings(b"ab", b"", b"\xff\x00c")}, ["text", "size"])
    assert found["size"].tolist() == [2, 0, 3]
    assert found["text"].tolist() == [b"ab", b"", b"\xff\x00c"]
    assert list(servable.run("serving_default", {"text": strings(b"ab")}, ["size"])) == ["size"]


def test_reads_and_writes_every_dtype(servable: Servable) -> None:
    found = servable.run("kinds", {"x": np.array([0, 1, 2], np.float32)}, sorted(servable.signatures["kinds"].outputs))
    assert found.pop("whole").shape == ()
    assert {name: tensor.dtype.name for name, tensor in found.items()} == {
        name: {"half": "float16"}.get(name, name) for name in found
    }
    assert len(found) == 8
    for name, tensor in found.items():
        assert tensor.astype(np.complex64).tolist() == ([0, 1, 1] if name == "bool" else [0, 1, 2])


def test_has_all_signatures(servable: Servable) -> None:
    names = {"serving_default", "halves", "kinds", "classes", "lengths", "__saved_model_init_op"}
    assert set(servable.signatures) == names
    assert (servable.name, servable.version) == ("parity", 1)


def refusal(servable: Servable, signature: str, feeds: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        servable.run(signature, feeds, sorted(servable.signatures[signature].outputs))
    return caught.value


def test_refuses_in_the_words_of_tensorflow(servable: Servable) -> None:
    error = refusal(servable, "serving_default", {"text": np.array([1.0], np.float32)})
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message == "Expects arg[0] to be string but float is provided"
    shape = "Shape of tensor _arg_serving_default_text_0_0 [{}] is not compatible with expected shape [?].\n\t [[{{{{"
    for value, name in ((strings(b"a", b"b")[None], "1,2"), (np.array(b"a", object), "")):
        assert refusal(servable, "serving_default", {"text": value}).message.startswith(shape.format(name))
    error = refusal(servable, "halves", {"n": np.array([2, 3])})
    assert (error.code, "odd" in error.message) == (Code.INVALID_ARGUMENT, True)


def test_a_dtype_that_numpy_has_and_tensorflow_not(servable: Servable) -> None:
    assert refusal(servable, "kinds", {"x": np.array(["2026"], "datetime64[Y]")}).code == Code.UNIMPLEMENTED


def test_a_version_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Could not find SavedModel") as caught:
        Servable("none", 1, tmp_path)
    assert caught.value.code == Code.NOT_FOUND


def test_a_file_that_cannot_be_read_leaves_no_session(
    parity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Session] = []
    close = Session.close
    monkeypatch.setattr(Session, "close", lambda session: (closed.append(session), close(session)))
    folder = shutil.copytree(parity, tmp_path / "1")
    (folder / BATCHING_FILE).mkdir()
    with pytest.raises(RequestError, match="Is a directory") as caught:
        Servable("parity", 1, folder)
    assert (caught.value.code, len(closed)) == (Code.FAILED_PRECONDITION, 1)


def test_a_closed_version_says_so(parity: Path) -> None:
    servable = Servable("parity", 3, parity)
    servable.close()
    servable.close()
    assert refusal(servable, "serving_default", {"text": strings(b"a")}).code == Code.UNAVAILABLE


def test_closing_waits_for_what_runs(parity: Path) -> None:
    servable = Servable("parity", 3, parity)
    answers, refused = [], []

    def ask() -> None:
        try:
            while True:
                answers.append(servable.run("serving_default", {"text": strings(*[b"a"] * 500)}, ["size"])["size"])
        except RequestError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answers) < 8:
        pass
    servable.close()
    for thread in threads:
        thread.join()
    assert refused == [Code.UNAVAILABLE] * 4
    assert all(answer.tolist() == [1] * 500 for answer in answers)
