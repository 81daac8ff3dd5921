"""`textclf ask` against a small real server."""

import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from textclf.cli.main import main
from textclf.cli.options import API_KEY

from ..server.test_app import make_certificate
from .tiny import DROP, LABELS, Tiny, running, scores_of

Command = Callable[..., Result]


@pytest.fixture
def ask(address: str) -> Command:
    """Ask the small server; what fails must do so with a message and this exit code."""

    def run(*arguments: str, exit_code: int = 0, stdin: str | bytes = "") -> Result:
        result = CliRunner().invoke(main, ["ask", "--server", address, *arguments], input=stdin)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    return run


def line(version: int, *texts: str) -> str:
    scores = scores_of(version, *(text.encode() for text in texts))
    best = scores.index(max(scores))
    return "\t".join([LABELS[best], f"{scores[best]:.6f}", *(" ".join(text.split()) for text in texts)])


def test_texts_are_answered_in_order_as_predict_writes_them(ask: Command) -> None:
    texts = ["Where is my parcel?", "验证码\t收不到\n", ""]
    assert ask("messages", *texts).stdout.splitlines() == ["label\tscore\ttext", *(line(2, text) for text in texts)]


def test_a_version_and_a_label_are_asked(ask: Command) -> None:
    for which in (["--version", "1"], ["--label", "stable"]):
        assert ask("messages", "a", *which).stdout.splitlines()[1] == line(1, "a")


def test_json_has_the_best_labels_scores(ask: Command) -> None:
    (record,) = map(json.loads, ask("messages", "a b", "--json").stdout.splitlines())
    scores = scores_of(2, b"a b")
    assert record == {
        "text": "a b",
        "label": LABELS[scores.index(max(scores))],
        "score": round(max(scores), 6),
        "scores": {label: pytest.approx(score, abs=1e-6) for label, score in zip(LABELS, scores, strict=True)},
    }
    assert list(record["scores"].values()) == sorted(record["scores"].values(), reverse=True)


def test_lines_come_from_standard_input(ask: Command, tiny: Tiny) -> None:
    texts = [f"text {number}" for number in range(130)]
    shown = ask("messages", "-", stdin="".join(f"{text}\r\n" for text in texts)).stdout.splitlines()
    assert shown[1:] == [line(2, text) for text in texts]
    assert sorted(count for _, path, count in tiny.asked if "predict" in path) == [2, 64, 64]
    assert {path for _, path, _ in tiny.asked} == {
        "/v1/models/messages/metadata",
        "/v1/models/messages/versions/2:predict",
    }


def test_bytes_that_are_no_utf8_are_read_as_replaced(ask: Command) -> None:
    result = ask("messages", "-", stdin=b"a\xff\nb\n")
    assert result.stdout.splitlines()[1] == line(2, "a\ufffd")
    assert result.stderr == "1 row with bytes that are no UTF-8, which were read as U+FFFD.\n"
    assert ask("messages", "a\udcff").stderr == result.stderr
    assert ask("messages", "验证码").stderr == ""


def test_pairs_are_two_arguments_or_a_line_with_a_tab(ask: Command, tiny: Tiny) -> None:
    tiny.pairs = True
    head = "label\tscore\ttext\ttext_pair"
    assert ask("messages", "a", "b", "c", "d").stdout.splitlines() == [head, line(2, "a", "b"), line(2, "c", "d")]
    assert ask("messages", "-", stdin="a\tb\n").stdout.splitlines() == [head, line(2, "a", "b")]
    assert "Expected an even number of texts" in ask("messages", "a", exit_code=2).stderr
    assert "line 1: expected two texts with a tab between them" in ask("messages", "-", stdin="a\n", exit_code=1).stderr


def test_no_texts_are_an_answer_without_rows(ask: Command) -> None:
    assert ask("messages", "-").stdout == "label\tscore\ttext\n"


def test_errors_are_messages(ask: Command, tiny: Tiny) -> None:
    shown = ask("nope", "a", exit_code=1)
    assert "got no 'nope' (404: Servable not found for request: Latest(nope))" in shown.stderr
    assert shown.stdout == ""
    assert "with the label 'canary', got none" in ask("messages", "a", "--label", "canary", exit_code=1).stderr
    both = ask("messages", "a", "--label", "x", "--version", "1", exit_code=2)
    assert "Expected --label or --version, got both." in both.stderr
    assert "is not in the range" in ask("messages", "a", "--version", str(2**63), exit_code=2).stderr
    tiny.faults.append((403, {}))
    assert "'messages' was refused (403: fault 403)" in ask("messages", "a", exit_code=1).stderr
    result = CliRunner().invoke(main, ["ask", "--server", "localhost:8501", "messages", "a"])
    assert "Did you mean 'http://localhost:8501'?" in result.stderr


def test_errors_say_what_to_do_on_the_command_line(ask: Command, tiny: Tiny, tmp_path: Path) -> None:
    assert "`textclf versions` lists the versions of a model" in ask("nope", "a", exit_code=1).stderr
    tiny.faults.append((401, {}))
    assert f"Set {API_KEY} to a key that may ask it." in ask("messages", "a", exit_code=1).stderr
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with running(Tiny(), context) as address:
        result = CliRunner().invoke(main, ["ask", "messages", "a", "--server", address])
    assert "Set SSL_CERT_FILE to its certificate authority's file" in result.stderr


def test_what_passes_is_tried_again(ask: Command, tiny: Tiny) -> None:
    tiny.faults.extend([DROP, (503, {})])
    assert ask("messages", "a").stdout.splitlines()[1] == line(2, "a")


def test_the_key_comes_from_the_environment(ask: Command, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTCLF_API_KEY", "key-1")
    ask("messages", "a")
    assert tiny.headers["authorization"] == "Bearer key-1"


def test_a_variable_that_is_empty_is_not_set(ask: Command, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "")
    ask("messages", "a")
    assert "authorization" not in tiny.headers


@pytest.mark.parametrize("command", [["ask", "messages", "a"], ["load-test", "messages", "--seconds", "0.1"]])
def test_what_is_wrong_in_the_environment_is_told_by_the_variables_name(
    command: list[str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv(API_KEY, "secret with spaces")
        shown = CliRunner().invoke(main, [*command, "--server", address]).stderr
        assert shown == f"Error: {API_KEY}: expected printable ASCII without spaces, got something else (not shown).\n"
        patched.setenv(API_KEY, "key-1")
        shown = CliRunner().invoke(main, [*command, "--server", "http://ada:secret@host"]).stderr
        assert shown == f"Error: {API_KEY}: expected a key or a name and password in the address, got both.\n"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.crt"))
    shown = CliRunner().invoke(main, [*command, "--server", address]).stderr
    assert f"SSL_CERT_FILE: expected a file of certificates in PEM format, got '{tmp_path / 'gone.crt'}'" in shown


def test_asking_imports_neither_tensorflow_nor_numpy(address: str) -> None:
    program = f"""
import sys
from click.testing import CliRunner
from textclf.cli.main import main
result = CliRunner().invoke(main, ["ask", "--server", {address!r}, "messages", "a"])
assert result.exit_code == 0, result.output
print({{"tensorflow", "keras", "numpy", "pydantic"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
