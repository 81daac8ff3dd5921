"""Keys, signatures and sealed versions from the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from textclf.savedmodel.manifest import write_manifest

Command = Callable[..., Result]


@pytest.fixture
def version(exported: Path, tmp_path: Path) -> Path:
    """A copy of a real export with its manifest, where the commands look for it."""
    folder = shutil.copytree(exported, tmp_path / "saved_models/tiny/1")
    write_manifest(folder)
    return folder


def test_from_keys_to_a_sealed_and_signed_version(textclf: Command, version: Path, tmp_path: Path) -> None:
    shown = textclf("keys", "new", "release.key").stdout
    assert shown.startswith("Wrote release.key (private: keep it) and release.key.pub (public: give it to whoever")
    fingerprint = shown.splitlines()[1].removeprefix("Fingerprint ")
    shown = textclf("keys", "new", "--encryption", "my disk.key").stdout
    assert shown.startswith("Wrote 'my disk.key', the key ")

    plain = textclf("predict", "saved_models/tiny", "where is my parcel").stdout
    refused = textclf("predict", "saved_models/tiny", "--trusted-key", "release.key.pub", "a", exit_code=1).stderr
    assert "tiny/1' is not signed, and a signature is asked for" in refused

    for model in ("tiny", "tiny/1", "saved_models/tiny", "saved_models/tiny/1"):
        shown = textclf("sign", model, "--key", "release.key").stdout
        assert shown == f"Signed saved_models/tiny/1 with the key {fingerprint}\n"
    assert textclf("seal", "tiny", "1", "--key", "my disk.key").stdout == "Sealed saved_models/tiny/1.sealed\n"
    shown = textclf("seal", "tiny", "1", "--key", "my disk.key", "--remove").stdout
    assert shown == "Sealed saved_models/tiny/1.sealed and removed saved_models/tiny/1\n"
    assert not version.exists()

    (tmp_path / "saved_models/trust.yaml").write_text("trusted_keys: [../release.key.pub]", encoding="utf-8")
    options = ["--key", "my disk.key", "--trusted-key", "release.key.pub"]
    for model in ("saved_models/tiny", "saved_models/tiny/1.sealed"):
        assert textclf("predict", model, *options, "where is my parcel").stdout == plain
    assert "accuracy" in textclf("evaluate", "saved_models/tiny", *options).stdout
    for command in ("predict", "evaluate"):
        refused = textclf(command, "saved_models/tiny", exit_code=1).stderr
        assert "tiny/1.sealed' is sealed. Name the file of its key: --key FILE" in refused

    shown = textclf("unseal", "tiny", "1", "--key", "my disk.key", "--to", "elsewhere/tiny").stdout
    assert shown == "Unsealed elsewhere/tiny/1\n"
    assert textclf("unseal", "tiny", "1", "--key", "my disk.key").stdout == "Unsealed saved_models/tiny/1\n"
    assert textclf("predict", "saved_models/tiny", "where is my parcel").stdout == plain


def test_a_passphrase_comes_from_the_terminal_or_the_environment(
    textclf: Command, version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version.is_dir()
    refused = textclf("keys", "new", "a.key", "--passphrase", exit_code=1).stderr
    assert "wants a passphrase, and there is no terminal. Set TEXTCLF_PASSPHRASE." in refused
    asked: list[bool] = []

    def prompt(text: str, *, hide_input: bool, confirmation_prompt: bool, err: bool) -> str:
        assert (text, hide_input, err) == ("Passphrase", True, True)
        asked.append(confirmation_prompt)
        return "correct horse"

    with monkeypatch.context() as patch:
        patch.setattr("textclf.cli.keys._is_terminal", lambda: True)
        patch.setattr(click, "prompt", prompt)
        textclf("keys", "new", "a.key", "--passphrase")
        textclf("sign", "tiny", "--key", "a.key")
    assert asked == [True, False]
    monkeypatch.setenv("TEXTCLF_PASSPHRASE", "correct horse")
    textclf("sign", "tiny", "--key", "a.key")
    monkeypatch.setenv("TEXTCLF_PASSPHRASE", "wrong battery")
    refused = textclf("sign", "tiny", "--key", "a.key", exit_code=1).output
    assert "The passphrase does not open 'a.key'." in refused
    assert "battery" not in refused
    monkeypatch.setenv("TEXTCLF_PASSPHRASE", "")
    assert "The passphrase is empty" in textclf("keys", "new", "b.key", "--passphrase", exit_code=1).stderr


def test_keys_are_told_apart_before_anything_is_written(textclf: Command, version: Path) -> None:
    textclf("keys", "new", "release.key")
    assert "is there already" in textclf("keys", "new", "release.key", exit_code=1).stderr
    assert "--passphrase" in textclf("keys", "new", "--encryption", "--passphrase", "a", exit_code=2).stderr
    assert "holds no encryption key" in textclf("seal", "tiny", "1", "--key", "release.key", exit_code=1).stderr
    assert [path.name for path in version.parent.iterdir()] == ["1"]


def test_a_version_that_is_not_there_is_not_signed(textclf: Command, version: Path) -> None:
    assert version.is_dir()
    textclf("keys", "new", "release.key")
    for model in ("tiny/5", "saved_models/tiny/5"):
        said = textclf("sign", model, "--key", "release.key", exit_code=1).stderr
        assert said == "Error: 'tiny' has no version 5. There are 1.\n"
    version.rename(version.parent / "1.moved")
    (version.parent / "1.sealed").touch()
    assert "Version 1 of 'tiny' is sealed." in textclf("sign", "tiny/1", "--key", "release.key", exit_code=1).stderr
    said = textclf("sign", "tinny", "--key", "release.key", exit_code=1).stderr
    assert said.endswith("No model 'tinny' in 'saved_models'. There are 'tiny'. Did you mean 'tiny'?\n")


def test_help_of_keys_names_its_options(textclf: Command) -> None:
    shown = " ".join(textclf("keys", "new", "--help").output.split())
    for line in ("--encryption", "--passphrase", "TEXTCLF_PASSPHRASE", "Nothing is overwritten."):
        assert line in shown
    assert "new" in textclf("keys", "--help").output
