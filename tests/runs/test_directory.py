"""A run directory read back: what is refused, and with which words."""

import shutil
import subprocess
from pathlib import Path

import pytest

from textclf.errors import RunError, TextclfError
from textclf.runs import files
from textclf.runs import writer as writer_module
from textclf.runs.directory import Run
from textclf.serving.evaluate import evaluate
from textclf.serving.export import export


@pytest.fixture
def copied(linear_run: Run, tmp_path: Path) -> Path:
    """Return the directory of a good run of three labels that may be written to."""
    return Path(shutil.copytree(linear_run.path, tmp_path / "run"))


def test_a_run_without_a_model_says_what_to_do(trained_run: Run, tmp_path: Path) -> None:
    writer = writer_module.RunWriter(tmp_path / "run")
    writer.write_start(trained_run.config, trained_run.labels, trained_run.tokenizer)
    with pytest.raises(RunError, match=r"has no model\.keras: its training ended before .* --force"):
        Run.load(tmp_path / "run")


def test_the_run_that_a_killed_one_was_to_replace_can_be_brought_back(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = copied.rename(copied.with_name("it's mine"))
    link = good.with_name("latest")
    link.symlink_to(good)
    before = Run.load(good)
    writer = writer_module.RunWriter(link, "replace")
    with pytest.raises(RunError, match="found none") as caught:
        Run.load(link)
    assert "get it back" not in str(caught.value)  # it is written just now
    writer.write_start(before.config, before.labels, before.tokenizer)
    with monkeypatch.context() as patch:
        patch.setattr(files, "is_locked", lambda _: False)  # as if its process were no more
        old = good.with_name(".it's mine.replaced")
        words = f"The run that it was to replace is at '{old}'; get it back with: "
        for read in (Run.load, export, evaluate):
            with pytest.raises(RunError, match=r"has no model\.keras") as caught:
                read(link)
            assert words in str(caught.value)
    writer.close()
    with pytest.raises(RunError, match="is there already") as caught:
        writer_module.RunWriter(link)
    subprocess.run(["sh", "-c", str(caught.value).partition(words)[2]], check=True, timeout=60)
    assert Run.load(link).results == before.results
    assert {path.name for path in good.parent.iterdir()} == {"it's mine", "latest"}


def test_a_run_is_brought_back_to_where_nothing_is(copied: Path) -> None:
    copied.rename(copied.with_name(".run.replaced"))
    for read in (Run.load, evaluate):
        with pytest.raises(TextclfError, match=r"get it back with: mv \S+/\.run\.replaced \S+/run$"):
            read(copied)
    (copied.with_name(".run.replaced") / "model.keras").unlink()
    with pytest.raises(RunError, match=r"`textclf train` makes one\.$"):
        Run.load(copied)


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Expected a run directory with a config\.yaml at .*, found none"):
        Run.load(tmp_path / "nowhere")


@pytest.mark.parametrize("present", [["config.yaml"], ["config.yaml", "data.csv"]], ids=str)
def test_a_config_alone_makes_no_run(tmp_path: Path, present: list[str]) -> None:
    for name in present:
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"Expected a run directory with a labels\.json at .*, found none"):
        Run.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip"])
def test_a_damaged_model_says_so(linear_run: Run, tmp_path: Path, content: bytes) -> None:
    for name in ("config.yaml", "labels.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes((linear_run.path / name).read_bytes())
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(RunError, match=r"model\.keras' cannot be read"):
        Run.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b'["a", "b"',
        b"\xff",
        b'{"a": 0, "b": 1, "c": 2}',
        b'["a", 2, "c"]',
        b'["a", "b"]',
        b'["a", "b", "a"]',
    ],
    ids=repr,
)
def test_damaged_labels_say_so(copied: Path, content: bytes | None) -> None:
    (copied / "labels.json").unlink()
    if content is not None:
        (copied / "labels.json").write_bytes(content)
    words = r"labels\.json' .*Expected the names of the model's 3 labels, no two alike.*Train the run again"
    with pytest.raises(RunError, match=words):
        Run.load(copied)


@pytest.mark.parametrize("content", [b"", b'{"scores": {', b"\xff", b"[]"], ids=repr)
def test_damaged_scores_say_so(copied: Path, content: bytes) -> None:
    (copied / "scores.json").write_bytes(content)
    words = r"scores\.json' .*Expected what training measured.*Delete it.*or train the run again"
    with pytest.raises(RunError, match=words):
        Run.load(copied)
    (copied / "scores.json").unlink()
    assert Run.load(copied).results == {}
