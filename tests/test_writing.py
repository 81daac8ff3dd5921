"""Files are whole or not there."""

import errno
from pathlib import Path

import pytest

from textclf.writing import replacing


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
