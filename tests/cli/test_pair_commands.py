"""The commands on a file of pairs."""

import shlex
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from textclf.config import Config

Command = Callable[..., Result]


def test_from_a_file_of_pairs_to_scores(textclf: Command, pair_config: Callable[..., Config], tmp_path: Path) -> None:
    source = Path(str(pair_config().data.train))
    (tmp_path / "pairs.csv").write_bytes(source.read_bytes())
    shown = textclf("init", "pairs.csv", "--set", "data.pair_column=second").output
    assert "Text in 'first', second text in 'second', label in 'label'." in shown
    assert "\n  pair_column: second\n" in (tmp_path / "config.yaml").read_text(encoding="utf-8")
    shown = textclf("check", "config.yaml").output
    assert shown.split("\n\n")[1].split()[:4] == ["pairs", "train", "dev", "test"]
    textclf("train", "config.yaml", "--quiet", "--set", "model=linear", "--run", "runs/pairs")
    scored = textclf("evaluate", "runs/pairs", "--data", source, "--json").stdout
    assert '"accuracy"' in scored
    shown = textclf("export", "runs/pairs", "--no-verify").stdout.splitlines()[-2:]
    assert shown == ['Next: textclf predict saved_models/pairs "a text" "its second text"', "      textclf serve pairs"]
    assert textclf(*shlex.split(shown[0])[2:]).stdout.splitlines()[1].endswith("\ta text\tits second text")


def test_a_second_column_of_texts_is_named(textclf: Command, tmp_path: Path) -> None:
    rows = [f"Where is parcel {n}?,It left on day {n}.,m{n},{'xy'[n % 2]}" for n in range(9)]
    (tmp_path / "a.csv").write_text("\n".join(["first,the second,id,label", *rows]), encoding="utf-8")
    hint = "Column 'the second' is not used. If rows are pairs of texts: --set 'data.pair_column=the second'\n"
    assert hint in textclf("init", "a.csv").output
    named = textclf("init", "a.csv", "--set", "data.pair_column=the second", "--out", "b.yaml").output
    assert "is not used" not in named
    (tmp_path / "c.csv").write_text("\n".join(["text,id,label", *(f"One text {n},m{n},{n % 2}" for n in range(9))]))
    assert "is not used" not in textclf("init", "c.csv", "--out", "c.yaml").output


def test_a_column_that_is_not_there(textclf: Command, pair_config: Callable[..., Config], tmp_path: Path) -> None:
    source = Path(str(pair_config().data.train))
    (tmp_path / "pairs.csv").write_bytes(source.read_bytes())
    shown = textclf("init", "pairs.csv", "--set", "data.pair_column=third").output
    assert "The config does not fit the data yet: 'pairs.csv' has no column 'third'" in shown
    shown = textclf("check", "config.yaml", "--set", "model={name: bert, long_texts: windows}", exit_code=1).output
    assert "model.long_texts=windows and data.pair_column=third exclude each other" in shown
