"""`textclf serve` and `textclf keys api` from the command line, but for the server itself."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from textclf.server import real
from textclf.server.access import Access

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def base(tmp_path: Path) -> None:
    """Have a model where the command looks."""
    (tmp_path / "saved_models/messages/1").mkdir(parents=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put on the PATH what ends at once, with 3, in the place of TensorFlow Serving and of docker."""
    for name in (real.EXECUTABLE, "docker"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\nraise SystemExit(3)", encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("installed")
def test_the_real_server_runs_if_it_is_there(textclf: Command, tmp_path: Path) -> None:
    done = textclf("serve", "messages", "--rest-port", "1", "--no-batching", exit_code=3)
    assert done.stdout.startswith(f"{tmp_path}/bin/tensorflow_model_server --rest_api_port=1 --port=8500 ")
    assert "enable_batching" not in done.stdout
    assert done.stderr == "TensorFlow Serving listens on all addresses of this machine.\n"


@pytest.mark.usefixtures("installed")
def test_a_container_runs_if_it_is_asked_for(textclf: Command, tmp_path: Path) -> None:
    done = textclf("serve", "--docker", "--host", "0.0.0.0", exit_code=3)
    assert done.stdout.startswith(f"{tmp_path}/bin/docker run --rm --init --publish 0.0.0.0:8501:8501 ")
    assert done.stderr == ""


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--local", "--docker"], "--local and --docker exclude each other."),
        (["--access", "a.yaml"], "--access is of textclf's own server: add --local."),
        (["--docker", "--audit", "a"], "--audit is of textclf's own server: add --local."),
        (["--rest-port", "0"], "Port 0, any that is free, is of textclf's own server: add --local."),
        (["--host", "::1"], "tensorflow_model_server listens on all addresses: it knows no --host."),
        (["--local", "--tls-cert", "a.crt"], "--tls-cert and --tls-key go together."),
    ],
)
def test_options_that_do_not_go_together_are_refused(textclf: Command, options: list[str], message: str) -> None:
    assert message in textclf("serve", *options, exit_code=2).stderr


@pytest.mark.usefixtures("not_installed")
def test_what_is_missing_is_named(textclf: Command) -> None:
    assert "'docker' is not on the PATH" in textclf("serve", "--docker", exit_code=1).stderr
    assert "No model 'mesages' in 'saved_models'" in textclf("serve", "mesages", exit_code=1).stderr
    assert "cannot be read, so nobody could be let in" in textclf("serve", "--access", "a.yaml", exit_code=1).stderr
    assert "'a.crt' cannot be read" in textclf("serve", "--tls-cert", "a.crt", "--tls-key", "a", exit_code=1).stderr
    refused = textclf("serve", "--base", "elsewhere", exit_code=1).stderr
    assert "No served models in 'elsewhere'" in refused


@pytest.mark.usefixtures("not_installed")
def test_who_listens_to_others_is_told_what_that_means(textclf: Command) -> None:
    shown = textclf("serve", "mesages", "--host", "0.0.0.0", exit_code=1).stderr
    assert "Whoever reaches this address may ask, and change what is served: see --access." in shown
    assert "Texts and keys go over the network as they are: see --tls-cert." in shown


def test_an_api_key_is_shown_once(textclf: Command, tmp_path: Path) -> None:
    command = ["keys", "api", "shop", "--access", "access.yaml"]
    key = textclf(*command, "--model", "messages", "--model", "other").stdout.strip()
    caller = Access.read(tmp_path / "access.yaml").caller(f"Bearer {key}")
    assert (caller.name, caller.models, caller.may_reload) == ("shop", frozenset({"messages", "other"}), False)
    assert "has a key 'shop' already" in textclf(*command, "--model", "*", exit_code=1).stderr
    assert "Missing option '--model'" in textclf(*command, exit_code=2).stderr
