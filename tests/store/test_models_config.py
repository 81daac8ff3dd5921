"""models.config: what textclf keeps in it, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from textclf.errors import ExportError
from textclf.store.labels import remove_label, set_label
from textclf.store.lifecycle import retire
from textclf.store.models_config import MODELS_CONFIG, read_labels, refresh, served_config, write_labels

Publish = Callable[..., Path]

OTHERS = """# Ours: do not touch.
# Really.
model_config_list {
  config { name: "other" base_path: "/models/other" model_platform: "tensorflow"
           logging_config { sampling_config { sampling_rate: 0.5 } } }
}
"""


def entry(base: Path, name: str = "m") -> ModelConfig:
    config = text_format.Parse((base / MODELS_CONFIG).read_text(encoding="utf-8"), ModelServerConfig())
    (found,) = (entry for entry in config.model_config_list.config if entry.name == name)
    return found


def policy(base: Path) -> str | None:
    chosen: str | None = entry(base).model_version_policy.WhichOneof("policy_choice")
    return chosen


def test_a_first_version_writes_an_entry_with_the_default_policy(publish: Publish, base: Path) -> None:
    publish()
    assert entry(base) == ModelConfig(name="m", base_path=str(base / "m"), model_platform="tensorflow")
    assert (base / MODELS_CONFIG).read_text(encoding="utf-8").startswith("# The models of this folder")


@pytest.mark.usefixtures("three")
def test_a_model_with_labels_has_all_live_versions_loaded(base: Path) -> None:
    set_label(base, "m", "stable", 2)
    set_label(base, "m", "canary", 3)
    assert read_labels(base, "m") == dict(entry(base).version_labels) == {"canary": 3, "stable": 2}
    assert policy(base) == "all"
    remove_label(base, "m", "stable")
    assert policy(base) == "all"
    remove_label(base, "m", "canary")
    assert policy(base) is None


def test_what_others_wrote_stays(publish: Publish, base: Path) -> None:
    (base / MODELS_CONFIG).write_text(OTHERS, encoding="utf-8")
    publish()
    set_label(base, "m", "stable", 1)
    text = (base / MODELS_CONFIG).read_text(encoding="utf-8")
    assert text.startswith("# Ours: do not touch.\n# Really.\nmodel_config_list {\n")
    assert entry(base, "other") == text_format.Parse(OTHERS, ModelServerConfig()).model_config_list.config[0]
    assert entry(base).base_path == "/models/m"  # as the others: the server sees the folder there


def test_a_file_that_says_so_already_is_not_written_again(publish: Publish, base: Path) -> None:
    publish()
    written = (base / MODELS_CONFIG).read_text(encoding="utf-8") + "# a comment of somebody\n"
    (base / MODELS_CONFIG).write_text(written, encoding="utf-8")
    publish()
    assert (base / MODELS_CONFIG).read_text(encoding="utf-8") == written


@pytest.mark.usefixtures("three")
def test_fields_set_by_hand_stay(base: Path) -> None:
    by_hand = entry(base)
    by_hand.base_path = "/elsewhere/x"
    by_hand.logging_config.sampling_config.sampling_rate = 0.25
    config = ModelServerConfig()
    config.model_config_list.config.append(by_hand)
    (base / MODELS_CONFIG).write_text(text_format.MessageToString(config), encoding="utf-8")
    set_label(base, "m", "stable", 2)
    by_hand.version_labels["stable"] = 2
    by_hand.model_version_policy.all.SetInParent()
    assert entry(base) == by_hand
    set_label(base, "m", "stable", 2, served_from="/models/")
    assert entry(base).base_path == "/models/m"


def with_policy(base: Path, text: str) -> None:
    written = f'model_config_list {{ config {{ name: "m" base_path: "/m" model_version_policy {{ {text} }} }} }}'
    (base / MODELS_CONFIG).write_text(written, encoding="utf-8")


@pytest.mark.usefixtures("three")
def test_a_list_of_versions_set_by_hand_gets_what_labels_need_and_loses_what_is_gone(base: Path) -> None:
    with_policy(base, "specific { versions: 1 versions: 9 }")
    set_label(base, "m", "stable", 3)
    assert list(entry(base).model_version_policy.specific.versions) == [1, 3]
    retire(base, "m", 1)
    assert list(entry(base).model_version_policy.specific.versions) == [3]
    retire(base, "m", 3, force=True)
    assert policy(base) is None


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("text", ["all {}", "latest { num_versions: 2 }"])
def test_a_policy_set_by_hand_stays_while_there_are_no_labels(base: Path, text: str) -> None:
    with_policy(base, text)
    written = (base / MODELS_CONFIG).read_text(encoding="utf-8")
    refresh(base, "m")
    retire(base, "m", 2)
    assert (base / MODELS_CONFIG).read_text(encoding="utf-8") == written


@pytest.mark.usefixtures("three")
def test_a_label_of_a_version_that_somebody_deleted_goes_with_the_next_refresh(base: Path) -> None:
    set_label(base, "m", "stable", 2)
    set_label(base, "m", "canary", 3)
    (base / "m/2").rename(base / "gone")
    assert refresh(base, "m") == ["stable"]
    assert read_labels(base, "m") == {"canary": 3}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model_config_list { config { nmae: 'm' } }", r"cannot be read: 1:30 : .*no field named .nmae.*Mend it"),
        ("\xff\xfe", r"cannot be read"),
        ("custom_model_config {}", r"holds a custom_model_config\. Expected a ModelServerConfig"),
        ("model_config_list { config { name: 'm' } config { name: 'm' } }", r"holds 'm' more than once"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_touched(base: Path, publish: Publish, text: str, said: str) -> None:
    (base / MODELS_CONFIG).write_text(text, encoding="latin-1")
    for change in (lambda: set_label(base, "m", "stable", 2), lambda: retire(base, "m", 2), publish):
        with pytest.raises(ExportError, match=rf"models\.config' {said}"):
            change()
    assert (base / MODELS_CONFIG).read_text(encoding="latin-1") == text
    assert {path.name for path in (base / "m").glob("[0-9]")} == {"1", "2", "3"}


@pytest.mark.usefixtures("three")
def test_where_the_server_sees_the_models_is_absolute(base: Path) -> None:
    with pytest.raises(ExportError, match="as an absolute path, got 'models'"):
        set_label(base, "m", "stable", 2, served_from="models")
    set_label(base, "m", "stable", 2, served_from="gs://bucket/models")
    assert entry(base).base_path == "gs://bucket/models/m"


def test_where_the_server_sees_the_models_is_said_once_for_all_of_them(
    publish: Publish, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("m", "others", "third"):
        publish(name)
    by_hand = (base / MODELS_CONFIG).read_text(encoding="utf-8").replace(f"{base}/third", "gs://bucket/third")
    (base / MODELS_CONFIG).write_text(by_hand, encoding="utf-8")
    set_label(base, "m", "stable", 1)
    assert not caplog.messages
    set_label(base, "m", "stable", 1, served_from="/models")  # where it was
    paths = [entry(base, name).base_path for name in ("m", "others", "third")]
    assert paths == ["/models/m", "/models/others", "gs://bucket/third"]
    assert caplog.messages == ["models.config: base_path is now /models/… for 'm', 'others'."]
    set_label(base, "others", "stable", 1, served_from="/srv")  # from where it stood, and those beside it
    assert [entry(base, name).base_path for name in ("m", "others")] == ["/srv/m", "/srv/others"]


def test_a_new_model_beside_models_in_two_places_says_where_it_was_put(
    publish: Publish, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = ModelServerConfig()
    for path in ("/models/a", "/elsewhere/b"):
        config.model_config_list.config.add(name=path[-1], base_path=path)
    (base / MODELS_CONFIG).write_text(text_format.MessageToString(config), encoding="utf-8")
    publish()
    assert entry(base).base_path == str(base / "m")
    assert caplog.messages == [
        f"models.config: its models are not in one place, and 'm' got '{base}/m'. A server waits until it sees every "
        "one; if it sees this folder elsewhere, say so with `textclf label … --served-from PATH`."
    ]


def test_a_server_is_told_of_all_models_or_of_some(tmp_path: Path) -> None:
    for path in ("messages/1", "messages/2", "plain/1"):
        (tmp_path / path).mkdir(parents=True)
    write_labels(tmp_path, "messages", {"stable": 1}, [1, 2], served_from="/models")
    (tmp_path / "models.config").write_text(
        (tmp_path / "models.config").read_text().rstrip().removesuffix("}")
        + 'config { name: "far" base_path: "/far" model_platform: "tensorflow" } }'
    )
    served = served_config(tmp_path).model_config_list.config
    assert [(entry.name, entry.base_path) for entry in served] == [
        ("far", "/far"),
        ("messages", f"{tmp_path}/messages"),
        ("plain", f"{tmp_path}/plain"),
    ]
    assert {entry.model_platform for entry in served} == {"tensorflow"}
    assert served[1].version_labels == {"stable": 1} and served[1].model_version_policy.HasField("all")
    (only,) = served_config(tmp_path, ["messages"], "/elsewhere").model_config_list.config
    assert only.base_path == "/elsewhere/messages"
    with pytest.raises(ExportError, match=r"No model 'plan'.*Did you mean 'plain'"):
        served_config(tmp_path, ["plan"])
    with pytest.raises(ExportError, match=r"No model 'saved_models/plain/'.*Did you mean 'plain'"):
        served_config(tmp_path, ["saved_models/plain/"])
    with pytest.raises(ExportError, match="No served models in"):
        served_config(tmp_path / "nothing")


def test_a_models_own_folder_is_told_from_an_empty_base(tmp_path: Path) -> None:
    (tmp_path / "my models/m/1").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"'.*/m'\. It is a model itself: --base '/.*/my models'\."):
        served_config(tmp_path / "my models/m")
