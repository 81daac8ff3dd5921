"""The files of deploy/: each is valid for what reads it, and they agree with each other and with the server."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from textclf.server import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ALL_MANIFESTS = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))


def read_yaml(path: str) -> Any:
    """Return what a file of deploy/ says."""
    return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))


def container() -> dict[str, Any]:
    """Return the server's container as the Deployment has it."""
    (only,) = read_yaml("kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize(
    "path", [path for path in ALL_MANIFESTS if path.stem != "kustomization"], ids=lambda path: path.stem
)
def test_a_manifest_is_what_kubernetes_takes(path: Path) -> None:
    kubernetes_validate.validate(yaml.safe_load(path.read_text(encoding="utf-8")), "1.32", strict=True)


def test_a_manifest_with_a_slip_is_not() -> None:
    manifest = read_yaml("kubernetes/deployment.yaml")
    manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_every_manifest_is_applied() -> None:
    resources = read_yaml("kubernetes/kustomization.yaml")["resources"]
    assert sorted(resources) == [path.name for path in MANIFESTS if path.stem != "kustomization"]


def test_selectors_find_the_pods() -> None:
    labels = read_yaml("kubernetes/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert read_yaml("kubernetes/deployment.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert read_yaml("kubernetes/service.yaml")["spec"]["selector"] == labels
    assert read_yaml("kubernetes/disruption.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert read_yaml("kubernetes/network.yaml")["spec"]["podSelector"]["matchLabels"] == labels
    assert read_yaml("kubernetes/autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == "serving"


def test_probes_and_services_name_ports_that_the_server_is_told() -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert f"--port={ports['grpc']}" in container()["args"]
    assert f"--rest_api_port={ports['rest']}" in container()["args"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (how,) = (how for kind, how in container()[probe].items() if kind in ("httpGet", "tcpSocket"))
        assert how["port"] in ports
    for port in read_yaml("kubernetes/service.yaml")["spec"]["ports"]:
        assert port["port"] == ports[port["targetPort"]]


def test_the_models_cannot_be_written() -> None:
    mounts = {mount["name"]: mount for mount in container()["volumeMounts"]}
    assert mounts["models"]["readOnly"]
    volumes = read_yaml("compose.yaml")["services"]["serving"]["volumes"]
    assert all(volume.endswith(":ro") for volume in volumes)


def test_both_start_the_same_server() -> None:
    service = read_yaml("compose.yaml")["services"]["serving"]
    own = [argument for argument in container()["args"] if "_op_parallelism" not in argument]
    assert service["command"] == own
    assert service["entrypoint"] == container()["command"]
    assert service["image"] == f"${{TF_SERVING_IMAGE:-{container()['image']}}}"


@pytest.mark.parametrize(
    "service", read_yaml("compose.yaml")["services"].values(), ids=lambda service: service["image"]
)
def test_what_is_mounted_is_there(service: dict[str, Any]) -> None:
    for source in (volume.rpartition(":ro")[0].rpartition(":")[0] for volume in service["volumes"] if "./" in volume):
        if not source.startswith("${"):
            assert (DEPLOY / source).is_file()


def test_the_server_is_told_to_write_metrics_where_they_are_looked_for() -> None:
    text = (DEPLOY / "monitoring/monitoring.config").read_text(encoding="utf-8")
    (path,) = re.fullmatch(r'prometheus_config \{\n  enable: true\n  path: "(.+)"\n\}\n', text).groups()  # type: ignore[union-attr]
    assert path == metrics.PATH
    for config in ("prometheus", "kubernetes"):
        (scrape,) = read_yaml(f"monitoring/{config}.yaml")["scrape_configs"]
        assert path == scrape["metrics_path"]
    assert container()["readinessProbe"]["httpGet"]["path"] == path
    assert (DEPLOY / "kubernetes/monitoring.config").read_text(encoding="utf-8") == text


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    dashboard = json.loads((DEPLOY / "monitoring/grafana/dashboard.json").read_text(encoding="utf-8"))
    (source,) = read_yaml("monitoring/grafana/datasource.yaml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}


def test_the_gateway_decides_on_plain_paths_alone() -> None:
    config = (DEPLOY / "gateway/nginx.conf").read_text(encoding="utf-8")
    (pattern,) = re.findall(r'"~(\^/v1/models/.+\$)" \$name;', config)
    matching = re.compile(pattern.replace("(?<name>", "(?P<name>"))
    plain = ["", "/metadata", ":predict", "/versions/3:predict", "/labels/stable", "/labels/stable/metadata"]
    assert {matching.match(f"/v1/models/messages{end}")["name"] for end in plain} == {"messages"}  # type: ignore[index]
    for path in (
        "/../messages",
        "/other/../messages:predict",
        "/messages%2F..%2Fother",
        "/messages?x=1",
        "/.hidden",
        "/",
    ):
        assert matching.match(f"/v1/models{path}") is None
