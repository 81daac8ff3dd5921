"""Which versions are loaded, and who holds one: with versions that are folders, and servables that only know their
number."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.engine.errors import Code, RequestError
from textclf.engine.models import Models
from textclf.engine.versions import State, VersionStatus

BAD = "bad"
"""A file that makes a version fail to load."""


class Numbered:
    """Stands for a `Servable`."""

    def __init__(self, name: str, version: int, path: Path) -> None:
        if (path / BAD).exists() or not path.is_dir():
            raise RequestError(Code.INVALID_ARGUMENT, f"bad {path.name}")
        self.name, self.version, self.path = name, version, path
        self.is_closed = False

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def config(base: Path, more: str = "", name: str = "m") -> Any:
    entry = f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'
    return text_format.Parse(f"model_config_list {{ {entry} }}", ModelServerConfig())


def make(base: Path, *versions: int, bad: bool = False) -> None:
    for version in versions:
        unfinished = base / f".{version}"
        unfinished.mkdir()
        if bad:
            (unfinished / BAD).touch()
        unfinished.rename(base / str(version))


def remove(base: Path, version: int) -> None:
    (base / str(version)).rename(base / f".gone-{version}-{len(list(base.iterdir()))}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def models(clock: Clock) -> Iterator[Models]:
    models = Models(loader=Numbered, clock=clock)  # type: ignore[arg-type]
    yield models
    models.close()


def states(models: Models) -> dict[int, State]:
    return {status.version: status.state for status in models.statuses("m")}


def refused(ask: Callable[[], Any]) -> tuple[Code, str]:
    with pytest.raises(RequestError) as caught:
        ask()
    return caught.value.code, caught.value.message


def leased(models: Models, name: str = "m", **which: Any) -> int:
    with models.lease(name, **which) as servable:
        return servable.version


def test_the_newest_is_served_and_takes_the_place_of_the_one_before(models: Models, tmp_path: Path) -> None:
    make(tmp_path, 1, 2)
    models.reload(config(tmp_path))
    assert (states(models), leased(models)) == ({2: State.AVAILABLE}, 2)
    make(tmp_path, 10)
    with models.lease("m") as old:
        models.poll()
        assert (leased(models), states(models)) == (10, {10: State.AVAILABLE, 2: State.UNLOADING})
        assert not old.is_closed  # type: ignore[attr-defined]
    models.poll()
    assert old.is_closed  # type: ignore[attr-defined]
    assert models.statuses("m") == [
        VersionStatus(10, State.AVAILABLE, Code.OK, ""),
        VersionStatus(2, State.END, Code.OK, ""),
    ]
    assert models.statuses("m", 2) == [VersionStatus(2, State.END, Code.OK, "")]
    remove(tmp_path, 10)
    models.poll()
    assert (leased(models), states(models)) == (2, {10: State.END, 2: State.AVAILABLE})


def test_messages_of_what_is_not_there(models: Models, tmp_path: Path) -> None:
    make(tmp_path, 7)
    models.reload(config(tmp_path))
    for ask, code, message in (
        (lambda: leased(models, "x"), Code.NOT_FOUND, "Servable not found for request: Latest(x)"),
        (lambda: leased(models, version=9), Code.NOT_FOUND, "Servable not found for request: Specific(m, 9)"),
        (lambda: leased(models, label="l"), Code.INVALID_ARGUMENT, "Unrecognized servable version label: l"),
        (lambda: leased(models, ""), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (lambda: models.statuses("x"), Code.NOT_FOUND, "Could not find any versions of model x"),
        (lambda: models.statuses("m", 8), Code.NOT_FOUND, "Could not find version 8 of model m"),
    ):
        assert refused(ask) == (code, message)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", [10]),
        ("latest {}", [10]),
        ("latest { num_versions: 2 }", [9, 10]),
        ("all {}", [1, 9, 10]),
        ("specific { versions: 9 versions: 1 versions: 77 }", [1, 9]),
    ],
)
def test_policies(models: Models, tmp_path: Path, policy: str, expected: list[int]) -> None:
    make(tmp_path, 1, 9, 10)
    (tmp_path / "0099x").mkdir()
    (tmp_path / ".retired").mkdir()
    models.reload(config(tmp_path, f"model_version_policy {{ {policy} }}" if policy else ""))
    assert states(models) == dict.fromkeys(expected, State.AVAILABLE)
    models.reload(config(tmp_path, "model_version_policy { specific { versions: 9 } }"))
    assert [version for version, state in states(models).items() if state == State.AVAILABLE] == [9]


def test_a_version_that_fails_leaves_the_one_before_and_is_tried_again(
    models: Models, tmp_path: Path, clock: Clock
) -> None:
    make(tmp_path, 1)
    models.reload(config(tmp_path))
    make(tmp_path, 2, bad=True)
    models.poll()
    assert models.statuses("m", 2) == [VersionStatus(2, State.END, Code.INVALID_ARGUMENT, "bad 2")]
    assert leased(models) == 1
    (tmp_path / "2" / BAD).unlink()
    models.poll()
    assert leased(models) == 1
    clock.now = 1.0
    models.poll()
    assert (leased(models), states(models)) == (2, {2: State.AVAILABLE, 1: State.END})


def test_attempts_are_ever_further_apart(models: Models, tmp_path: Path, clock: Clock) -> None:
    make(tmp_path, 3, bad=True)
    attempts = []
    loader = models._loader
    models._loader = lambda *given: (attempts.append(clock.now), loader(*given))[1]
    with pytest.raises(RequestError):
        models.reload(config(tmp_path))
    for second in range(200):
        clock.now = float(second)
        models.poll()
    assert attempts == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    remove(tmp_path, 3)
    models.poll()
    make(tmp_path, 3)
    models.poll()
    assert leased(models) == 3


def test_a_bug_in_a_load_does_not_end_the_polling(models: Models, tmp_path: Path) -> None:
    make(tmp_path, 1)
    models.reload(config(tmp_path))
    make(tmp_path, 2)
    models._loader = lambda *_: (_ for _ in ()).throw(ValueError("oh"))
    models.poll()
    assert models.statuses("m", 2) == [VersionStatus(2, State.END, Code.INTERNAL, "ValueError: oh")]


def test_files_that_vanish(models: Models, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    make(base, 1)
    models.reload(config(base))
    base.rename(tmp_path / "away")
    models.poll()
    assert leased(models) == 1
    (tmp_path / "away").rename(base)
    remove(base, 1)
    models.poll()
    assert states(models) == {1: State.END}
    assert refused(lambda: leased(models))[0] == Code.NOT_FOUND


def test_labels_point_at_what_is_loaded(models: Models, tmp_path: Path) -> None:
    make(tmp_path, 1, 2)
    every = "model_version_policy { all {} } "
    stable = every + 'version_labels { key: "stable" value: 1 }'
    message = "Request to assign label to version {} of model m, which is not currently available for inference"
    assert refused(lambda: models.reload(config(tmp_path, stable))) == (Code.FAILED_PRECONDITION, message.format(1))
    assert models.names() == []
    models.reload(config(tmp_path, every))
    models.reload(config(tmp_path, stable))
    assert (models.labels("m"), leased(models, label="stable"), leased(models)) == ({"stable": 1}, 1, 2)
    moved = stable.replace("value: 1", "value: 3")
    assert refused(lambda: models.reload(config(tmp_path, moved))) == (Code.FAILED_PRECONDITION, message.format(3))
    assert leased(models, label="stable") == 1
    models.reload(config(tmp_path, every))
    assert models.labels("m") == {}
    assert models.labels("nope") == {}


def test_labels_before_their_versions_if_allowed(tmp_path: Path) -> None:
    models = Models(allow_labels_for_unavailable=True, loader=Numbered)  # type: ignore[arg-type]
    make(tmp_path, 1)
    models.reload(config(tmp_path, 'version_labels { key: "stable" value: 2 }'))
    assert refused(lambda: leased(models, label="stable")) == (
        Code.NOT_FOUND,
        "Servable not found for request: Specific(m, 2)",
    )
    make(tmp_path, 2)
    models.poll()
    assert leased(models, label="stable") == 2
    moved = config(tmp_path, 'version_labels { key: "stable" value: 3 }')
    assert refused(lambda: models.reload(moved))[0] == Code.FAILED_PRECONDITION
    models.close()


def test_models_come_and_go_with_the_config(models: Models, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        make(tmp_path / name, 1)
    models.reload(config(tmp_path / "a", name="a"))
    models.reload(ModelServerConfig())
    assert models.names() == ["a"]
    models.reload(config(tmp_path / "b", name="b"))
    assert (models.names(), leased(models, "b")) == (["b"], 1)
    assert models.statuses("a") == [VersionStatus(1, State.END, Code.OK, "")]
    models.close()
    assert (models.names(), models.statuses("b")[0].state) == ([], State.END)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            'config { name: "a" base_path: "/a" model_platform: "tensorflow" } '
            'config { name: "a" base_path: "/b" model_platform: "tensorflow" }',
            Code.INVALID_ARGUMENT,
            "Illegal to list model a multiple times in config list",
        ),
        (
            'config { name: "a" base_path: "b" model_platform: "tensorflow" }',
            Code.INVALID_ARGUMENT,
            "Expected model a to have an absolute path or URI; got base_path()=b",
        ),
        (
            'config { name: "a" base_path: "/b" model_platform: "onnx" }',
            Code.INVALID_ARGUMENT,
            "Model a requests unsupported platform onnx",
        ),
        (
            'config { name: "a" base_path: "/b" }',
            Code.INVALID_ARGUMENT,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is a",
        ),
        (
            'config { name: "a" base_path: "/b" model_platform: "tensorflow" model_type: TENSORFLOW }',
            Code.INVALID_ARGUMENT,
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            "ModelServerConfig::model_platform, model name is a",
        ),
    ],
)
def test_configs_that_are_refused(models: Models, tmp_path: Path, text: str, code: Code, message: str) -> None:
    make(tmp_path, 1)
    models.reload(config(tmp_path))
    wrong = text_format.Parse(f"model_config_list {{ {text} }}", ModelServerConfig())
    assert refused(lambda: models.reload(wrong)) == (code, message)
    assert leased(models) == 1
    custom = ModelServerConfig()
    custom.custom_model_config.SetInParent()
    assert refused(lambda: models.reload(custom))[0] == Code.FAILED_PRECONDITION


def test_a_new_model_that_cannot_be_loaded_is_told_and_kept(models: Models, tmp_path: Path, clock: Clock) -> None:
    make(tmp_path, 4, bad=True)
    assert refused(lambda: models.reload(config(tmp_path))) == (
        Code.UNKNOWN,
        "1 model(s) did not become available: {{{name: m version: 4} due to error: INVALID_ARGUMENT: bad 4}, }",
    )
    (tmp_path / "4" / BAD).unlink()
    clock.now = 2.0
    models.poll()
    assert leased(models) == 4


def test_closing_waits_for_leases(models: Models, tmp_path: Path) -> None:
    make(tmp_path, 1)
    models.reload(config(tmp_path))
    closing = threading.Thread(target=models.close)
    with models.lease("m") as servable:
        closing.start()
        while refused_or_none(models) is None:
            pass
        assert not servable.is_closed  # type: ignore[attr-defined]
    closing.join(timeout=10)
    assert servable.is_closed  # type: ignore[attr-defined]


def refused_or_none(models: Models) -> Code | None:
    try:
        leased(models)
    except RequestError as error:
        return error.code
    return None


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["publish", "publish bad", "poll", "label"]), st.just(0)),
        st.tuples(st.sampled_from(["retire", "restore", "mend"]), st.integers(0, 5)),
        st.tuples(st.just("policy"), st.sampled_from([0, 1, 2])),
    ),
    max_size=30,
)
POLICIES = ["", "model_version_policy { latest { num_versions: 2 } }", "model_version_policy { all {} }"]


class Changes:
    """A base path that changes, and the config of its model; a version at least is always there."""

    def __init__(self, base: Path, models: Models) -> None:
        self.base, self.models = base, models
        self.there, self.away, self.next = [1], list[int](), 2
        self.policy, self.labels = "", ""

    def do(self, change: str, which: int) -> None:
        if change in ("publish", "publish bad"):
            make(self.base, self.next, bad=change == "publish bad")
            self.there.append(self.next)
            self.next += 1
        elif change == "retire" and len(self.there) > 1:
            version = self.there.pop(which % len(self.there))
            (self.base / str(version)).rename(self.base / f".retired-{version}")
            self.away.append(version)
        elif change == "restore" and self.away:
            version = self.away.pop(which % len(self.away))
            (self.base / f".retired-{version}").rename(self.base / str(version))
            self.there.append(version)
        elif change == "mend":
            (self.base / str(self.there[which % len(self.there)]) / BAD).unlink(missing_ok=True)
        elif change in ("label", "policy"):
            self._reload(change, which)
        self.models.poll()

    def _reload(self, change: str, which: int) -> None:
        if change == "label":
            with self.models.lease("m") as servable:
                self.labels = f'version_labels {{ key: "stable" value: {servable.version} }}'
        else:
            self.policy, self.labels = POLICIES[which], ""
        self.models.reload(config(self.base, self.policy + self.labels))


@settings(max_examples=40)
@given(CHANGES)
def test_a_hot_swap_loses_no_request(changes: list[tuple[str, int]]) -> None:
    problems: list[str] = []
    asked, done = threading.Semaphore(0), threading.Event()
    clock = Clock()
    models = Models(loader=Numbered, clock=clock)  # type: ignore[arg-type]

    def ask() -> None:
        while not done.is_set():
            try:
                with models.lease("m") as servable:
                    for _ in range(20):
                        if servable.is_closed:  # type: ignore[attr-defined]
                            problems.append(f"{servable.version} was closed while it was held")
            except RequestError as error:
                problems.append(error.message)
            asked.release()

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        make(base, 1)
        models.reload(config(base))
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        todo = Changes(base, models)
        for change in changes:
            todo.do(*change)
            clock.now += 1.0
            asked.acquire()
        done.set()
        for thread in threads:
            thread.join()
        models.close()
    assert not problems
    assert all(status.state == State.END for status in models.statuses("m"))
