"""Signatures: no byte of a signed version can change, and only who is trusted can sign."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import ConfigError, ExportError
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.savedmodel.manifest import check_manifest, write_manifest
from textclf.serving.classifier import load
from textclf.store.keys import fingerprint, read_public_key, read_signing_key
from textclf.store.signing import check_signature, sign_version
from textclf.store.trust import demands

from .conftest import contents, write_small_version


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, pair: Path) -> Path:
    """A signed version; whoever alters it puts it right again."""
    folder = write_small_version(tmp_path_factory.mktemp("signed") / "tiny/3")
    sign_version(folder, read_signing_key(pair))
    return folder


def public(pair: Path) -> Path:
    return Path(f"{pair}.pub")


def test_a_signature_is_as_agreed_and_fits(version: Path, pair: Path) -> None:
    said = sign_version(version, read_signing_key(pair))
    values = json.loads((version / MANIFEST_SIGNATURE_FILE).read_text(encoding="utf-8"))
    key = read_public_key(public(pair))
    assert values.keys() == {"algorithm", "public_key", "signature"}
    assert (values["algorithm"], values["public_key"]) == ("ed25519", key.public_bytes_raw().hex())
    assert said == fingerprint(key)
    assert check_manifest(version) == []
    check_signature(version, [key])


def test_who_is_not_trusted_is_named(version: Path, pair: Path, other_pair: Path) -> None:
    key, other = read_public_key(public(pair)), read_public_key(public(other_pair))
    with pytest.raises(ExportError, match=r"tiny/3' is not signed, and a signature is asked for\. Sign it with"):
        check_signature(version, [key])
    sign_version(version, read_signing_key(other_pair))
    message = rf"not trusted, '{fingerprint(other)}'\. Trusted: '{fingerprint(key)}'\.$"
    with pytest.raises(ExportError, match=message):
        check_signature(version, [key])
    check_signature(version, [key, other])
    sign_version(version, read_signing_key(pair))  # takes the place of the other's
    check_signature(version, [key])


def test_who_puts_in_a_trusted_key_still_cannot_sign(version: Path, pair: Path, other_pair: Path) -> None:
    sign_version(version, read_signing_key(other_pair))
    values = json.loads((version / MANIFEST_SIGNATURE_FILE).read_text(encoding="utf-8"))
    values["public_key"] = read_public_key(public(pair)).public_bytes_raw().hex()
    (version / MANIFEST_SIGNATURE_FILE).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ExportError, match=r"was altered: its signature does not fit its assets\.extra/manifest\.json"):
        check_signature(version, [read_public_key(public(pair))])


@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused(signed: Path, pair: Path, data: st.DataObject) -> None:
    trusted = [read_public_key(public(pair))]
    files = contents(signed)
    name = data.draw(st.sampled_from(sorted(name for name, content in files.items() if content)))
    position = data.draw(st.integers(0, len(files[name]) - 1))
    altered = bytearray(files[name])
    altered[position] ^= 1 << data.draw(st.integers(0, 7))
    if name == MANIFEST_SIGNATURE_FILE and _means_the_same(files[name], bytes(altered)):
        return
    (signed / name).write_bytes(altered)
    try:
        with pytest.raises(ExportError, match=r"altered|damaged signature|not trusted"):
            check_signature(signed, trusted)
    finally:
        (signed / name).write_bytes(files[name])
    check_signature(signed, trusted)


def _means_the_same(before: bytes, after: bytes) -> bool:
    """Say whether a signature's file holds the same values, written otherwise, such as A for a in hexadecimal."""
    try:
        values = [json.loads(text) for text in (before, after)]
        keys = [bytes.fromhex(value["public_key"]) for value in values]
    except (ValueError, KeyError, TypeError):
        return False
    return keys[0] == keys[1] and all(values[0][name] == values[1].get(name) for name in ("algorithm", "signature"))


def test_files_that_come_go_or_swap_are_refused(signed: Path, pair: Path, tmp_path: Path) -> None:
    trusted = [read_public_key(public(pair))]
    one, two = "saved_model.pb", "assets.extra/labels.json"
    for number, change in enumerate(["more", "fewer", "swapped", "no manifest"]):
        copy = shutil.copytree(signed, tmp_path / str(number))
        if change == "more":
            (copy / "saved_model.cpb").write_bytes(b"which the server would prefer")
        elif change == "fewer":
            (copy / two).unlink()
        elif change == "swapped":
            (copy / one).rename(copy / "kept")
            (copy / two).rename(copy / one)
            (copy / "kept").rename(copy / two)
        else:
            (copy / MANIFEST_FILE).unlink()
        with pytest.raises(ExportError, match="was altered"):
            check_signature(copy, trusted)
    with pytest.raises(ExportError, match=r"after it was signed: 'saved_model\.cpb' is not in the manifest\. Fetch"):
        check_signature(tmp_path / "0", trusted)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"algorithm": "none"}'])
def test_what_is_no_signature_is_refused(version: Path, pair: Path, content: bytes) -> None:
    (version / MANIFEST_SIGNATURE_FILE).write_bytes(content)
    with pytest.raises(ExportError, match="has a damaged signature"):
        check_signature(version, [read_public_key(public(pair))])


def test_links_to_folders_and_pipes_are_refused(version: Path, pair: Path, tmp_path: Path) -> None:
    sign_version(version, read_signing_key(pair))
    trusted = [read_public_key(public(pair))]
    os.mkfifo(version / "pipe")
    with pytest.raises(ExportError, match=r"pipe' is no file: a version holds plain files alone"):
        check_signature(version, trusted)
    (version / "pipe").unlink()
    (version / "variables").rename(tmp_path / "elsewhere")
    (version / "variables").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError, match=r"variables' is a link to a folder"):
        check_signature(version, trusted)


def test_what_is_altered_already_is_not_signed(version: Path, pair: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"another graph")
    with pytest.raises(ExportError, match=r"is not signed: 'saved_model\.pb' was altered: .*\. Export the run again"):
        sign_version(version, read_signing_key(pair))
    (version / MANIFEST_FILE).unlink()
    with pytest.raises(ExportError, match=r"is not signed: 'assets\.extra/manifest\.json' is missing"):
        sign_version(version, read_signing_key(pair))
    assert not (version / MANIFEST_SIGNATURE_FILE).exists()


def trust(folder: Path, *keys: Path) -> Path:
    path = folder / "trust.yaml"
    path.write_text(f"trusted_keys: {json.dumps([str(key) for key in keys])}\n", encoding="utf-8")
    return path


def test_a_base_path_asks_for_signatures(version: Path, pair: Path, other_pair: Path, tmp_path: Path) -> None:
    assert demands(version) == []
    shutil.copy(public(pair), tmp_path / "base")
    trust(tmp_path / "base", Path(public(pair).name))  # relative to the file
    (asked,) = demands(version)
    assert [fingerprint(key) for key in asked.keys] == [fingerprint(read_public_key(public(pair)))]
    assert len(demands(version.with_name("3.sealed"))) == 1
    # Who can write the model's folder alone can only ask for more.
    trust(tmp_path / "base/tiny", public(other_pair))
    assert len(demands(version, [public(pair)])) == 3


def test_a_link_in_a_versions_place_does_not_choose_the_base_path(
    version: Path, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(tmp_path / "base", public(pair))
    version.rename(tmp_path / "anywhere")
    version.symlink_to(tmp_path / "anywhere")
    assert len(demands(version)) == 1
    (tmp_path / "link").symlink_to(tmp_path / "base/tiny")
    assert len(demands(tmp_path / "link/../base/tiny/3")) == 1
    (tmp_path / "base/tiny/4").mkdir()
    assert len(demands(tmp_path / "link/4")) == 1
    monkeypatch.chdir(tmp_path / "base/tiny")
    assert len(demands(Path("4"))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a list of files with public keys"),
        ("trusted_keys: release.key.pub", "expected a list of files with public keys"),
        ("trusted_keys: [1]", "expected a list of files with public keys"),
        ("trusted_keys: []", "names no key, so that nothing could be loaded"),
        ("trusted_key: [a]", "unknown key 'trusted_key'. Did you mean 'trusted_keys'?"),
        ("trusted_keys: [nowhere.pub]", "No key can be read from"),
        ("trusted_keys: [", "cannot be read, so nothing under it is loaded"),
        ("trusted_keys: [nowhere.pub]\n" + "#" * (1 << 16), "trust.yaml' is too long: expected 65,536 bytes at most"),
    ],
)
def test_a_file_of_trust_that_cannot_be_read_trusts_nobody(version: Path, content: str, message: str) -> None:
    (version.parents[1] / "trust.yaml").write_text(content, encoding="utf-8")
    with pytest.raises((ConfigError, ExportError), match=re.escape(message)):
        demands(version)


def test_a_file_of_trust_that_others_can_write_or_that_leads_nowhere(version: Path, pair: Path) -> None:
    path = trust(version.parents[1], public(pair))
    path.chmod(0o666)
    with pytest.raises(ExportError, match=r"trust\.yaml' can be written by others \(mode 0666\).*chmod go-w"):
        demands(version)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ConfigError, match="cannot be read, so nothing under it is loaded: No such file"):
        demands(version)


def test_the_caller_names_a_list_of_keys(version: Path, pair: Path) -> None:
    with pytest.raises(ConfigError, match="expected a list of files with public keys, got the single"):
        demands(version, str(public(pair)))
    with pytest.raises(ConfigError, match="the caller names no key"):
        demands(version, [])


def test_only_what_is_signed_and_unaltered_is_loaded(real: Path, pair: Path, other_pair: Path) -> None:
    expected = load(real).probabilities(["where is my parcel", ""])
    with pytest.raises(ExportError, match="is not signed, and a signature is asked for"):
        load(real, trusted_keys=[public(pair)])
    sign_version(real, read_signing_key(pair))
    classifier = load(real.parent, trusted_keys=[public(pair)])
    np.testing.assert_array_equal(classifier.probabilities(["where is my parcel", ""]), expected)
    assert (classifier.path, classifier.version) == (real, 3)
    assert classifier.config == load(real).config
    assert classifier.results == load(real).results
    trust(real.parents[1], public(other_pair))
    with pytest.raises(ExportError, match="is signed by a key that is not trusted"):
        load(real)
    trust(real.parents[1], public(pair))
    np.testing.assert_array_equal(load(real).probabilities(["where is my parcel", ""]), expected)
    (real / "assets.extra/labels.json").write_text('["a", "b", "c"]', encoding="utf-8")
    with pytest.raises(ExportError, match=r"after it was signed: 'assets\.extra/labels\.json' was altered: .*"):
        load(real)
    write_manifest(real)
    with pytest.raises(ExportError, match="its signature does not fit"):
        load(real)


def test_what_changes_after_it_was_read_is_not_loaded(real: Path, pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textclf.serving import opening

    sign_version(real, read_signing_key(pair))
    expected = load(real).probabilities(["where is my parcel"])
    check = opening.check_contents

    def alter_and_check(*arguments: object) -> None:
        shutil.rmtree(real)  # the moment between the check and the use
        check(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "check_contents", alter_and_check)
    classifier = load(real, trusted_keys=[public(pair)])
    np.testing.assert_array_equal(classifier.probabilities(["where is my parcel"]), expected)
    assert classifier.config.name == "tiny"
