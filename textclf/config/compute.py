"""What a training is computed on and how: scores depend on nothing here but for rounding and the masks of dropout."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from textclf.config.section import PositiveInt, Section

DEVICE = r"(GPU|CPU):\d+"


class ComputeConfig(Section):
    """Devices, precision, and how a step is cut into calls."""

    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    """Where the steps run: auto takes all GPUs of this machine, or else its CPU; mirrored several devices of it;
    multi_worker several machines, which `TF_CONFIG` names."""
    devices: Annotated[list[str], Field(min_length=1)] | None = None
    """Devices of this machine to use, such as [GPU:0, GPU:1]; null takes all GPUs, or else the CPU."""
    accumulate: PositiveInt = 1
    """Parts of a batch that the gradient is computed of one after another, for less memory; the step is the same
    but for the masks of dropout."""
    steps_per_call: PositiveInt = 1
    """Steps that TensorFlow takes before Python looks again; more of them are faster where steps are short."""
    mixed_precision: Literal["bfloat16", "float16"] | None = None
    """What a model learnt in steps computes in, where weights, loss and scores stay in float32; faster where the
    hardware has it. float16 scales the loss as needed (Micikevicius et al. 2018). null computes in float32 too."""
    xla: bool = False
    """Whether XLA compiles the gradient, once for each length that batches are padded to."""
    num_lengths: PositiveInt = 4
    """Lengths that batches are padded to with xla, the longest text's among them; each takes a compilation."""
    profile_steps: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | None = None
    """First and last of the steps that TensorFlow's profiler looks at, for TensorBoard, such as [20, 30]; null leaves
    it off."""

    @field_validator("devices")
    @classmethod
    def _devices_are_named(cls, value: list[str] | None) -> list[str] | None:
        """Refuse names that TensorFlow would not take, and a device twice."""
        for name in value or []:
            if not re.fullmatch(DEVICE, name):
                raise ValueError(f"expected devices called GPU:0, GPU:1, … or CPU:0, got {name!r}")
        if value and len(set(value)) < len(value):
            raise ValueError(f"expected each device once, got {value}")
        return value

    @model_validator(mode="after")
    def _strategy_fits_devices(self) -> "ComputeConfig":
        if self.strategy == "one_device" and len(self.devices or []) > 1:
            raise ValueError(f"strategy=one_device takes one of the devices {self.devices}; name that one alone")
        if self.strategy == "multi_worker" and self.devices:
            raise ValueError("strategy=multi_worker takes all devices of each machine; leave devices out")
        return self

    @model_validator(mode="after")
    def _profiled_steps_are_seen(self) -> "ComputeConfig":
        if self.profile_steps is None:
            return self
        first, last = self.profile_steps
        if first > last:
            raise ValueError(f"profile_steps takes the first step before the last one, got {self.profile_steps}")
        if self.steps_per_call > 1:
            raise ValueError("profile_steps needs steps_per_call=1: of several steps a call, none is seen alone")
        return self
