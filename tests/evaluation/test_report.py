import base64
import hashlib
import html
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textclf.errors import DataError
from textclf.evaluation import Scores, report, write_report
from textclf.evaluation.report import LONGEST_TEXT

pytestmark = pytest.mark.filterwarnings("error")

BLANK_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> \"'&"


@pytest.fixture
def blank_plots(monkeypatch):
    """Skip the drawing, for tests that look at the page alone."""

    def write_blank_plots(directory, *_):
        directory.mkdir(parents=True)
        names = ("confusion_matrix", "per_class_f1", "reliability", "precision_recall", "training_curves")
        paths = [directory / f"{name}.png" for name in names]
        for path in paths:
            path.write_bytes(BLANK_PNG)
        return paths

    monkeypatch.setattr(report, "write_plots", write_blank_plots)


def test_the_report_says_what_there_is_to_say(tmp_path, evaluation, history):
    made = evaluation(
        model="textcnn",
        history=history,
        config_yaml="name: news\nseed: 42\n",
        facts={"Train rows": "1,234"},
        versions={"keras": "3.15.0"},
        other_scores={"dev": Scores.from_confusion(np.eye(3, dtype=int), ["sport", "business", "politics"])},
        places=[("news.csv", row + 2) for row in range(60)],
    )
    path = write_report(tmp_path / "run", made)
    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "run" / "report.html"
    assert f"<dd>{made.scores.accuracy:.4f}</dd>" in page
    assert f"<dd>{made.scores.macro.f1:.4f}</dd>" in page
    for words in ("textcnn", "1,234", "keras", "3.15.0", "name: news\nseed: 42", "textclf train config.yaml"):
        assert words in page
    assert page.count("data:image/png;base64,") == 3
    assert "news.csv:" in page
    assert "<tr><td>dev</td>" in page
    assert sorted(file.name for file in (tmp_path / "run" / "plots").iterdir()) == [
        "confusion_matrix.png",
        "per_class_f1.png",
        "precision_recall.png",
        "reliability.png",
        "training_curves.png",
    ]


@pytest.mark.usefixtures("blank_plots")
def test_a_page_that_is_not_written_to_its_end_changes_nothing(tmp_path, evaluation, monkeypatch):
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    write_text = Path.write_text

    def half(path, text, **options):
        write_text(path, text[: len(text) // 2], **options)
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_text", half)
        write_report(tmp_path, evaluation())
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plots", "report.html"]


@pytest.mark.usefixtures("blank_plots")
def test_nothing_is_loaded_from_outside(tmp_path, evaluation, history):
    page = write_report(tmp_path, evaluation(history=history)).read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert "default-src 'none'" in page


@pytest.mark.usefixtures("blank_plots")
def test_hostile_texts_and_labels_stay_text(tmp_path, evaluation):
    labels = [HOSTILE, "b" + HOSTILE, "c"]
    made = evaluation(
        labels=labels,
        texts=[HOSTILE + str(row) for row in range(60)],
        places=[(HOSTILE, row) for row in range(60)],
        title=HOSTILE,
        split=HOSTILE,
        model=HOSTILE,
        config_yaml=HOSTILE,
        facts={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        other_scores={"b" + HOSTILE: Scores.from_confusion(np.eye(3, dtype=int), labels)},
    )
    page = write_report(tmp_path, made).read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "<img src=x" not in page
    assert str(html.escape(HOSTILE)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page


@pytest.mark.usefixtures("blank_plots")
def test_the_policy_lets_the_pages_own_script_run(tmp_path, evaluation):
    page = write_report(tmp_path, evaluation()).read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", page, flags=re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "&" not in script.replace("&&", "")


@pytest.mark.usefixtures("blank_plots")
def test_a_place_breaks_at_slashes_alone(tmp_path, evaluation):
    page = write_report(tmp_path, evaluation(places=[("a&b/2024/tickets.csv", row) for row in range(160, 220)]))
    row = re.search(r"<td class=\"place muted\">(.*?)</td>", page.read_text(encoding="utf-8")).group(1)
    assert re.fullmatch(r"<span>a&amp;b/</span><wbr><span>2024/</span><wbr><span>tickets.csv:\d{3}</span>", row)
    assert ".place span { white-space: nowrap; }" in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank_plots")
def test_long_texts_are_cut(tmp_path, evaluation):
    page = write_report(tmp_path, evaluation(texts=["q" * 1000] * 60)).read_text(encoding="utf-8")
    assert "q" * (LONGEST_TEXT - 1) + "…" in page
    assert "q" * LONGEST_TEXT not in page


@pytest.mark.usefixtures("blank_plots")
def test_half_a_surrogate_pair_does_not_stop_the_report(tmp_path, evaluation):
    write_report(tmp_path, evaluation(texts=["\ud83d"] * 60))


@pytest.mark.usefixtures("blank_plots")
@pytest.mark.parametrize(("classes", "as_table"), [(40, True), (41, False)])
def test_the_matrix_is_a_table_up_to_forty_classes(tmp_path, evaluation, classes, as_table):
    page = write_report(tmp_path, evaluation(labels=[f"label {n}" for n in range(classes)])).read_text(encoding="utf-8")
    assert ('<table class="matrix' in page) == as_table


@pytest.mark.usefixtures("blank_plots")
def test_a_model_without_epochs_and_without_mistakes(tmp_path, evaluation):
    probabilities = np.eye(3, dtype=np.float32)
    made = evaluation(rows=3, targets=np.arange(3), probabilities=probabilities)
    page = write_report(tmp_path, made).read_text(encoding="utf-8")
    assert "it is not trained in epochs" in page
    assert "There are none: every text got its label." in page


@pytest.mark.usefixtures("blank_plots")
def test_a_history_that_was_not_recorded(tmp_path, evaluation):
    page = write_report(tmp_path, evaluation(history=None)).read_text(encoding="utf-8")
    assert "They were not recorded." in page
    assert "it is not trained in epochs" not in page


@pytest.mark.usefixtures("blank_plots")
def test_data_that_is_none_of_the_runs_is_called_so(tmp_path, evaluation):
    page = write_report(tmp_path / "other", evaluation(split="new.csv", command="textclf evaluate a <b>"))
    page = page.read_text(encoding="utf-8")
    assert "Scored on other data than the run's: “new.csv”" in page
    assert "<pre>textclf evaluate a &lt;b&gt;</pre>" in page
    page = write_report(tmp_path / "own", evaluation()).read_text(encoding="utf-8")
    assert "Scored on the split “test”" in page
    assert "textclf evaluate" not in page


@pytest.mark.usefixtures("blank_plots")
def test_a_class_without_rows_has_no_average_precision(tmp_path, evaluation):
    made = evaluation(rows=2, targets=np.array([0, 1]), probabilities=np.full((2, 3), 1 / 3, np.float32))
    page = write_report(tmp_path, made).read_text(encoding="utf-8")
    assert 'data-value="-1">—</td>' in page


def test_a_report_is_the_same_each_time(tmp_path, evaluation, history):
    one, two = (write_report(tmp_path / name, evaluation(history=history)) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"texts": ["one"]}, "texts: expected one for each of the 60 targets, got 1"),
        ({"places": [("a", 1)]}, "places: expected one for each of the 60 targets, got 1"),
        ({"probabilities": np.ones((60, 2), np.float32)}, r"probabilities: expected float\[60, 3\]"),
        (
            {"texts": [], "targets": np.zeros(0, int), "probabilities": np.zeros((0, 3), np.float32)},
            "expected rows in the split 'test', got none",
        ),
    ],
)
def test_an_evaluation_that_does_not_fit_is_refused(evaluation, changes, words):
    with pytest.raises(DataError, match=words):
        evaluation(**changes)


def test_scores_are_imported_without_the_heavy_libraries():
    code = (
        "import sys, textclf.evaluation, textclf.evaluation.scores; "
        "sys.exit(bool({'matplotlib', 'sklearn', 'jinja2', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    import textclf.evaluation

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = textclf.evaluation.nothing
