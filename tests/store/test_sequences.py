"""Whatever is done to a store in whatever order, its labels, its log, its models.config and its numbers stay right."""

import tempfile
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.errors import ExportError
from textclf.store import log
from textclf.store.labels import remove_label, rollback, set_label
from textclf.store.lifecycle import publish_version, restore, retire
from textclf.store.models_config import MODELS_CONFIG, read_labels
from textclf.store.versions import states, versions

numbers = st.integers(1, 6)
labels = st.sampled_from(["stable", "canary"])


class Store(RuleBasedStateMachine):
    """One model; what is refused has to change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.base = Path(self._folder.name)
        self.ever: list[int] = []
        self.states: dict[int, str] = {}
        self.history: list[int] = []  # where `stable` was, without what a rollback took back

    def teardown(self) -> None:
        self._folder.cleanup()

    @initialize()
    def first(self) -> None:
        (self.base / "m").mkdir()
        self.publish()

    @rule()
    def publish(self) -> None:
        unfinished = self.base / "m/.unfinished-x"
        (unfinished / "assets.extra").mkdir(parents=True)
        (unfinished / "saved_model.pb").touch()
        (unfinished / "assets.extra/labels.json").touch()
        number = int(publish_version(unfinished, self.base / "m").name)
        assert number > max(self.ever, default=0)
        self.ever.append(number)
        self.states[number] = "live"

    @rule(its=labels, version=numbers)
    def label(self, its: str, version: int) -> None:
        if self.states.get(version) == "live":
            set_label(self.base, "m", its, version)
            assert read_labels(self.base, "m")[its] == version
            if its == "stable" and self.history[-1:] != [version]:
                self.history.append(version)
        else:
            self.refused(lambda: set_label(self.base, "m", its, version))

    @rule(its=labels)
    def remove_label(self, its: str) -> None:
        if its in read_labels(self.base, "m"):
            remove_label(self.base, "m", its)
        else:
            self.refused(lambda: remove_label(self.base, "m", its))

    @rule()
    def rollback(self) -> None:
        has_label = "stable" in read_labels(self.base, "m")
        if has_label and len(self.history) > 1 and self.states.get(self.history[-2]) == "live":
            move = rollback(self.base, "m")
            assert move == (self.history.pop(), self.history[-1])
        else:
            self.refused(lambda: rollback(self.base, "m"))

    @rule(version=numbers, force=st.booleans())
    def retire(self, version: int, force: bool) -> None:
        is_live = self.states.get(version) == "live"
        needed = version in read_labels(self.base, "m").values() or list(self.states.values()).count("live") == 1
        if is_live and (force or not needed):
            retire(self.base, "m", version, force)
            self.states[version] = "retired"
        else:
            self.refused(lambda: retire(self.base, "m", version, force))

    @rule(version=numbers)
    def restore(self, version: int) -> None:
        if self.states.get(version) == "retired":
            restore(self.base, "m", version)
            self.states[version] = "live"
        else:
            self.refused(lambda: restore(self.base, "m", version))

    @rule(version=numbers)
    def seal(self, version: int) -> None:
        """What encrypts a version leaves: a file, and its labels removed."""
        if self.states.get(version) == "live" and version not in read_labels(self.base, "m").values():
            (self.base / f"m/{version}").rename(self.base / f"sealed-{version}")
            (self.base / f"m/{version}.sealed").touch()
            self.states[version] = "sealed"

    @rule(version=numbers)
    def delete(self, version: int) -> None:
        """A version that somebody removes by hand, which no label points at."""
        if self.states.get(version) == "live" and version not in read_labels(self.base, "m").values():
            (self.base / f"m/{version}").rename(self.base / f"deleted-{version}")
            del self.states[version]

    @invariant()
    def labels_point_at_live_versions(self) -> None:
        if self.ever:
            assert set(read_labels(self.base, "m").values()) <= set(versions(self.base / "m"))

    @invariant()
    def models_config_is_one(self) -> None:
        if self.ever:
            text = (self.base / MODELS_CONFIG).read_text(encoding="utf-8")
            (entry,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
            chosen = entry.model_version_policy.WhichOneof("policy_choice")
            assert chosen == ("all" if entry.version_labels else None)

    @invariant()
    def the_chain_is_whole(self) -> None:
        assert not [line.problem for line in log.read(self.base / "m") if line.problem]

    @invariant()
    def versions_are_where_they_should_be(self) -> None:
        if self.ever:
            assert states(self.base / "m") == dict(sorted(self.states.items()))

    def refused(self, change: object) -> None:
        before = {path: path.is_dir() or path.read_bytes() for path in self.base.rglob("*")}
        with pytest.raises(ExportError):
            change()  # type: ignore[operator]
        assert {path: path.is_dir() or path.read_bytes() for path in self.base.rglob("*")} == before


TestSequences = Store.TestCase
TestSequences.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
