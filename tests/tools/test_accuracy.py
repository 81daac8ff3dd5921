"""The benchmark's records and table: what is run again, what is called reached, and that a recipe runs at all."""

import json
from pathlib import Path
from typing import Any

import accuracy
import pytest
import results_table

ROOT = Path(__file__).resolve().parents[2]


def record(recipe: str, seed: int, values: list[float]) -> dict[str, Any]:
    scores = {"accuracy": values, "macro_f1": values, "dev_accuracy": values, "seconds": [1.0] * len(values)}
    return {"recipe": recipe, "seed": seed, "config": "0", "peak_mb": 10, "parameters": 5, **scores}


def table_rows(folder: Path) -> list[list[str]]:
    lines = (folder / "results.md").read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][1:]


def test_a_row_is_the_mean_and_deviation_over_seeds_and_says_whether_it_reached(tmp_path: Path) -> None:
    target, _ = results_table.TARGETS["trec6-textcnn"]
    reached = [record("trec6-textcnn", seed, [value / 100]) for seed, value in enumerate((target - 1, target + 1), 1)]
    below, _ = results_table.TARGETS["sst2-textcnn"]
    missed = [record("sst2-textcnn", 1, [below / 100 - 0.001])]
    results_table.write_results([*reached, *missed], tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    by_set = {row["set"]: row for row in rows}
    assert by_set["trec6"]["mean"] == pytest.approx(target)
    assert by_set["trec6"]["sd"] == pytest.approx(2**0.5, abs=0.01)
    assert by_set["trec6"]["seeds"] == [1, 2]
    assert by_set["sst2"]["sd"] is None
    assert [row[6] for row in table_rows(tmp_path)] == ["**missed**", "reached"]


def test_folds_are_averaged_before_seeds(tmp_path: Path) -> None:
    results_table.write_results([record("mr-textcnn", seed, [0.7, 0.8]) for seed in (1, 2, 3)], tmp_path)
    (row,) = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert (row["mean"], row["sd"]) == (75.0, 0.0)
    assert row["sd_over_folds"] > 5


def test_what_people_wrote_below_the_table_stays(tmp_path: Path) -> None:
    results_table.write_results([record("trec6-linear", 1, [0.9])], tmp_path)
    page = tmp_path / "results.md"
    page.write_text(page.read_text(encoding="utf-8") + "\nSeen by hand.\n", encoding="utf-8")
    results_table.write_results([record("trec6-linear", 1, [0.8])], tmp_path)
    assert page.read_text(encoding="utf-8").endswith("\nSeen by hand.\n")
    assert table_rows(tmp_path)[0][3] == "80.00 (seed 1)"


def test_every_target_has_a_recipe_and_every_recipe_a_linear_one_beside_it() -> None:
    recipes = {path.stem for path in accuracy.RECIPES.glob("*.yaml")}
    assert set(results_table.TARGETS) <= recipes
    assert {f"{recipe.partition('-')[0]}-linear" for recipe in recipes} <= recipes


def test_the_page_and_its_json_are_what_the_records_give(tmp_path: Path) -> None:
    (tmp_path / "results.md").write_text((ROOT / "docs" / "results.md").read_text(encoding="utf-8"), encoding="utf-8")
    results_table.write_results(accuracy.current_records(), tmp_path)
    for name in ("results.md", "results.json"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_a_changed_recipe_is_run_again_and_another_place_of_the_data_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "toy-linear.yaml"
    monkeypatch.setattr(accuracy, "RECIPES", tmp_path)
    recipe.write_text("data: {train: toy/train.tsv.gz, test: toy/test.tsv.gz}\nmodel: linear\n", encoding="utf-8")
    first = accuracy.fingerprint("toy-linear")
    recipe.write_text(
        "model: {name: linear}\ndata: {test: toy/test.tsv.gz, train: toy/train.tsv.gz}\n", encoding="utf-8"
    )
    assert accuracy.fingerprint("toy-linear") == first
    recipe.write_text(recipe.read_text(encoding="utf-8") + "training: {weight_decay: 0}\n", encoding="utf-8")
    assert accuracy.fingerprint("toy-linear") == first  # off, as a new option would be
    recipe.write_text(recipe.read_text(encoding="utf-8") + "text: {min_count: 3}\n", encoding="utf-8")
    assert accuracy.fingerprint("toy-linear") != first


def test_a_recipe_is_measured_fold_by_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "ROOT", tmp_path)
    monkeypatch.setattr(accuracy, "RECIPES", tmp_path)
    monkeypatch.setattr(accuracy, "FOLDS", 2)
    rows = [
        f"a {word} {'good' if number % 2 else 'bad'} film\t{number % 2}\n" for number, word in enumerate("abcdefgh" * 5)
    ]
    (tmp_path / "all.tsv").write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    (tmp_path / "folds.txt").write_text(
        "".join(f"{number // 2 % 2}\n" for number in range(len(rows))), encoding="utf-8"
    )
    recipe = "data: {train: all.tsv, test: null, folds: folds.txt}\nmodel: linear\n"
    (tmp_path / "toy-linear.yaml").write_text(recipe, encoding="utf-8")
    name, values = accuracy._recipe("toy-linear", tmp_path)
    measured = accuracy.measure(name, values, seed=1)
    assert len(measured["accuracy"]) == 2
    assert min(measured["accuracy"]) == 1.0
    assert measured["seed"] == 1
    assert measured["config"] == accuracy.fingerprint("toy-linear")
    (tmp_path / "toy-linear.yaml").write_text(recipe.replace("folds.txt", "folds.txt, fold: 1"), encoding="utf-8")
    alone = accuracy.measure(*accuracy._recipe("toy-linear", tmp_path), seed=1)
    assert alone["accuracy"] == measured["accuracy"][1:]
