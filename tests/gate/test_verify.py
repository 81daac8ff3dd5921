"""The load gate: what may be served is accepted, and each thing that may not is refused with its own sentence."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from textclf.cli.main import main
from textclf.errors import ExportError
from textclf.gate import process
from textclf.gate.report import Report
from textclf.gate.verify import verify
from textclf.savedmodel.files import BATCHING_FILE, GOLDEN_FILE, LABELS_FILE, WARMUP_FILE
from textclf.savedmodel.golden import Request, read_golden, write_golden
from textclf.savedmodel.manifest import write_manifest
from textclf.store.keys import new_signing_key, read_signing_key
from textclf.store.signing import sign_version


@pytest.fixture(scope="module")
def report(good_version: Path) -> Report:
    return verify(good_version.parent)


def test_a_good_version_is_accepted(report: Report, good_version: Path) -> None:
    assert report.findings == []
    assert report.accepted and not report.skipped
    assert report.path == good_version
    assert report.signatures == ["classify", "scores", "serving_default"]
    assert report.requests == {"warm-up": 6, "golden": 3, "hostile": 7 + 7 + 8}


def test_what_is_measured(report: Report, good_version: Path) -> None:
    measured = report.measured
    assert measured["library"] == tf.__version__
    assert measured["load_seconds"] > 0
    assert measured["first_answer_seconds"] > 0 and measured["first_answer_warm_seconds"] > 0
    assert 0 < measured["resident_libraries_bytes"] <= measured["resident_loaded_bytes"]
    assert measured["resident_asked_bytes"] > 0
    assert report.files["saved_model.pb"] == (good_version / "saved_model.pb").stat().st_size
    assert report.graph is not None
    assert report.graph.written_by == tf.__version__
    assert (report.graph.producer, report.graph.min_consumer) == (tf.version.GRAPH_DEF_VERSION, 12)
    assert report.graph.needs_server == "2.12"
    assert {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"} <= set(report.graph.ops)


def test_the_report_as_text_and_as_json(report: Report) -> None:
    text = report.to_text()
    assert text.startswith(f"{report.path}: accepted\n  graph ")
    assert "6 warm-up, 3 golden, 22 hostile" in text
    assert "its ops are in TensorFlow Serving 2.12 and later" in text
    value = json.loads(json.dumps(report.to_json()))
    assert value["accepted"] is True and value["findings"] == []
    refused = dataclasses.replace(report, findings=["One.", "Two."])
    assert refused.to_text().endswith("\n\n2 findings:\n  - One.\n  - Two.")
    assert refused.to_json()["accepted"] is False


def refusals(path: Path) -> list[str]:
    """Verify without a load: what is found must not be run."""
    report = verify(path)
    assert report.skipped and not report.measured
    return report.findings


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a load fail the test."""
    monkeypatch.setattr("textclf.gate.verify.ask", lambda *_: pytest.fail("it was loaded"))


@pytest.mark.usefixtures("no_child")
class TestWhatIsNotLoaded:
    def test_an_altered_byte(self, version: Path) -> None:
        weights = version / "variables/variables.data-00000-of-00001"
        content = bytearray(weights.read_bytes())
        content[20] ^= 1
        weights.write_bytes(content)
        (finding,) = refusals(version)
        assert finding.startswith("'variables/variables.data-00000-of-00001' was altered: its SHA-256 is ")

    def test_missing_files(self, version: Path) -> None:
        for name in ("variables/variables.index", BATCHING_FILE, WARMUP_FILE, GOLDEN_FILE):
            (version / name).unlink()
        findings = refusals(version)
        assert "'variables/variables.index' is missing; the manifest lists it." in findings
        assert any("nothing says what the version answered" in finding for finding in findings)
        assert len(findings) == 4 + 3

    def test_a_graph_that_is_no_graph(self, version: Path) -> None:
        (version / "saved_model.pb").write_bytes(b"\xff\xff\xff")
        write_manifest(version)
        (finding,) = refusals(version)
        assert finding.startswith("'saved_model.pb' cannot be read: ")
        (version / "saved_model.pb").unlink()
        write_manifest(version)
        assert refusals(version) == ["'saved_model.pb' cannot be read: No such file or directory."]

    def test_python_in_the_graph(self, workshop: Any, version: Path) -> None:
        model = workshop.Model()

        def with_python(text: tf.Tensor) -> dict[str, tf.Tensor]:
            scores = tf.py_function(lambda scores: scores, [model.scores(text)], tf.float32)
            return {"scores": tf.ensure_shape(scores, [None, 3])}

        workshop.save(version, model, {"scores": with_python})
        write_manifest(version)
        (finding,) = refusals(version)
        assert finding.startswith("The op 'EagerPyFunc' calls Python, which TensorFlow Serving does not have: node ")

    def test_a_function_that_must_be_compiled(self, workshop: Any, version: Path) -> None:
        model = workshop.Model()
        double = tf.function(lambda scores: scores * 2 / 2, jit_compile=True)
        workshop.save(version, model, {"scores": lambda text: {"scores": double(model.scores(text))}})
        write_manifest(version)
        (finding,) = refusals(version)
        assert finding.endswith("must be compiled by XLA (jit_compile=True), which TensorFlow Serving does not do. "
                                "Export it without.")  # fmt: skip

    def test_a_bfloat16_output(self, workshop: Any, version: Path) -> None:
        model = workshop.Model()
        workshop.save(version, model, {"scores": lambda text: {"scores": tf.cast(model.scores(text), tf.bfloat16)}})
        write_manifest(version)
        assert refusals(version) == [
            "The signature 'scores': the output 'scores' is bfloat16; expected one of 'float32', 'string', 'int64'. "
            "Cast it in the graph."
        ]

    def test_a_growing_table_and_an_op_of_nobody(self, workshop: Any, version: Path) -> None:
        def spoil(meta_graph: Any) -> None:
            meta_graph.graph_def.node.add(name="cache", op="MutableHashTableV2")
            meta_graph.graph_def.library.function[0].node_def.add(name="mine", op="MyOwnOp")

        workshop.edit_graph(version, spoil)
        own, cache = sorted(refusals(version), reverse=True)
        assert cache == "The op 'MutableHashTableV2' keeps a table that grows with what it is asked: node 'cache'."
        assert own.startswith(
            "The op 'MyOwnOp' is neither TensorFlow's nor tensorflow-text's in TensorFlow Serving 2.12"
        )

    def test_no_signature_and_no_graph_to_serve(self, workshop: Any, version: Path) -> None:
        workshop.edit_graph(version, lambda meta_graph: meta_graph.signature_def["scores"].Clear())
        assert "The signature 'scores': expected the inputs 'text', got none." in refusals(version)
        workshop.edit_graph(version, lambda meta_graph: meta_graph.meta_info_def.tags.append("gpu"))
        assert refusals(version) == [
            "'saved_model.pb' holds no graph with the tag 'serve', which TensorFlow Serving loads."
        ]


def test_a_load_that_fails(version: Path) -> None:
    """The weights are cut short, with the manifest's consent."""
    (version / "variables/variables.data-00000-of-00001").write_bytes(b"short")
    write_manifest(version)
    report = verify(version)
    (finding,) = report.findings
    assert finding.startswith("It cannot be loaded: ") and "Read less bytes than requested" in finding
    assert report.measured["resident_libraries_bytes"] > 0 and not report.requests


def test_variables_that_the_load_does_not_bring(workshop: Any, version: Path) -> None:
    """Such an export loads well and fails at the first request."""
    workshop.edit_graph(version, lambda meta_graph: meta_graph.ClearField("saver_def"))
    findings = verify(version).findings
    assert len(findings) == 9  # each warm-up record and each golden request
    assert findings[0].startswith("Warm-up record 1 ('serving_default') fails: ")
    assert findings[0].endswith(" The server would refuse to load the version.")
    assert findings[6].startswith("Golden request 1 ('serving_default') fails: ")
    assert all("Could not find variable" in finding for finding in findings), findings


def test_a_table_that_the_load_does_not_fill(workshop: Any, version: Path) -> None:
    def forget(meta_graph: Any) -> None:
        meta_graph.signature_def.pop("__saved_model_init_op")
        meta_graph.collection_def.clear()

    workshop.edit_graph(version, forget)
    findings = verify(version).findings
    assert len(findings) == 9
    assert all("Table not initialized" in finding for finding in findings), findings


def test_records_that_fail_and_answers_that_changed(workshop: Any, version: Path) -> None:
    golden = read_golden(version / GOLDEN_FILE).requests
    scores = golden[1].outputs["scores"]
    label = golden[0].outputs["label"].copy()
    label[1] = b"sport"
    changed = [
        dataclasses.replace(golden[0], outputs={**golden[0].outputs, "label": label}),
        dataclasses.replace(golden[1], outputs={"scores": scores + np.float32(0.01)}),
        dataclasses.replace(golden[1], outputs={"scores": scores[:, :2]}),
        dataclasses.replace(golden[1], outputs={"scores": scores + np.float32(0.00005)}),
        dataclasses.replace(golden[1], signature="regress"),
    ]
    write_golden(version / GOLDEN_FILE, changed)
    records = [
        golden[0],
        Request("scores", {"text": np.full((2, 1), b"parcel", object)}, {}),
        Request("embed", {"text": workshop.strings("a")}, {}),
        Request("scores", {"texts": workshop.strings("a")}, {}),
    ]
    workshop.write_warmup(version, records)
    write_manifest(version)
    report = verify(version)
    assert report.requests == {"warm-up": 2, "golden": 4, "hostile": 22}
    missing, inputs, no_such, no_record, no_request, no_scores, no_default, shape, *golden_findings = report.findings
    assert (no_record, no_request) == ("No warm-up record asks 'classify'.", "No golden request asks 'classify'.")
    assert no_scores.startswith("No warm-up record asks 'scores' for a batch of 4, which 'batching_params.pbtxt' ")
    assert no_default.startswith("No warm-up record asks 'serving_default' for a batch of 1, which ")
    assert missing == (
        "Warm-up record 3 ('embed') names a signature that is not there; there are 'classify', 'scores', "
        "'serving_default'."
    )
    assert inputs == "Warm-up record 4 ('scores') has the inputs 'texts'; expected 'text'."
    assert no_such.startswith("Golden request 5 ('regress') names a signature that is not there")
    assert shape.startswith("Warm-up record 2 ('scores') fails: Shape of tensor ") and "refuse to load" in shape
    assert golden_findings == [
        "Golden request 1 ('serving_default'): 'label' holds 'refund' where 'sport' was exported.",
        "Golden request 2 ('scores'): 'scores' differs by up to 0.01 from what was exported (at most 0.0001).",
        "Golden request 3 ('scores'): 'scores' is float32[1, 3], expected float32[1, 2].",
    ]


def test_what_is_not_warmed_up(workshop: Any, version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textclf.gate.verify.ask", lambda *_: process.Outcome(failure="not asked"))
    ask = read_golden(version / GOLDEN_FILE).requests
    workshop.write_warmup(version, [])
    write_manifest(version)
    assert verify(version).findings[0] == (
        "'tf_serving_warmup_requests' holds no record: the first requests to a new version would be slow."
    )
    (version / BATCHING_FILE).write_text("", encoding="utf-8")  # batches of any size: nobody can warm up them all
    workshop.write_warmup(version, ask)
    write_manifest(version)
    assert verify(version).findings == ["It cannot be loaded: not asked."]


def test_a_text_that_ends_the_process(workshop: Any, version: Path) -> None:
    """Rank 0 into tensorflow-text's normalizer, which takes a server with it."""
    model = workshop.Model()
    model.open = workshop.Model(guarded=False)
    workshop.save(version, model, {"scores": model.open.only_scores})
    write_manifest(version)
    report = verify(version)
    assert "Rank 0 to 'scores': the process died of SIGSEGV. A request like it would end the server." in report.findings
    assert report.requests["hostile"] == 22  # those after it were asked as well


def test_a_request_that_hangs(workshop: Any, version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = workshop.Model()

    def waits(text: tf.Tensor) -> dict[str, tf.Tensor]:
        empty = tf.size(text) == 0
        forever = tf.while_loop(lambda _: empty, lambda step: [step + 1], [tf.constant(0)])[0]
        return {"scores": model.scores(text) + tf.cast(forever, tf.float32)}

    workshop.save(version, model, {"scores": waits})
    write_manifest(version)
    monkeypatch.setattr(process, "REQUEST_SECONDS", 5.0)
    assert verify(version).findings == [
        "An empty batch to 'scores': the process did not answer within 5 s and was ended. A request like it would end "
        "the server."
    ]


def test_the_command(good_version: Path, version: Path, monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    monkeypatch.setattr("textclf.gate.verify.verify", lambda path: dataclasses.replace(report, path=Path(path)))
    result = CliRunner().invoke(main, ["verify", str(good_version)])
    assert result.exit_code == 0
    assert result.output.startswith(f"{good_version}: accepted\n")
    monkeypatch.undo()
    (version / "note").touch()
    result = CliRunner().invoke(main, ["verify", str(version), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)["findings"] == ["'note' is not in the manifest."]


def test_what_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"No export at '.*nowhere'\. `textclf export RUN` makes one"):
        verify(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="holds neither a SavedModel nor numbered versions of one"):
        verify(tmp_path)


def test_damaged_files_beside_the_graph(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textclf.gate.verify.ask", lambda *_: process.Outcome(failure="not asked"))
    (version / GOLDEN_FILE).write_text("{}", encoding="utf-8")
    (version / WARMUP_FILE).write_bytes(b"no records at all")
    (version / LABELS_FILE).write_text("[", encoding="utf-8")
    (version / BATCHING_FILE).write_text("max_batch_size: 8\n", encoding="utf-8")
    write_manifest(version)
    labels, batching, warmup, golden = verify(version).findings
    assert labels.startswith("'assets.extra/labels.json' cannot be read: ")
    assert batching.startswith("'batching_params.pbtxt', line 1: ")
    assert warmup.startswith("'tf_serving_warmup_requests' is no uncompressed TFRecord file, or damaged: ")
    assert "golden.json' cannot be read (KeyError: 'format'). Export the run again." in golden


def test_what_is_not_signed_as_asked_is_not_run(good_version: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(good_version, tmp_path / "base/m/1"))
    new_signing_key(tmp_path / "release.key")
    (tmp_path / "base/trust.yaml").write_text("trusted_keys: [../release.key.pub]", encoding="utf-8")
    report = verify(path)
    assert any("is not signed" in finding for finding in report.findings)
    assert report.skipped
    sign_version(path, read_signing_key(tmp_path / "release.key"))
    assert verify(path).accepted
