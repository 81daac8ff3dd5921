"""Real versions that come and go under a watch, while many ask: not a request is lost."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.engine.batching import Batching
from textclf.engine.errors import Code, RequestError
from textclf.engine.loading import load
from textclf.engine.models import Models
from textclf.engine.versions import State
from textclf.engine.watch import Watch
from textclf.savedmodel.batching import write_batching
from textclf.savedmodel.manifest import write_manifest
from textclf.store.keys import new_signing_key, read_signing_key
from textclf.store.signing import sign_version

LABEL = 'model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {} }}'


def entry(base: Path, more: str = "") -> str:
    return f'config {{ name: "m" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def write_config(path: Path, *entries: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(f"model_config_list {{ {' '.join(entries)} }}", encoding="utf-8")
    new.replace(path)  # whoever looks meanwhile must not see half of it


def reading(path: Path) -> Callable[[], ModelServerConfig]:
    return lambda: text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())


@contextmanager
def looking(watch: Watch) -> Iterator[None]:
    """Look again and again, in a thread."""
    stopped = threading.Event()

    def look_on() -> None:
        while not stopped.wait(0.01):
            watch.look()

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models()
    yield models
    models.close()


def test_versions_are_seen_in_time(models: Models, tmp_path: Path, publish: Callable[[Path], Path]) -> None:
    publish(tmp_path / "1")
    file = tmp_path / "models.config"
    write_config(file, entry(tmp_path))
    with looking(Watch(models, reading(file), pytest.fail)):
        until(lambda: state_of(models, 1) == State.AVAILABLE)
        publish(tmp_path / "2")
        until(lambda: state_of(models, 2) == State.AVAILABLE)
        until(lambda: state_of(models, 1) == State.END)
        # A label that stood in this file too would be refused for ever, as by the real server: 1 is not loaded yet.
        write_config(file, entry(tmp_path, "model_version_policy { all {} }"))
        until(lambda: state_of(models, 1) == State.AVAILABLE)
        write_config(file, entry(tmp_path, LABEL.format(1)))
        until(lambda: models.labels("m") == {"stable": 1})


def state_of(models: Models, version: int) -> State | None:
    """Return the state of a version of m; None before it was seen."""
    with suppress(RequestError):
        return models.statuses("m", version)[0].state
    return None


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_config_that_is_wrong_changes_nothing_and_is_told_once(
    models: Models, tmp_path: Path, publish: Callable[[Path], Path]
) -> None:
    publish(tmp_path / "1")
    file, said = tmp_path / "models.config", list[str]()
    write_config(file, entry(tmp_path))
    watch = Watch(models, reading(file), said.append)
    watch.look()
    assert not said
    for text, reason in (
        ("model_config_list { nope }", 'has no field named "nope"'),
        (f"model_config_list {{ {entry(tmp_path, LABEL.format(7))} }}", "not currently available"),
        (f"model_config_list {{ {entry(tmp_path) * 2} }}", "multiple times"),
    ):
        said.clear()
        file.write_text(text, encoding="utf-8")
        watch.look()
        watch.look()
        assert [reason in line for line in said] == [True]
        assert (models.names(), models.labels("m"), models.statuses("m")[0].state) == (["m"], {}, State.AVAILABLE)


def test_a_config_that_is_wrong_at_first_is_read_again(
    models: Models, tmp_path: Path, publish: Callable[[Path], Path]
) -> None:
    publish(tmp_path / "1")
    file, said = tmp_path / "models.config", list[str]()
    watch = Watch(models, reading(file), said.append)
    watch.look()
    write_config(file, entry(tmp_path))
    watch.look()
    assert (len(said), models.names()) == (1, ["m"])


def test_a_base_path_that_cannot_be_read_is_told_once_and_when_it_can_again(
    models: Models, tmp_path: Path, publish: Callable[[Path], Path]
) -> None:
    base, file, said = tmp_path / "m", tmp_path / "models.config", list[str]()
    base.mkdir()
    publish(base / "1")
    remote = entry(base).replace('"m"', '"g"').replace(str(base), "gs://bucket/g")
    write_config(file, entry(base), remote)
    watch = Watch(models, reading(file), said.append)
    watch.look()
    why = "'gs://bucket/g' is no folder of this machine. Mount it, or copy it here"
    assert said == [f"g: its base path cannot be read: {why}. What is loaded of it stays."]
    base.rename(tmp_path / "away")
    watch.look()
    watch.look()
    assert said[1:] == ["m: its base path cannot be read: No such file or directory. What is loaded of it stays."]
    base.touch()
    watch.look()
    assert said[2:] == ["m: its base path cannot be read: Not a directory. What is loaded of it stays."]
    assert models.statuses("m")[0].state == State.AVAILABLE
    base.unlink()
    (tmp_path / "away").rename(base)
    write_config(file, entry(base))
    watch.look()
    watch.look()
    assert said[3:] == ["m: its base path can be read again."]


def test_a_hot_swap_under_load_loses_no_request(
    models: Models, tmp_path: Path, publish: Callable[[Path], Path]
) -> None:
    write_batching(publish(tmp_path / "1"))
    write_config(tmp_path / "models.config", entry(tmp_path))
    watch = Watch(models, reading(tmp_path / "models.config"), pytest.fail)
    watch.look()
    answered: list[int] = []

    async def client(number: int, done: asyncio.Event) -> None:
        text = b"a" * number
        while not done.is_set():
            with models.lease("m") as servable:
                found = await batching.run(
                    servable, "serving_default", {"text": np.array([text], object)}, ["size", "text"]
                )
            assert (found["size"].tolist(), found["text"].tolist()) == ([number], [text])
            answered.append(servable.version)

    async def swap() -> None:
        done = asyncio.Event()
        clients = [asyncio.ensure_future(client(number, done)) for number in range(8)]
        for version in range(2, 8):
            await asyncio.to_thread(publish, tmp_path / str(version))
            while answered[-1:] != [version]:
                assert not any(each.done() for each in clients)
                await asyncio.sleep(0.005)
            await asyncio.to_thread(shutil.rmtree, tmp_path / str(version - 1))
        done.set()
        await asyncio.gather(*clients)

    batching = Batching(2)
    with looking(watch):
        asyncio.run(swap())
    batching.close()
    assert set(answered) == set(range(1, 8))


def test_a_version_under_a_trust_file_must_be_signed(tmp_path: Path, publish: Callable[[Path], Path]) -> None:
    base = tmp_path / "base"
    base.mkdir()
    version = publish(base / "1")
    (version / "assets.extra").mkdir()
    write_manifest(version)
    key = tmp_path / "release.key"
    new_signing_key(key)
    (base / "trust.yaml").write_text(f"trusted_keys: [{tmp_path / 'release.key.pub'}]\n")
    with pytest.raises(RequestError) as caught:
        load("m", 1, version)
    assert caught.value.code == Code.FAILED_PRECONDITION
    sign_version(version, read_signing_key(key))
    servable = load("m", 1, version)
    shutil.rmtree(version)  # what was checked is what is loaded
    found = servable.run("serving_default", {"text": np.array([b"abc"], object)}, ["size"])
    assert found["size"].tolist() == [3]
    servable.close()
