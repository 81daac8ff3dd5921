"""What a `models.config` may ask for, and the labels that follow from it: checked as `server_core.cc` checks them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from textclf.engine.errors import Code, RequestError, invalid

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

_PLATFORM = "tensorflow"
_FIELDS = "ModelServerConfig::model_type (deprecated) {} ModelServerConfig::model_platform"


def check_config(config: "ModelServerConfig") -> None:
    """Refuse what cannot be served.

    Raises:
        RequestError: INVALID_ARGUMENT, or FAILED_PRECONDITION for a `custom_model_config`.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise RequestError(
            Code.FAILED_PRECONDITION,
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to "
            "another.",
        )
    names: set[str] = set()
    for model in config.model_config_list.config:
        if model.name in names:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in config.model_config_list.config:
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
    for model in config.model_config_list.config:
        platform = _platform(model)
        if platform != _PLATFORM:
            raise invalid(f"Model {model.name} requests unsupported platform {platform}")


def new_labels(
    configs: Mapping[str, "ModelConfig"],
    former: Mapping[str, Mapping[str, int]],
    is_available: Callable[[str, int], bool],
    allow_unavailable: bool,
) -> dict[str, dict[str, int]]:
    """Return the version of each label by model.

    Args:
        configs: The models by name.
        former: The labels until now.
        is_available: Whether a version of a model is loaded.
        allow_unavailable: Whether a label may point at one that is not, as long as it has not pointed at another one.

    Raises:
        RequestError: FAILED_PRECONDITION for a label that may not point where it does.
    """
    for name, config in configs.items():
        for label, version in config.version_labels.items():
            moves = former.get(name, {}).get(label, version) != version
            if not is_available(name, version) and (moves or not allow_unavailable):
                raise RequestError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {name}, "
                    "which is not currently available for inference",
                )
    return {name: dict(config.version_labels) for name, config in configs.items()}


def _platform(model: "ModelConfig") -> str:
    if model.model_type:
        if model.model_platform:
            raise invalid(f"Illegal setting both {_FIELDS.format('and')}, model name is {model.name}")
        if model.model_type != 1:
            raise invalid(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
        return _PLATFORM
    if not model.model_platform:
        raise invalid(f"Illegal setting neither {_FIELDS.format('nor')}, model name is {model.name}")
    return str(model.model_platform)
