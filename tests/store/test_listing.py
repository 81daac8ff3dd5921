"""The list of versions: what is known of each, and what is wrong with it."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from textclf.errors import ExportError
from textclf.store.labels import set_label
from textclf.store.lifecycle import retire
from textclf.store.listing import records, table
from textclf.store.log import LOG_FILE
from textclf.store.sealing import seal

from .conftest import KEY

Publish = Callable[..., Path]


@pytest.mark.usefixtures("three")
def test_what_is_known_of_each_version(base: Path) -> None:
    set_label(base, "m", "stable", 2)
    set_label(base, "m", "canary", 2)
    retire(base, "m", 1)
    (base / "m/5.sealed").write_bytes(b"12345")
    first, second, third, fifth = records(base, "m")
    assert [record.version for record in (first, second, third, fifth)] == [1, 2, 3, 5]
    assert [record.state for record in (first, second, third, fifth)] == ["retired", "live", "live", "sealed"]
    assert [record.labels for record in (first, second, third)] == [[], ["canary", "stable"], []]
    assert (second.accuracy, second.macro_f1, second.fingerprint) == (0.875, 0.75, "0123456789ab")
    assert second.size == sum(path.stat().st_size for path in (base / "m/2").rglob("*") if path.is_file())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", second.date)
    assert not any(record.problems for record in (first, second, third))
    assert (fifth.size, fifth.accuracy, fifth.fingerprint) == (5, None, None)
    header, *rows = table([first, second, fifth]).splitlines()
    assert header.split("  ")[0] == "version"
    assert re.fullmatch(r"1 +– +0\.8750 +0\.7500 +[\d-]+ [\d:]+ +0123456789ab +\d+ B +retired", rows[0])
    assert re.fullmatch(r"2 +canary, stable +0\.8750 .* live", rows[1])
    assert re.fullmatch(r"5 +– +– +– +[\d-]+ [\d:]+ +– +5 B +sealed, damaged", rows[2])
    assert json.loads(json.dumps(second.to_json())) == second.to_json()


def test_the_date_is_the_logs_or_that_of_the_files(publish: Publish, base: Path) -> None:
    publish()
    (logged,) = records(base, "m")
    (base / "m" / LOG_FILE).unlink()
    (written,) = records(base, "m")
    assert written.date <= logged.date
    assert replace(written, date=logged.date) == logged


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("saved_model.pb", None, "saved_model.pb is missing"),
        ("assets.extra/labels.json", None, "assets.extra/labels.json is missing"),
        ("variables/variables.index", None, "variables/variables.index is missing"),
        ("variables/variables.index", "cut", "variables/variables.index has 3 bytes instead of 10"),
        ("assets.extra/manifest.json", "[]", "assets.extra/manifest.json cannot be read"),
        ("assets.extra/manifest.json", '{"files": {"a": 1}}', "assets.extra/manifest.json cannot be read"),
        ("assets.extra/scores.json", "no JSON", "assets.extra/scores.json cannot be read"),
    ],
)
def test_what_is_missing_makes_it_damaged(
    publish: Publish, base: Path, file: str, content: str | None, problem: str
) -> None:
    path = publish() / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content, encoding="utf-8")
    (record,) = records(base, "m")
    assert problem in record.problems
    shown = table([record])
    assert "live, damaged\n\n" in shown
    assert f"version 1: {problem}" in shown


@pytest.mark.usefixtures("three")
def test_a_sealed_file_that_is_cut_off_is_damaged(base: Path) -> None:
    sealed = seal(base / "m/3", KEY, remove=True)
    assert records(base, "m")[2].problems == []
    size = sealed.stat().st_size
    os.truncate(sealed, 1000)
    third = records(base, "m")[2]
    said = f"'{sealed}' is cut off: expected {size:,} bytes, got 1,000. Fetch it again."
    assert (third.state, third.problems) == ("sealed", [said])
    assert f"sealed, damaged\n\nversion 3: {said}" in table([third])


def test_a_saved_model_of_somebody_else_is_foreign_and_not_damaged(base: Path, publish: Publish) -> None:
    publish()
    for version in (8, 9):
        (base / f"m/{version}").mkdir()
        (base / f"m/{version}/saved_model.pb").touch()
    retire(base, "m", 8)
    first, eighth, ninth = records(base, "m")
    assert (first.foreign, eighth.foreign, eighth.problems, ninth.foreign) == (False, True, [], True)
    assert [line.split()[-2:] for line in table([eighth, ninth]).splitlines()[1:3]] == [
        ["retired,", "foreign"],
        ["live,", "foreign"],
    ]
    assert ninth.problems[0].endswith(
        "A server does, and answers requests without a label with it if it is the newest. Take it out of the server's "
        "sight: textclf retire m 9"
    )
    with pytest.raises(ExportError, match=r"^Version 9 of 'm' gets no label: .*cannot load it\. A server does"):
        set_label(base, "m", "stable", 9)
    retire(base, "m", 9)


@pytest.mark.parametrize("scores", ["[1]", "{}", '{"scores": {"test": 1}, "data_fingerprint": 3}', '{"scores": null}'])
def test_scores_that_are_not_there_are_not_shown(publish: Publish, base: Path, scores: str) -> None:
    (publish(manifest=False) / "assets.extra/scores.json").write_text(scores, encoding="utf-8")
    (record,) = records(base, "m")
    assert (record.accuracy, record.macro_f1, record.fingerprint, record.problems) == (None, None, None, [])
