"""What Prometheus reads, under the names that TensorFlow Serving's exporter gives to the same things."""

from typing import Any

from textclf.engine.errors import Code
from textclf.optional import import_optional
from textclf.server.calls import Call

PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain"

_PREFIX = ":tensorflow:serving:"
_LATENCIES = tuple(10 * 1.8**power for power in range(33))
_COUNTS = tuple(2.0**power for power in range(15))
"""The upper ends of its buckets: of microseconds, and of texts (`servables/tensorflow/util.cc`)."""


class Metrics:
    """Counts and latencies of one server.

    Two things are not as there. Labels are the names of models that are served; requests for others are counted
    together under the empty name, since made-up names would fill the memory: TensorFlow Serving has a label of each.
    And over gRPC all that is asked is counted in `request_count`, where TensorFlow Serving leaves out MultiInference,
    GetModelMetadata and the model service (`prediction_service_impl.cc`).
    """

    def __init__(self) -> None:
        self._library: Any = import_optional("prometheus_client", "serve", "The local server")
        registry = self._registry = self._library.CollectorRegistry()
        counter, histogram = self._library.Counter, self._library.Histogram
        self._requests = counter(
            f"{_PREFIX}request_count", "The total number of requests.", ["model_name", "status"], registry=registry
        )
        self._latency = histogram(
            f"{_PREFIX}request_latency",
            "Distribution of wall time (in microseconds) of requests that were answered.",
            ["model_name", "API", "entrypoint"],
            buckets=_LATENCIES,
            registry=registry,
        )
        self._runtime = histogram(
            f"{_PREFIX}runtime_latency",
            "Distribution of wall time (in microseconds) that TensorFlow took, the wait for a batch with it.",
            ["model_name", "API", "runtime"],
            buckets=_LATENCIES,
            registry=registry,
        )
        self._texts = counter(
            f"{_PREFIX}request_example_count_total", "The total number of texts.", ["model"], registry=registry
        )
        self._sizes = histogram(
            f"{_PREFIX}request_example_counts",
            "The number of texts per request.",
            ["model"],
            buckets=_COUNTS,
            registry=registry,
        )
        self.in_flight = self._library.Gauge(
            "textclf_requests_in_flight", "Requests that are being answered over REST.", registry=registry
        )
        self._library.ProcessCollector(registry=registry)

    def answered(self, call: Call, code: Code) -> None:
        """Count a request."""
        self._requests.labels(call.model, code.name).inc()
        if code is Code.OK:
            self._latency.labels(call.model, call.api, call.entrypoint).observe(call.seconds * 1e6)

    def ran(self, model: str, api: str, texts: int, seconds: float) -> None:
        """Count a run of a model for a request."""
        self._runtime.labels(model, api[:1].upper() + api[1:], "TF1").observe(seconds * 1e6)
        self._texts.labels(model).inc(texts)
        self._sizes.labels(model).observe(texts)

    def page(self) -> bytes:
        """Return what is read at `PATH`, in Prometheus' text format."""
        text: bytes = self._library.generate_latest(_WithoutCreated(self._registry))
        # prometheus_client ends every counter's name in `_total`, which TensorFlow Serving does not do for this one.
        return text.replace(b":request_count_total", b":request_count")


class _WithoutCreated:
    """A registry without the times at which prometheus_client made each counter, which nobody asks for."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Any:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
