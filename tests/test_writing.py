"""Files are whole or not there."""

import errno
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from textclf.cli.main import main
from textclf.cli.output import opened
from textclf.writing import UNFINISHED, replacing


class KilledError(BaseException):
    pass


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_file_that_is_not_written_to_its_end_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("good", encoding="utf-8")
    with pytest.raises(KilledError), replacing(path) as unfinished:
        unfinished.write_text("ba", encoding="utf-8")
        raise KilledError
    assert path.read_text(encoding="utf-8") == "good"
    assert names(tmp_path) == {"file"}


def test_what_the_disk_refuses_names_the_file(tmp_path: Path) -> None:
    for named in (None, "another"):
        with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device", named)
        assert caught.value.filename == (named or str(tmp_path / "file"))


def test_what_is_refused_of_the_unfinished_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere/file"
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        pytest.fail("there is nothing to write to")
    assert caught.value.filename == str(path)
    with pytest.raises(IsADirectoryError) as directory, replacing(tmp_path / "file") as unfinished:
        unfinished.unlink()
        unfinished.mkdir()
        unfinished.open("w")
    assert directory.value.filename == str(tmp_path / "file")


def test_a_missing_folder_is_reported_as_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("u.csv").write_text("text,label\nmoney back,refund\nparcel,delivery\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["init", "u.csv", "--out", "nowhere/o.yaml"])
    assert result.output == "Error: The file system refused 'nowhere/o.yaml': No such file or directory.\n"
    assert result.exit_code == 1


@pytest.mark.parametrize("prefix", ["unfinished-", UNFINISHED])
def test_a_file_of_the_users_beside_it_is_not_touched(tmp_path: Path, prefix: str) -> None:
    other = tmp_path / f"{prefix}out.tsv"
    other.write_text("mine", encoding="utf-8")
    with opened(str(tmp_path / "out.tsv")) as file:
        file.write("new")
    with pytest.raises(KilledError), opened(str(tmp_path / "out.tsv")):
        raise KilledError
    assert other.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8") == "new"
    assert names(tmp_path) == {"out.tsv", other.name}


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_and_the_file_that_it_shows_is_replaced(tmp_path: Path, there: bool) -> None:
    link, target = tmp_path / "config.yaml", tmp_path / "shared/config.yaml"
    target.parent.mkdir()
    if there:
        target.write_text("old", encoding="utf-8")
    link.symlink_to("shared/config.yaml")
    with opened(str(link)) as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert names(tmp_path) == {"config.yaml", "shared"}
    assert names(target.parent) == {"config.yaml"}


def test_a_link_to_itself_makes_a_file(tmp_path: Path) -> None:
    link = tmp_path / "config.yaml"
    link.symlink_to("config.yaml")
    with opened(str(link)) as file:
        file.write("new")
    assert link.read_text(encoding="utf-8") == "new"


def test_a_file_may_be_read_by_whom_any_new_file_may(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "file") as unfinished:
        unfinished.write_text("new", encoding="utf-8")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
