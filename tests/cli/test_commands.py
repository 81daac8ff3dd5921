"""The commands one after the other on a file that is not ours, and how they fail."""

import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from textclf.cli.output import opened

Command = Callable[..., Result]

TINY = [
    "--set", "model.embedding_dim=8", "--set", "model.num_filters=4", "--set", "training.epochs=2",
    "--set", "training.learning_rate=0.05", "--set", "training.batch_size=16",
]  # fmt: skip


@pytest.fixture
def messages(tmp_path: Path, tiny_corpus: dict[str, str]) -> str:
    """A semicolon-free CSV as somebody else writes it: other column names, quotes, and a column more."""
    with (tmp_path / "My messages.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["ticket", "Customer message", "Team"])
        for split in ("train", "dev", "test"):
            for number, line in enumerate(Path(tiny_corpus[split]).read_text(encoding="utf-8").splitlines()[1:]):
                text, label = line.split(",")
                writer.writerow([f"{split}-{number}", f"{text}, said nr. {split}{number}", label])
    return "My messages.csv"


def test_from_a_file_to_a_prediction(textclf: Command, messages: str, tmp_path: Path) -> None:
    shown = textclf("init", messages).output
    assert "Text in 'Customer message', label in 'Team'." in shown
    assert "Wrote config.yaml. Next: textclf check config.yaml, then textclf train config.yaml." in shown
    assert "# Most passes over the training split." in (tmp_path / "config.yaml").read_text(encoding="utf-8")

    assert "登录" in textclf("check", "config.yaml").output
    assert json.loads(textclf("check", "config.yaml", "--json").output)

    result = textclf("train", "config.yaml", "--quiet", *TINY)
    assert "Scores on test:" in result.stdout
    assert "Report:      runs/My-messages/report.html" in result.stdout
    assert "TensorBoard: tensorboard --logdir runs/My-messages/logs" in result.stdout
    assert "Next:        textclf export runs/My-messages" in result.stdout
    table = result.stdout.split("Scores on test:\n")[1].split("\n\n")[0]

    assert textclf("evaluate", "runs/My-messages").stdout.strip() == table.strip()
    shown = textclf("export", "runs/My-messages", "--name", "routes").stdout
    assert shown.startswith("Exported saved_models/routes/1\n")
    assert 'Next: textclf predict saved_models/routes "a text"' in shown
    assert textclf("evaluate", "saved_models/routes").stdout.strip() == table.strip()
    as_json = json.loads(textclf("evaluate", "saved_models/routes/1", "--json", "--report", "report").stdout)
    assert as_json["labels"] == ["delivery", "refund", "登录"]
    assert (tmp_path / "report/report.html").is_file()

    options = ["--file", messages, "--text-column", "Customer message", "--out", "answers.tsv"]
    assert textclf("predict", "saved_models/routes", *options).output == ""
    assert len((tmp_path / "answers.tsv").read_text(encoding="utf-8").splitlines()) == 76

    refused = textclf("train", "config.yaml", *TINY, exit_code=1).stderr
    expected = "Error: 'runs/My-messages' is there already. Choose another --run, or replace it with --force.\n"
    assert refused == expected


def test_train_says_at_once_what_it_will_do(textclf: Command, messages: str) -> None:
    textclf("init", messages)
    said = textclf("train", "config.yaml", *TINY).stderr
    assert said.startswith("textcnn: train has 59 texts, dev 8; 2 epochs of 4 steps.\n")
    said = textclf("train", "config.yaml", "--set", "model=linear", "--force").stderr
    assert said == "linear: train has 59 texts, dev 8; fitted in one go.\n"


def test_train_names_no_report_that_is_not_there(
    textclf: Command, messages: str, tmp_path: Path, trained_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    textclf("init", messages)
    monkeypatch.setattr("textclf.runs.train.train", lambda *_, **__: replace(trained_run, path=tmp_path / "run"))
    assert "report.html" not in textclf("train", "config.yaml").output
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report.html").touch()
    assert f"Report:      {tmp_path / 'run/report.html'}\n" in textclf("train", "config.yaml").stdout


def test_init_says_how_sure_it_is(textclf: Command, messages: str, tmp_path: Path) -> None:
    assert "The first line holds names of columns (likely)." in textclf("init", messages, "--out", "a.yaml").stdout
    rows = "my parcel is late today,delivery\nI want my money back,refund\nmy money please,refund\n"
    (tmp_path / "b.csv").write_text(rows, encoding="utf-8")
    shown = textclf("init", "b.csv").stdout
    assert "The first line holds a text like the others (unsure)." in shown
    assert "If it holds names, set data.header, data.text_column and data.label_column." in shown
    (tmp_path / "c.txt").write_text("__label__a one\n__label__b two\n", encoding="utf-8")
    assert "first line" not in textclf("init", "c.txt", "--out", "c.yaml").stdout


def test_init_replaces_nothing_without_force(textclf: Command, messages: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine", encoding="utf-8")
    assert "'config.yaml' is there already" in textclf("init", messages, exit_code=1).stderr
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "mine"
    textclf("init", messages, "--force", "--set", "model=linear", "--name", "routes")
    config = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert "name: routes" in config
    assert "max_ngram: 2" in config
    assert textclf("init", messages, "--out", "-").stdout.startswith("# What textclf trains on My messages.csv.")


@pytest.mark.parametrize("old", [None, "mine"])
def test_init_that_cannot_write_leaves_what_was_there(
    textclf: Command, messages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str | None
) -> None:
    if old is not None:
        (tmp_path / "config.yaml").write_text(old, encoding="utf-8")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir() if entry.is_file()}
    # What no encoding takes stops the writing, as a full disk does.
    monkeypatch.setattr("textclf.cli.init.comment_config", lambda *_: "half \ud800")
    with pytest.raises(UnicodeEncodeError):
        textclf("init", messages, "--force")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir() if entry.is_file()} == before


def test_init_says_what_looks_bad(textclf: Command, tmp_path: Path) -> None:
    rows = [f"text number {index},{'ab'[index % 2]}" for index in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows, "one more,  ", "two"]), encoding="utf-8")
    shown = textclf("init", "a.csv").stdout
    assert "2 labels in the first 22 rows: 'a', 'b'." in shown
    assert "2 of the first 22 rows look bad; textclf check config.yaml shows them." in shown
    (tmp_path / "b.csv").write_text("\n".join(["text,label", *rows[::2]]), encoding="utf-8")
    shown = textclf("init", "b.csv", "--force").stdout
    assert "1 label in the first 10 rows: 'a'.\nTraining needs at least two" in shown
    assert "bad" not in shown


def test_init_writes_a_config_that_does_not_fit_yet(textclf: Command, tmp_path: Path) -> None:
    rows = [f"text number {index},{'ab'[index % 2]}" for index in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    shown = textclf("init", "a.csv", "--set", "data.header=false").stdout
    assert "The config does not fit the data yet: 'a.csv' has no column 'text'; it has '1', '2'." in shown
    assert "Wrote config.yaml." in shown
    assert "header: false" in (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert "header: false" in textclf("init", "a.csv", "--set", "data.header=false", "--out", "-").stdout


def test_init_looks_at_the_file_in_the_encoding_that_is_set(textclf: Command, tmp_path: Path) -> None:
    rows = [f"Посылка {index} не пришла,{'ав'[index % 2]}" for index in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["текст,метка", *rows]), encoding="koi8-r")
    shown = textclf("init", "a.csv", "--set", "data.encoding=koi8-r").stdout
    assert "Format csv, encoding koi8-r (certain)." in shown
    assert "Text in 'текст', label in 'метка'." in shown
    error = textclf("init", "a.csv", "--set", "data.encoding=koi8", "--force", exit_code=1).stderr
    assert "data.encoding: expected the name of a character encoding" in error


def test_a_reader_that_has_read_enough_ends_a_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(click.exceptions.Exit) as ended, opened("-") as file:
            file.write("nobody reads this")
    assert ended.value.exit_code == 141


def test_the_next_command_can_be_pasted(
    textclf: Command, messages: str, tmp_path: Path, trained_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "it's mine").mkdir()
    shown = textclf("init", messages, "--out", "it's mine/config.yaml").stdout
    config = shown.rpartition("textclf train ")[2].strip().removesuffix(".")
    assert shlex.split(config) == ["it's mine/config.yaml"]
    monkeypatch.setattr("textclf.runs.train.train", lambda *_, **__: replace(trained_run, path=Path("it's mine")))
    shown = textclf("train", "it's mine/config.yaml", "--quiet").stdout
    assert shlex.split(shown.rpartition("Next:")[2]) == ["textclf", "export", "it's mine"]
    assert shlex.split(shown.rpartition("TensorBoard:")[2].splitlines()[0])[-1] == "it's mine/logs"
    (tmp_path / "it's mine/tiny/1/assets.extra").mkdir(parents=True)
    (tmp_path / "it's mine/config.yaml").rename(tmp_path / "it's mine/tiny/1/assets.extra/config.yaml")
    monkeypatch.setattr("textclf.serving.export.export", lambda *_, **__: Path("it's mine/tiny/1"))
    shown = textclf("export", trained_run.path).stdout
    assert [shlex.split(line) for line in shown.rpartition("Next:")[2].splitlines()] == [
        ["textclf", "predict", "it's mine/tiny", "a text"],
        ["textclf", "serve", "tiny"],
    ]


def test_init_and_check_are_functions_of_the_package(textclf: Command, messages: str, tmp_path: Path) -> None:
    import textclf as package

    textclf("init", messages, "--set", "model=linear", "--name", "routes")
    config = package.init(messages, ["model=linear"], name="routes")
    assert config == package.load_config(tmp_path / "config.yaml")
    assert package.check(config).to_text() == textclf("check", "config.yaml").stdout.removesuffix("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "nowhere.csv"], "nowhere.csv"),
        (["train", "nowhere.yaml"], "No config file at 'nowhere.yaml'. Write one for your data with: textclf init"),
        (["check", "nowhere.yaml"], "No config file at 'nowhere.yaml'"),
        (["evaluate", "nowhere"], "No run or export at 'nowhere'."),
        (["evaluate", "nowhere", "--set", "seed=7"], "--data FILE"),
        (["export", "nowhere"], "Expected a run directory with a config.yaml at 'nowhere', found none."),
        (["predict", "nowhere", "x"], "No export at 'nowhere'. `textclf export RUN` makes one"),
        (["train", "bad.yaml", "--set", "training.epoch=3"], "Did you mean 'epochs'?"),
        (["train", "bad.yaml", "--set", "training.monitor=macro_f2"], "Did you mean 'macro_f1'?"),
        (["train", "bad.yaml"], "missing.csv"),
        (["train", "bad.yaml", "--set", "model=bert", "--set", "model.preset=./no"], "there is no directory './no'."),
        (["check", "bad.yaml", "--set", "model={name: textcnn, vectors: a, vectors_mode: static}"], "no file 'a'."),
        (["train", "tickets.csv"], "Write a config for it with: textclf init tickets.csv"),
    ],
)
def test_an_error_is_one_message(textclf: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "bad.yaml").write_text("data: {train: missing.csv}", encoding="utf-8")
    result = textclf(*arguments, exit_code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("Error:") == 1
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_there_or_is_not_is_told_before_tensorflow_is_imported(
    textclf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs/there"
    run.mkdir(parents=True)
    (run / "scores.json").touch()
    (tmp_path / "a.yaml").write_text("data: {train: missing.csv}\nname: there", encoding="utf-8")
    for name in ("train", "export"):
        monkeypatch.setattr(f"textclf.cli.{name}.import_tensorflow", lambda: pytest.fail("TensorFlow was imported"))
    taken = "Error: 'runs/there' is there already. Choose another --run, or replace it with --force.\n"
    assert textclf("train", "a.yaml", exit_code=1).stderr == taken
    assert textclf("train", "a.yaml", "--resume", "never", exit_code=1).stderr == taken
    for path in ("runs/gone", "runs/there"):
        assert f"a run directory with a config.yaml at '{path}'" in textclf("export", path, exit_code=1).stderr


def test_texts_and_a_file_at_once(textclf: Command) -> None:
    result = textclf("predict", "model", "text", "--file", "texts.txt", exit_code=2)
    assert "Expected texts as arguments or --file, got both." in result.stderr


def test_ctrl_c_ends_with_130(textclf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textclf.serving.classifier.load", interrupt)
    assert textclf("predict", "model", "text", exit_code=130).stderr == "Error: Stopped by Ctrl-C.\n"


@pytest.mark.slow
def test_training_and_predicting_say_nothing_of_tensorflows(
    tiny_corpus: dict[str, str], exported: Path, tmp_path: Path
) -> None:
    def shell(command: str) -> subprocess.CompletedProcess[str]:
        program = f'{sys.executable} -c "from textclf.cli.main import main; main()"'
        script = f'set -o pipefail; textclf() {{ {program} "$@"; }}; {command}'
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    sources = " ".join(f"--set data.{name}={path}" for name, path in tiny_corpus.items())
    (tmp_path / "config.yaml").write_text("{}", encoding="utf-8")
    done = shell(f"textclf train config.yaml --quiet {sources} {' '.join(TINY)}")
    assert (done.returncode, done.stderr) == (0, "")

    (tmp_path / "texts.txt").write_text("parcel\n" * 20_000, encoding="utf-8")
    done = shell(f"textclf predict {exported} --file texts.txt | head -1")
    assert done.returncode == 141
    assert done.stdout == "label\tscore\ttext\n"
    assert done.stderr == ""  # `head` has closed the pipe: nobody wants to read of it
