"""The comparison with Hugging Face's tokenizer: it says that texts are equal, and which are not."""

from pathlib import Path

import pytest
import tokenizer_equality


def write(folder: Path, texts: list[str]) -> list[str]:
    """Write a vocabulary and a TSV file, and return the arguments that name them."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "go", "##ing", "去", "\u2028", "丽"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    lines = ["text\tlabel", *(f"{text}\tx" for text in texts)]
    (folder / "texts.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(folder / "vocab.txt"), str(folder / "texts.tsv")]


def test_equal_texts_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write(tmp_path, ["Going 去!", "[SEP] go"])
    assert tokenizer_equality.main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{arguments[1]}, {case}: 0 of 2 texts differ" for case in ("lower-cased", "cased")
    ]


def test_a_text_that_differs_is_shown_from_there_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "go go\U0002b820"  # alone here, part of the word there
    arguments = write(tmp_path, ["go", text])
    assert tokenizer_equality.main(arguments) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{arguments[1]}, lower-cased: 1 of 2 texts differ"
    assert out[1:4] == [
        f"  {text!r}",
        "    ours          ['go', '[UNK]', '[SEP]']",
        "    Hugging Face  ['[UNK]', '[SEP]']",
    ]
