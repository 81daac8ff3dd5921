"""Labels: where they may point, and back to where they pointed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from textclf.errors import ExportError
from textclf.store import log
from textclf.store.labels import Move, remove_label, rollback, set_label
from textclf.store.lifecycle import restore, retire
from textclf.store.models_config import read_labels, write_labels

Publish = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("three")


def test_a_label_moves_and_the_log_says_so(base: Path) -> None:
    assert set_label(base, "m", "stable", 1) == Move(None, 1)
    assert set_label(base, "m", "stable", 3) == Move(1, 3)
    assert set_label(base, "m", "stable", 3) == Move(3, 3)
    assert remove_label(base, "m", "stable") == 3
    assert read_labels(base, "m") == {}
    facts = [line.facts for line in log.read(base / "m")][3:]
    keys = ("action", "label", "version", "from_version")
    assert [tuple(map(line.get, keys)) for line in facts] == [
        ("labelled", "stable", 1, None),
        ("labelled", "stable", 3, 1),
        ("unlabelled", "stable", None, 3),
    ]


def test_a_rollback_goes_back_one_more_each_time(base: Path, publish: Publish) -> None:
    publish()
    for version in (1, 2, 4, 3):
        set_label(base, "m", "stable", version)
        set_label(base, "m", "canary", 4)  # another label's way is its own
    assert [rollback(base, "m") for _ in range(3)] == [Move(3, 4), Move(4, 2), Move(2, 1)]
    with pytest.raises(ExportError, match=r"no version that 'stable' pointed at before 1\. .*textclf label m stable"):
        rollback(base, "m")
    set_label(base, "m", "stable", 3)
    assert rollback(base, "m") == Move(3, 1)


def test_a_rollback_after_a_label_was_taken_away_or_moved_unlogged(base: Path) -> None:
    set_label(base, "m", "stable", 1)
    remove_label(base, "m", "stable")
    set_label(base, "m", "stable", 2)
    write_labels(base, "m", {"stable": 3}, [1, 2, 3])  # by hand, or before a kill
    assert [rollback(base, "m") for _ in range(2)] == [Move(3, 2), Move(2, 1)]


def test_a_rollback_to_a_version_that_is_not_live_says_how(base: Path) -> None:
    set_label(base, "m", "stable", 1)
    set_label(base, "m", "stable", 2)
    retire(base, "m", 1)
    with pytest.raises(ExportError, match=r"Version 1 of 'm' is retired\. .* bring it back: textclf restore m 1"):
        rollback(base, "m")
    assert read_labels(base, "m") == {"stable": 2}
    restore(base, "m", 1)
    assert rollback(base, "m") == Move(2, 1)


def test_without_a_label_there_is_no_way_back(base: Path) -> None:
    with pytest.raises(ExportError, match=r"^'m' has no label 'stable'\. It has none\. Set one with: textclf label m"):
        rollback(base, "m")
    set_label(base, "m", "stabel", 1)
    with pytest.raises(ExportError, match=r"It has 'stabel'\. Did you mean 'stabel'\?"):
        remove_label(base, "m", "stable")


@pytest.mark.parametrize("its", ["", "1", "_x", "a-b", "a b", "稳定", "../x", "stable\n"])
def test_a_label_is_what_a_servers_address_takes(base: Path, its: str) -> None:
    with pytest.raises(ExportError, match=r"Expected a label of letters"):
        set_label(base, "m", its, 1)


def test_a_label_points_at_what_a_server_loads(base: Path) -> None:
    retire(base, "m", 1)
    (base / "m/5.sealed").write_bytes(b"...")
    (base / "m/3/saved_model.pb").unlink()
    for version, said in [
        (1, r"Version 1 of 'm' is retired\. A label points at what the server loads\. .*textclf restore m 1"),
        (3, r"m/3' is damaged: saved_model\.pb is missing\. Bring it back from a backup"),
        (5, r"Version 5 of 'm' is sealed\."),
        (7, r"'m' has no version 7\. There are 1 \(retired\), 2, 3, 5 \(sealed\)"),
    ]:
        with pytest.raises(ExportError, match=said):
            set_label(base, "m", "stable", version)
    assert read_labels(base, "m") == {}


def test_an_unknown_model_is_guessed(base: Path, publish: Publish, tmp_path: Path) -> None:
    publish("messages")
    with pytest.raises(ExportError, match=r"No model 'mesages' in .* 'm', 'messages'\. Did you mean 'messages'\?"):
        set_label(base, "mesages", "stable", 1)
    for name in ("../saved_models/m", "m/", ".", ""):
        with pytest.raises(ExportError, match="No model"):
            set_label(base, name, "stable", 1)
    with pytest.raises(ExportError, match=r"No served models in .*nowhere'\. `textclf export RUN` makes one"):
        set_label(tmp_path / "nowhere", "m", "stable", 1)


def test_one_altered_byte_of_the_same_size_keeps_a_version_from_becoming_what_is_served(base: Path) -> None:
    set_label(base, "m", "stable", 1)
    set_label(base, "m", "stable", 2)
    retire(base, "m", 3)
    for folder in ("1", ".retired/3"):
        (base / "m" / folder / "assets.extra/labels.json").write_text('["a", "c"]', encoding="utf-8")
    said = r"' is damaged: 'assets\.extra/labels\.json' was altered: .*\. Bring it back from a backup, or export"
    with pytest.raises(ExportError, match=f"m/1{said}"):
        set_label(base, "m", "canary", 1)
    with pytest.raises(ExportError, match=f"m/1{said}"):
        rollback(base, "m")
    with pytest.raises(ExportError, match=f"m/\\.retired/3{said}"):
        restore(base, "m", 3)
    assert read_labels(base, "m") == {"stable": 2}
