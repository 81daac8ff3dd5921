"""Sealed versions: what comes out is what went in, or nothing does."""

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from textclf.errors import ExportError
from textclf.savedmodel.manifest import write_manifest
from textclf.serving.classifier import load
from textclf.store import cipher, sealing
from textclf.store.cipher import TAG, Decrypter, Encrypter, Header
from textclf.store.keys import key_id_of, read_signing_key
from textclf.store.sealing import seal, sealed_files, unseal
from textclf.store.signing import sign_version
from textclf.store.versions import publish, sealed_versions, versions

from .conftest import KEY, contents, write_small_version

HEADER = 56
SMALL = 1000
"""Bytes of a chunk here, so that a small version has a few."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "CHUNK", SMALL)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """A sealed version's bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cipher, "CHUNK", SMALL)
        yield seal(write_small_version(tmp_path_factory.mktemp("small") / "tiny/3"), KEY).read_bytes()


def opened(path: Path, key: bytes = KEY) -> dict[str, bytes]:
    return {name: file.read() for name, file in sealed_files(path, key)}


def chunks(sealed: bytes) -> list[bytes]:
    return [sealed[start : start + SMALL + TAG] for start in range(HEADER, len(sealed), SMALL + TAG)]


def test_what_comes_out_is_what_went_in(version: Path, tmp_path: Path) -> None:
    before = contents(version)
    sealed = seal(version, KEY)
    assert sealed == version.parent / "3.sealed"
    assert opened(sealed) == before
    assert (versions(version.parent), sealed_versions(version.parent)) == ([3], [3])
    folder = unseal(sealed, KEY, tmp_path / "in memory/tiny")
    assert folder == tmp_path / "in memory/tiny/3"
    assert contents(folder) == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {path.name for path in folder.parent.iterdir()} == {"3"}


def test_nothing_of_the_content_can_be_read(version: Path) -> None:
    first = seal(version, KEY).read_bytes()
    assert len(chunks(first)) > 10
    assert b"graph" not in first
    assert "登录".encode() not in first
    assert b"saved_model.pb" not in first
    assert KEY not in first
    (version.parent / "3.sealed").unlink()
    second = seal(version, KEY).read_bytes()
    assert not set(chunks(first)) & set(chunks(second))  # each file has its own key


@hypothesis_settings(max_examples=300)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused(
    small: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    altered = bytearray(small)
    altered[data.draw(st.integers(0, len(small) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "flipped.sealed"
    path.write_bytes(altered)
    with pytest.raises(ExportError, match=r"damaged|another key|is cut off|is longer"):
        opened(path)


def test_a_file_that_is_cut_off_or_longer_is_refused(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "3.sealed"
    borders = [HEADER, *range(HEADER, len(small), SMALL + TAG), len(small) - TAG, len(small) - 1, HEADER - 1, 10]
    for end in borders:
        path.write_bytes(small[:end])
        with pytest.raises(ExportError, match="is cut off: "):
            opened(path)
    for end in (0, 3):
        path.write_bytes(small[:end])
        with pytest.raises(ExportError, match="is no sealed version, or is damaged at its beginning"):
            opened(path)
    path.write_bytes(small + b"more")
    with pytest.raises(ExportError, match=rf"is longer than it was written: expected {len(small):,} bytes"):
        opened(path)


def test_who_cuts_off_chunks_and_says_so_in_the_header_is_refused(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "3.sealed"
    header = Header.parse(small[:HEADER], path)
    for count in range(1, len(chunks(small))):
        shorter = header._replace(size=count * SMALL)
        path.write_bytes(shorter.pack() + b"".join(chunks(small)[:count]))
        with pytest.raises(ExportError, match="is damaged: chunk 1 of"):
            opened(path)


def test_chunks_in_another_order_or_of_another_file_are_refused(small: bytes, version: Path, tmp_path: Path) -> None:
    path = tmp_path / "3.sealed"
    parts = chunks(small)
    for number in range(len(parts) - 2):
        swapped = [*parts[:number], parts[number + 1], parts[number], *parts[number + 2 :]]
        path.write_bytes(small[:HEADER] + b"".join(swapped))
        with pytest.raises(ExportError, match=rf"is damaged: chunk {number + 1} of {len(parts)} is not as it was"):
            opened(path)
    path.write_bytes(small[:HEADER] + b"".join([parts[0], *parts[:1], *parts[2:]]))
    with pytest.raises(ExportError, match="is damaged: chunk 2 of"):
        opened(path)
    other = seal(version, KEY).read_bytes()
    assert len(other) == len(small)
    path.write_bytes(small[: -len(parts[-1])] + chunks(other)[-1])
    with pytest.raises(ExportError, match=f"is damaged: chunk {len(parts)} of"):
        opened(path)
    path.write_bytes(other[:HEADER] + small[HEADER:])
    with pytest.raises(ExportError, match="is damaged: chunk 1 of"):
        opened(path)


@given(plain=st.binary(max_size=5 * SMALL), cut=st.integers(1, 2 * SMALL))
@pytest.mark.parametrize("whole", [0, 1, 2])
def test_any_length_comes_back(tmp_path_factory: pytest.TempPathFactory, plain: bytes, cut: int, whole: int) -> None:
    plain = plain[: len(plain) // SMALL * SMALL] if whole == 1 else plain[:SMALL] if whole == 2 else plain
    path = tmp_path_factory.getbasetemp() / "any"
    with path.open("wb") as file:
        writer = Encrypter(file, KEY, len(plain))
        for start in range(0, len(plain), cut):
            writer.write(plain[start : start + cut])
        writer.finish()
    with path.open("rb") as file:
        reader = Decrypter(file, KEY, path)
        assert b"".join(iter(lambda: reader.read(cut), b"")) == plain


def test_another_key_is_named(version: Path) -> None:
    sealed = seal(version, KEY)
    other = bytes(32)
    with pytest.raises(ExportError, match="sealed with another key") as caught:
        opened(sealed, other)
    assert f"expected the key {key_id_of(KEY).hex()}, got {key_id_of(other).hex()}." in str(caught.value)
    for key in (KEY, other):
        assert key.hex() not in str(caught.value)
    with pytest.raises(ExportError, match=r"An encryption key has 32 bytes, got 16\."):
        seal(write_small_version(version.with_name("4")), KEY[:16])
    assert not (version.parent / "4.sealed").exists()


def test_another_format_is_named(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "3.sealed"
    path.write_bytes(small[:7] + b"\x02" + small[8:])
    with pytest.raises(ExportError, match="is sealed in format 2, or damaged; this textclf reads format 1"):
        opened(path)


def write_archive(path: Path, *members: tarfile.TarInfo) -> None:
    """Seal an archive as nobody but a holder of the key can."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    with path.open("wb") as file:
        writer = Encrypter(file, KEY, len(archive.getvalue()))
        writer.write(archive.getvalue())
        writer.finish()


def member(name: str, **attributes: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("variables/../../outside"),
        member("/tmp/outside"),
        member("./saved_model.pb"),
        member("a//b"),
        member(".."),
        member("C:outside"),
        member("..\\outside"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", type=tarfile.SYMTYPE, linkname="saved_model.pb"),
        member("link", type=tarfile.LNKTYPE, linkname="saved_model.pb"),
        member("pipe", type=tarfile.FIFOTYPE),
        member("device", type=tarfile.CHRTYPE),
        member("folder", type=tarfile.DIRTYPE),
        member("sparse", pax_headers={"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": f"{1 << 40},0"}),
    ],
    ids=lambda bad: f"{bad.name} {bad.type.decode()}",
)
def test_an_archive_cannot_reach_out_of_its_folder(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    path = tmp_path / "base/tiny/3.sealed"
    path.parent.mkdir(parents=True)
    write_archive(path, member("saved_model.pb"), bad)
    with pytest.raises(ExportError, match=r"3\.sealed' holds '.*', which is no version's file"):
        unseal(path, KEY)
    assert [found.name for found in tmp_path.rglob("*")] == ["base", "tiny", "3.sealed"]
    with pytest.raises(ExportError, match="which is no version's file"):
        load(path, key=KEY)


def test_an_archive_with_a_name_twice_or_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "3.sealed"
    write_archive(path, member("saved_model.pb"), member("saved_model.pb", size=3))
    with pytest.raises(ExportError, match="File exists"):
        unseal(path, KEY)
    with path.open("wb") as file:
        writer = Encrypter(file, KEY, 600)
        writer.write(b"x" * 600)
        writer.finish()
    with pytest.raises(ExportError, match=r"3\.sealed' holds no archive"):
        opened(path)


def test_what_is_altered_is_neither_sealed_nor_unsealed(version: Path, tmp_path: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"another graph")
    with pytest.raises(ExportError, match=r"tiny/3' is damaged: 'saved_model\.pb' was altered: .*\."):
        seal(version, KEY)
    assert [path.name for path in version.parent.iterdir()] == ["3"]
    with pytest.raises(
        ExportError, match=r"tiny/4' holds no saved_model\.pb, so it is no version\. Versions there: '3'\."
    ):
        seal(version.with_name("4"), KEY)
    write_archive(tmp_path / "3.sealed", member("saved_model.pb"), member("assets.extra/manifest.json", size=2))
    with pytest.raises(ExportError, match=r"3\.sealed' is damaged: 'assets\.extra/manifest\.json' cannot be read"):
        unseal(tmp_path / "3.sealed", KEY)
    assert not (tmp_path / "3").exists()


def test_nothing_is_overwritten(version: Path) -> None:
    sealed = seal(version, KEY)
    before = sealed.read_bytes()
    with pytest.raises(ExportError, match=r"3\.sealed' is there already, and nothing is overwritten"):
        seal(version, KEY)
    with pytest.raises(ExportError, match=r"tiny/3' is there already, and nothing is overwritten"):
        unseal(sealed, KEY)
    assert sealed.read_bytes() == before


def test_the_folder_is_removed_after_the_comparison_alone(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(version)
    sealed = seal(version, KEY)
    with pytest.raises(ExportError, match="another key"):
        seal(version, bytes(32), remove=True)
    (version / "variables/variables.index").write_bytes(b"changed")
    write_manifest(version)
    with pytest.raises(ExportError, match=r"3\.sealed' holds something else than '.*tiny/3', which was not removed"):
        seal(version, KEY, remove=True)
    shutil.rmtree(version)
    unseal(sealed, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(sealing.shutil, "rmtree", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            seal(version, KEY, remove=True)
    assert versions(version.parent) == []  # a server no longer sees it
    unseal(sealed, KEY)
    assert seal(version, KEY, remove=True) == sealed
    assert [path.name for path in version.parent.iterdir()] == ["3.sealed"]  # what was interrupted is gone too
    assert opened(sealed) == before


def test_a_failure_leaves_nothing(version: Path, monkeypatch: pytest.MonkeyPatch, failure: Any) -> None:
    def fail(*_: Any) -> None:
        raise failure.error

    with monkeypatch.context() as patch:
        patch.setattr(Encrypter, "finish", fail)
        kind = ExportError if isinstance(failure.error, OSError) else type(failure.error)
        with pytest.raises(kind):
            seal(version, KEY)
    assert [path.name for path in version.parent.iterdir()] == ["3"]
    sealed = seal(version, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(sealing.shutil, "copyfileobj", fail)
        with pytest.raises(kind):
            unseal(sealed, KEY, version.parents[2] / "new/folder")
    assert {path.name for path in version.parents[2].iterdir()} == {"base"}


def test_what_grows_while_it_is_sealed_is_noticed(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sealing._archive_size
    monkeypatch.setattr(sealing, "_archive_size", lambda members: size(members) + 1)
    with pytest.raises(ExportError, match="The files changed while they were sealed"):
        seal(version, KEY)


def test_long_names_in_any_script_come_back(version: Path) -> None:
    for name in ("a" * 120, "登录/" + "包裹" * 40):
        path = version / "assets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 700)
    write_manifest(version)
    assert opened(seal(version, KEY)) == contents(version)


def test_the_number_of_a_sealed_version_is_taken(version: Path) -> None:
    seal(version, KEY, remove=True)
    unfinished = version.parent / ".unfinished-x"
    unfinished.mkdir()
    assert publish(unfinished, version.parent).name == "4"


def in_memory() -> list[str]:
    return tf.io.gfile.listdir("ram://textclf") if tf.io.gfile.exists("ram://textclf") else []


def test_a_sealed_version_answers_as_the_plain_one(real: Path, disk_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "CHUNK", 1 << 20)
    texts = ["where is my parcel", "", "退款", b"\xff"]
    plain = load(real)
    expected = plain.probabilities(texts)
    sealed = seal(real, KEY, remove=True)
    assert [path.name for path in real.parent.iterdir()] == ["3.sealed"]
    for path, key in ((sealed, KEY), (real.parent, disk_key), (sealed, str(disk_key))):
        classifier = load(path, key=key)
        assert in_memory() == []
        np.testing.assert_array_equal(classifier.probabilities(texts), expected)
        assert (classifier.path, classifier.version, classifier.labels) == (sealed, 3, plain.labels)
        assert (classifier.config, classifier.data_config) == (plain.config, plain.data_config)
        assert classifier.results == plain.results
    with pytest.raises(ExportError, match=r"3\.sealed' is sealed\. Name the file of its key: --key FILE, or key=…"):
        load(real.parent)


def test_memory_is_emptied_whatever_happens(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal(real, KEY)
    for error, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (ValueError("no graph"), ExportError)):

        def fail(folder: str, error: BaseException = error) -> None:
            assert tf.io.gfile.exists(f"{folder}/saved_model.pb")
            assert in_memory() != []
            raise error

        monkeypatch.setattr(tf.saved_model, "load", fail)
        with pytest.raises(raised):
            load(sealed, key=KEY)
        assert in_memory() == []
    content = sealed.read_bytes()
    sealed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ExportError, match="is damaged: chunk"):
        load(sealed, key=KEY)
    assert in_memory() == []


def test_the_newest_counts_sealed_or_not(real: Path) -> None:
    shutil.copytree(real, real.with_name("2"))
    seal(real.with_name("2"), KEY, remove=True)
    assert load(real.parent).version == 3  # an older one may be sealed
    seal(real, KEY)
    assert load(real.parent).path == real  # there in both ways
    assert load(real.parent, key=KEY).path == real.with_name("3.sealed")
    shutil.rmtree(real)
    shutil.copytree(unseal(real.with_name("2.sealed"), KEY), real.with_name("1"))
    with pytest.raises(ExportError, match=r"3\.sealed' is sealed\. .* Versions that are not sealed: '1', '2'\.$"):
        load(real.parent)


def test_what_is_sealed_can_be_signed_too(real: Path, pair: Path, other_pair: Path) -> None:
    sign_version(real, read_signing_key(pair))
    sealed = seal(real, KEY)
    assert load(sealed, key=KEY, trusted_keys=[f"{pair}.pub"]).version == 3
    with pytest.raises(ExportError, match=r"3\.sealed' is signed by a key that is not trusted"):
        load(sealed, key=KEY, trusted_keys=[f"{other_pair}.pub"])
    assert in_memory() == []


def test_a_pipe_is_not_waited_for(version: Path) -> None:
    os.mkfifo(version / "assets.extra/pipe")
    (version / "assets.extra/manifest.json").unlink()
    with pytest.raises(ExportError, match="pipe' is no file"):
        seal(version, KEY)


def test_a_version_without_a_manifest_is_sealed_with_a_warning(version: Path, caplog: pytest.LogCaptureFixture) -> None:
    seal(version, KEY)
    assert not caplog.messages
    (version / "assets.extra/manifest.json").unlink()
    (version.parent / "3.sealed").unlink()
    seal(version, KEY, remove=True)
    assert caplog.messages == [f"'{version}' has no manifest: it is sealed as it is, whether or not it is whole."]
