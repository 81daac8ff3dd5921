"""The manifest: every difference of a version from what was exported is named, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.savedmodel.manifest import check_manifest, write_manifest


@pytest.fixture
def version(tmp_path: Path) -> Path:
    for name, content in {"saved_model.pb": b"graph", "variables/a b": b"", "assets.extra/表.json": b"[]"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write_manifest(tmp_path)
    return tmp_path


def test_what_was_written_is_right(version: Path) -> None:
    assert check_manifest(version) == []
    (version / MANIFEST_SIGNATURE_FILE).write_text("{}", encoding="utf-8")
    assert check_manifest(version) == []
    write_manifest(version)
    assert check_manifest(version) == []


def test_every_difference_is_named_in_the_order_of_the_files(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"grape")
    (version / "assets.extra/表.json").write_bytes(b"[1]")
    (version / "variables/a b").unlink()
    (version / "notes.txt").touch()
    (version / "link").symlink_to("nowhere")
    first, link, notes, graph, missing = check_manifest(version)
    assert first == "'assets.extra/表.json' was altered: it has 3 bytes, the manifest says 2."
    assert (link, notes) == ("'link' is not in the manifest.", "'notes.txt' is not in the manifest.")
    assert graph.startswith("'saved_model.pb' was altered: its SHA-256 is ")
    assert missing == "'variables/a b' is missing; the manifest lists it."


def test_a_listed_file_that_cannot_be_read(version: Path) -> None:
    (version / "saved_model.pb").unlink()
    (version / "saved_model.pb").symlink_to("nowhere")
    assert check_manifest(version) == ["'saved_model.pb' cannot be read: No such file or directory."]


@given(st.binary(min_size=5, max_size=5))
def test_no_other_bytes_have_the_same_sum(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "saved_model.pb"
        file.write_bytes(b"graph")
        write_manifest(folder)
        file.write_bytes(content)
        assert (check_manifest(folder) == []) == (content == b"graph")


def test_no_manifest_or_none_that_can_be_read(version: Path) -> None:
    path = version / MANIFEST_FILE
    no_number = '{"format": 1, "files": {"a": {"sha256": 1, "bytes": 1e999}}}'
    for content in ("", "[]", "\ud800", '{"format": 2, "files": {}}', no_number):
        path.write_text(content, encoding="utf-8", errors="surrogatepass")
        (problem,) = check_manifest(version)
        assert problem.startswith(f"'{MANIFEST_FILE}' cannot be read (") and problem.endswith("Export the run again.")
    path.unlink()
    (problem,) = check_manifest(version)
    assert problem.startswith(f"'{MANIFEST_FILE}' is missing: ")
