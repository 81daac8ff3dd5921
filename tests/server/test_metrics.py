"""Metrics: TensorFlow Serving's names and labels."""

from prometheus_client.parser import text_string_to_metric_families

from textclf.engine.errors import Code
from textclf.server.calls import Call
from textclf.server.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return each sample of the page by its name and the values of its labels."""
    families = text_string_to_metric_families(metrics.page().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_names_and_labels_are_those_of_tensorflow_serving() -> None:
    metrics = Metrics()
    call = Call("REST", "predict", "messages")
    metrics.ran("messages", "predict", texts=3, seconds=0.001)
    metrics.answered(call, Code.OK)
    metrics.answered(call, Code.INVALID_ARGUMENT)
    page = metrics.page().decode()
    assert "# TYPE :tensorflow:serving:request_count counter" in page
    assert ':tensorflow:serving:request_count{model_name="messages",status="OK"} 1.0' in page
    assert "_created" not in page
    assert (
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="messages"} 1.0' in page
    )
    found = samples(metrics)
    # This parser, unlike Prometheus itself, gives every counter the ending.
    assert found[":tensorflow:serving:request_count_total", ("INVALID_ARGUMENT", "messages")] == 1
    assert found[":tensorflow:serving:request_example_count_total", ("messages",)] == 3
    assert found[":tensorflow:serving:request_example_counts_sum", ("messages",)] == 3
    assert found[":tensorflow:serving:runtime_latency_sum", ("Predict", "TF1", "messages")] == 1000


def test_two_servers_in_a_process_count_by_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.answered(Call("REST", "predict", "messages"), Code.OK)
    assert not [name for name, labels in samples(second) if "messages" in labels]
