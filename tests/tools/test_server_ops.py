"""The table of ops: each with the first server that has it, whichever of its libraries does."""

import pytest
import server_ops

CORE = {"old": {"Add"}, "new": {"Add", "Sub"}}
TEXT = {"old": {"Trim"}, "new": {"Trim", "Split"}}


def test_an_op_has_the_library_and_the_version_where_it_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_ops, "registered", lambda folder, text: CORE[folder] | (TEXT[folder] if text else set()))
    rows = server_ops.table({"1.0": ("old", "old"), "1.9": ("new", "old"), "2.0": ("new", "new")})
    assert rows == [
        "Add\ttensorflow\t1.0",
        "Split\ttensorflow-text\t2.0",
        "Sub\ttensorflow\t1.9",
        "Trim\ttensorflow-text\t1.0",
    ]
