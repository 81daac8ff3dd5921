"""`textclf load-test`: what is refused before a request is sent, and what requests carry."""

import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from textclf.cli.main import main

from ..certificates import make_certificate
from ..client.tiny import HANG, Tiny, running

Command = Callable[..., Result]


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture
def load_test(tiny: Tiny, tmp_path: Path) -> Iterator[Command]:
    """Apply a small load to a small server."""
    texts = tmp_path / "texts.txt"
    texts.write_text("a\nb\n", encoding="utf-8")
    with running(tiny) as address:

        def run(*arguments: str) -> Result:
            options = ["--server", address, "--texts", str(texts), "--rate", "100", "--seconds", "0.1"]
            return CliRunner().invoke(main, ["load-test", *options, *arguments])

        yield run


def test_a_plot_that_could_not_be_written_stops_the_load_before_it_begins(
    load_test: Command, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "missing/load.png")
    for plot, message in [
        (tmp_path / "missing/load.png", f"'{tmp_path / 'missing'}' is no folder"),
        (tmp_path / "there.png/load.png", f"'{tmp_path / 'there.png'}' is no folder"),
        (tmp_path / "link.png", f"'{tmp_path / 'missing'}' is no folder"),
        (tmp_path / "there.png", "is there already. Choose another --plot, or replace it with --force"),
    ]:
        result = load_test("messages", "--plot", str(plot))
        assert (result.exit_code, tiny.asked) == (1, [])
        assert message in result.stderr
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_: False)  # as for others than root
        assert f"'{tmp_path}' cannot be written" in load_test("messages", "--plot", str(tmp_path / "new.png")).stderr
    assert tiny.asked == []
    plot = tmp_path / "there.png"
    assert load_test("messages", "--plot", str(plot), "--force").exit_code == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_key_comes_from_the_environment_alone(
    load_test: Command, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No such option" in load_test("messages", "--api-key", "key-1").stderr
    monkeypatch.setenv("TEXTCLF_API_KEY", "")
    assert load_test("messages").exit_code == 0
    assert "authorization" not in tiny.headers
    monkeypatch.setenv("TEXTCLF_API_KEY", "key-1")
    assert load_test("messages").exit_code == 0
    assert tiny.headers["authorization"] == "Bearer key-1"


def test_ctrl_c_before_the_first_answer_ends_it_in_a_line(tiny: Tiny, load_test: Command) -> None:
    tiny.faults.append(HANG)

    def interrupt() -> None:
        while tiny.faults:  # until it hangs
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    result = load_test("messages")
    thread.join()
    assert (result.exit_code, result.stdout) == (130, "")
    assert "Stopped by Ctrl-C" in result.stderr


def test_the_column_of_the_texts_is_named_by_its_option(load_test: Command, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("message,label\na,b\n", encoding="utf-8")
    said = load_test("messages", "--texts", str(tmp_path / "a.csv")).stderr
    assert "has no column 'text'; it has 'message', 'label'" in said
    assert said.rstrip().endswith("Name the right one with --text-column.")


def test_secrets_in_the_address_are_sent_and_not_shown(tiny: Tiny) -> None:
    with running(tiny) as address:
        server = address.replace("//", "//ada:secret@")
        shown = CliRunner().invoke(main, ["load-test", "nope", "--server", server, "--seconds", "0.1"])
    assert tiny.headers["authorization"].startswith("Basic ")
    assert "secret" not in shown.output
    assert f"The first request to {address}/v1/models/nope failed: 404" in shown.stderr


def test_names_are_quoted(load_test: Command, tiny: Tiny) -> None:
    for name, label in [("a b?c=1#d", None), ("验证码%2F", "50 %")]:
        assert load_test(name, *(["--label", label] if label else [])).exit_code == 1
        (_, path, _) = tiny.asked.pop()
        assert unquote(path) == f"/v1/models/{name}{f'/labels/{label}' if label else ''}:predict"
        assert "?" not in path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a/b"], "NAME: expected a name without / and :, got 'a/b'"),
        (["m", "--label", ".."], "--label: expected a name without / and :, got '..'"),
        (["m", "--version", "-1"], "-1 is not in the range"),
        (["m", "--version", str(2**63)], "is not in the range"),
        (["m", "--version", "1", "--label", "x"], "Expected --version or --label, got both."),
        (["m", "--server", "localhost:8501"], "Did you mean 'http://localhost:8501'?"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: list[str], message: str, load_test: Command, tiny: Tiny) -> None:
    result = load_test(*arguments)
    assert message in result.stderr
    assert (result.exit_code > 0, tiny.asked) == (True, [])


def test_the_newest_version_one_of_a_number_and_one_of_a_label_are_asked(load_test: Command, tiny: Tiny) -> None:
    for which, path in [([], ""), (["--version", "1"], "/versions/1"), (["--label", "stable"], "/labels/stable")]:
        tiny.asked.clear()
        result = load_test("messages", "--json", *which)
        assert {path for _, path, _ in tiny.asked} == {f"/v1/models/messages{path}:predict"}
        assert json.loads(result.stdout)["requests"] == len(tiny.asked) - 1


def test_an_authority_of_ones_own_is_trusted_as_by_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with running(Tiny(), context) as address:
        commands = [["load-test", "messages", "--seconds", "0.1"], ["ask", "messages", "a"]]
        for command in commands:
            assert CliRunner().invoke(main, [*command, "--server", address]).exit_code == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        for command in commands:
            result = CliRunner().invoke(main, [*command, "--server", address])
            assert result.exit_code == 0, result.output
