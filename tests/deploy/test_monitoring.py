"""Scrape configs, alerts and the dashboard: valid, of one mind, and about metrics that the server writes."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from textclf.engine.errors import Code
from textclf.server.calls import Call
from textclf.server.metrics import Metrics

MONITORING = Path(__file__).parents[2] / "deploy/monitoring"
CONFIGS = ["prometheus.yaml", "kubernetes.yaml"]
PROMETHEUS_OWN = {"up", "container_memory_working_set_bytes"}
"""What Prometheus itself says of a target, and Kubernetes of a container."""

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def read_yaml(name: str) -> Any:
    """Return what a file of deploy/monitoring says."""
    return yaml.safe_load((MONITORING / name).read_text(encoding="utf-8"))


def job_of(config: str) -> dict[str, Any]:
    """Return the only job of a scrape config."""
    (job,) = read_yaml(config)["scrape_configs"]
    return dict(job)


def rules() -> dict[str, str]:
    """Return the alerts' expressions by name."""
    (group,) = read_yaml("rules.yaml")["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def queries() -> list[str]:
    """Return what the dashboard and the alerts ask of Prometheus."""
    dashboard = json.loads((MONITORING / "grafana/dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in dashboard["templating"]["list"]]
    return [*asked, *rules().values()]


def samples(codes: dict[Code, int], seconds: float = 0.0) -> Iterator[tuple[str, float]]:
    """Yield the series of a server that has answered so many requests, each after so long, as it writes them."""
    metrics = Metrics()
    for code, count in codes.items():
        for _ in range(count):
            call = Call("REST", "predict", "messages", 1)
            call.started -= seconds
            metrics.answered(call, code)
    metrics.ran("messages", "predict", 1, seconds)
    for line in metrics.page().decode().splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            yield series, float(value)


def test_queries_name_metrics_of_the_server() -> None:
    written = {series.partition("{")[0] for series, _ in samples({Code.OK: 1})}
    asked = {name for query in queries() for name in re.findall(r'__name__="([^"]+)"', query)}
    asked |= {name for query in queries() for name in re.findall(r"\b([a-z]+(?:_[a-z]+)+_bytes|up)\b(?=\{)", query)}
    assert asked - written == PROMETHEUS_OWN
    assert len(asked & written) > 3


def test_the_server_writes_the_labels_that_are_asked_for() -> None:
    written = {label for series, _ in samples({Code.OK: 1}) for label in re.findall(r'(\w+)="', series)}
    asked = {label for query in queries() for label in re.findall(r"(model_name|status|le)\b", query)}
    assert asked == {"model_name", "status", "le"} <= written


def test_servers_are_known_by_the_job_that_scrapes_them_wherever_they_run() -> None:
    jobs = {job_of(config)["job_name"] for config in CONFIGS}
    asked = {job for query in queries() for job in re.findall(r'job="([^"]*)"', query)}
    assert jobs == asked
    assert len(jobs) == 1


def test_the_cluster_is_scraped_where_the_pods_are() -> None:
    kubernetes = MONITORING.parent / "kubernetes"
    deployment = yaml.safe_load((kubernetes / "deployment.yaml").read_text(encoding="utf-8"))
    template = deployment["spec"]["template"]
    (pods,) = job_of("kubernetes.yaml")["kubernetes_sd_configs"]
    (selector,) = pods["selectors"]
    assert dict([selector["label"].split("=")]) == template["metadata"]["labels"]
    kustomization = yaml.safe_load((kubernetes / "kustomization.yaml").read_text(encoding="utf-8"))
    assert pods["namespaces"]["names"] == [kustomization["namespace"]]
    (port,) = (rule["regex"] for rule in job_of("kubernetes.yaml")["relabel_configs"] if rule.get("action") == "keep")
    (container,) = template["spec"]["containers"]
    assert port in {port["name"] for port in container["ports"]}
    assert not any("prometheus.io" in name for name in template["metadata"].get("annotations", {})), "counted twice"


def promtool(*arguments: str | Path) -> None:
    """Run promtool, which must have nothing to say against it."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_the_configs(tmp_path: Path) -> None:
    promtool("check", "config", MONITORING / "prometheus.yaml")
    config = read_yaml("kubernetes.yaml")
    (job,) = config["scrape_configs"]
    del job["kubernetes_sd_configs"]  # Debian builds promtool without it; the test above reads it
    job["static_configs"] = [{"targets": ["serving:8501"]}]
    path = tmp_path / "kubernetes.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    promtool("check", "config", path)


@needs_promtool
def test_prometheus_takes_the_dashboards_queries(tmp_path: Path) -> None:
    asked = [query.replace("$__rate_interval", "1m") for query in queries() if not query.startswith("label_values")]
    records = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(asked)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}), encoding="utf-8")
    promtool("check", "rules", path)


def growing(before: dict[str, float], job: str, minutes: int) -> list[dict[str, str]]:
    """Return the series as promtool takes them: counters that grow by as much each minute."""
    shown = []
    for series, value in before.items():
        name, _, labels = series.partition("{")
        where = f'job="{job}",instance="a:8501"'
        shown.append(
            {"series": f"{name}{{{labels.rstrip('}')},{where}}}".replace("{,", "{"), "values": f"0+{value:g}x{minutes}"}
        )
    return shown


MINUTES = 20


@needs_promtool
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    ("is_up", "codes", "seconds", "alerts"),
    [
        (1, {Code.OK: 200}, 0.01, set()),
        (1, {Code.OK: 199, Code.INTERNAL: 1}, 0.01, set()),
        (0, {Code.OK: 200}, 0.01, {"ServerDown"}),
        (1, {Code.OK: 90, Code.INTERNAL: 10}, 0.01, {"RequestsFail"}),
        (1, {Code.OK: 90, Code.INVALID_ARGUMENT: 10}, 0.01, set()),
        (None, {Code.OK: 200}, 0.01, {"NoServer"}),
        (1, {Code.OK: 200}, 2.0, {"SlowAnswers"}),
    ],
)
def test_alerts_come_when_they_should(
    config: str, is_up: int | None, codes: dict[Code, int], seconds: float, alerts: set[str], tmp_path: Path
) -> None:
    job = job_of(config)["job_name"]
    series = {name: value for name, value in samples(codes, seconds) if name.startswith(":")}
    found = [] if is_up is None else [f'up{{job="{job}",instance="a:8501"}}']
    up = [{"series": name, "values": f"{is_up}+0x{MINUTES}"} for name in found]
    model, server = {"model_name": "messages"}, {"job": job, "instance": "a:8501"}
    expected = {
        "ServerDown": (server, "critical", "a:8501 has not answered a scrape for a minute."),
        "NoServer": ({"job": job}, "critical", "No server is there to be scraped."),
        "RequestsFail": (model, "warning", "The server fails at more than one request in a hundred to messages."),
        "SlowAnswers": (model, "warning", "One answer of messages in a hundred takes more than half a second."),
    }
    assert expected.keys() == rules().keys()
    cases = [
        {
            "eval_time": f"{MINUTES - 1}m",
            "alertname": alert,
            "exp_alerts": [{"exp_labels": labels | {"severity": severity}, "exp_annotations": {"summary": summary}}]
            if alert in alerts
            else [],
        }
        for alert, (labels, severity, summary) in expected.items()
    ]
    test = {"interval": "1m", "input_series": [*up, *growing(series, job, MINUTES)], "alert_rule_test": cases}
    path = tmp_path / "test.yaml"
    whole = {"rule_files": [str(MONITORING / "rules.yaml")], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    promtool("test", "rules", path)
