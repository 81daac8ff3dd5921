"""Where a training runs: one device, several of a machine, or several machines."""

import functools
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from textclf.config import ComputeConfig
from textclf.errors import ConfigError, RunError, listing

logger = logging.getLogger(__name__)

_CPU_INFO = Path("/proc/cpuinfo")
_CLUSTER = '{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]}, "task": {"type": "worker", "index": 0}}'
_JOBS = ("chief", "worker")
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError)


def make_strategy(config: ComputeConfig) -> tf.distribute.Strategy:
    """Return the strategy that the config asks for.

    One process has one of each kind: two `MirroredStrategy` objects number their collectives alike, and mix up tensors.
    CPUs that are named but not there yet, `CPU:1` say, are made of the CPU if TensorFlow has not started; so a training
    on several devices can be tried where there is no GPU.

    Args:
        config: `strategy` and `devices` count.

    Raises:
        ConfigError: A device that is named is not there, or `TF_CONFIG` does not name the workers.
    """
    devices = tuple(config.devices or ())
    _make_logical_cpus(devices)
    if config.strategy == "multi_worker":
        if wrong := _wrong_cluster(os.environ.get("TF_CONFIG", "")):
            raise ConfigError(
                f"compute.strategy=multi_worker: {wrong}. Set it on every machine to the addresses of all workers and "
                f"the number of its own, such as\nexport TF_CONFIG='{_CLUSTER}'"
            )
        return _strategy("multi_worker", ())
    known = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    missing = [device for device in devices if device not in known]
    if missing:
        raise ConfigError(f"compute.devices: this machine has no {listing(missing)}; it has {listing(known)}.")
    if not devices:
        devices = tuple(device for device in known if device.startswith("GPU")) or ("CPU:0",)
        if config.strategy == "one_device":
            devices = devices[:1]
    mirrored = config.strategy == "mirrored" or len(devices) > 1
    if not mirrored and devices == ("CPU:0",):
        return tf.distribute.get_strategy()
    return _strategy("mirrored" if mirrored else "one_device", devices)


def warn_of_bfloat16(config: ComputeConfig) -> None:
    """Say so in the log if bfloat16 is asked for on a CPU that, by what Linux says of it, only imitates it."""
    named = config.devices or []
    on_cpu = all(device.startswith("CPU") for device in named) if named else not tf.config.list_logical_devices("GPU")
    if config.mixed_precision == "bfloat16" and on_cpu and _lacks_bfloat16():
        logger.warning(
            "compute.mixed_precision=bfloat16: this CPU has no bfloat16 units; steps take longer with it than without."
        )


def _lacks_bfloat16() -> bool:
    try:
        flags = _CPU_INFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags)  # Intel's and AMD's, and ARM's


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process is the one of all workers that writes; the only one is."""
    resolver = _resolver(strategy)
    return resolver is None or local_replicas(strategy)[0] == 0


def local_replicas(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Return the number of this process's first replica among all of them, and how many it has."""
    resolver = _resolver(strategy)
    if resolver is None:
        return 0, strategy.num_replicas_in_sync
    cluster = resolver.cluster_spec().as_dict()
    chiefs = len(cluster.get("chief", []))
    count = int(strategy.num_replicas_in_sync) // (chiefs + len(cluster.get("worker", [])))
    place = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return place * count, count


def distribute(strategy: tf.distribute.Strategy, shares: tf.data.Dataset) -> Any:
    """Return a dataset whose elements are one share for each replica of this process, of one share after another."""
    if strategy.num_replicas_in_sync == 1:
        return shares
    return strategy.distribute_datasets_from_function(lambda _: shares)


@contextmanager
def losing_workers() -> Iterator[None]:
    """Let the error of a collective whose other side is gone say so.

    Raises:
        RunError: Another worker ended, or cannot be reached.
    """
    try:
        yield
    except _LOST as error:
        # What an error is called depends on who notices first: the collective itself, or one after it.
        known = "Collective ops is aborted by" if isinstance(error, tf.errors.InternalError) else "ollective"
        if known not in str(error):
            raise
        raise RunError(
            "Another worker ended or cannot be reached any more; what it says itself tells why. Start all workers "
            f"again: the training goes on from its last checkpoint. TensorFlow says: {_reason(error)}"
        ) from error


def _reason(error: tf.errors.OpError) -> str:
    """Return the line of a collective's error that names who is gone."""
    lines = [line.strip() for line in str(error.message).splitlines()]
    return next((line for line in lines if line.startswith("Collective")), lines[0])


def _wrong_cluster(text: str) -> str:
    """Return in words why a `TF_CONFIG` does not say who the workers are and which of them this is; nothing if it does.

    What TensorFlow does without is not checked; what it trips over, or waits for in vain, is.
    """
    if not text:
        return "TF_CONFIG is not set"
    try:
        values = json.loads(text)
    except ValueError as error:
        return f"TF_CONFIG is no JSON ({error})"
    try:
        cluster, job, index = values["cluster"], values["task"]["type"], int(values["task"]["index"])
        lists = all(isinstance(addresses, list) and addresses for addresses in cluster.values())
    except (AttributeError, KeyError, TypeError, ValueError):
        return "TF_CONFIG lacks a part of the form"
    addresses = [address for job in cluster.values() for address in job]
    if not lists or not all(isinstance(address, str) and ":" in address for address in addresses):
        return "in TF_CONFIG, cluster holds something else than lists of HOST:PORT"
    if others := sorted(set(cluster) - set(_JOBS)):
        return f"in TF_CONFIG, cluster has {listing(others)}; expected {listing(_JOBS)}"
    if job not in cluster or not 0 <= index < len(cluster[job]):
        return f"in TF_CONFIG, cluster has no {job} {index}"
    return ""


@functools.cache
def _strategy(kind: str, devices: tuple[str, ...]) -> tf.distribute.Strategy:
    if kind == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if kind == "one_device":
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(list(devices))


def _make_logical_cpus(devices: tuple[str, ...]) -> None:
    """Cut the CPU into as many devices as are named, if TensorFlow still lets us; else they will be missed later."""
    numbers = [int(name.partition(":")[2]) for name in devices if name.startswith("CPU:")]
    wanted = max(numbers, default=0) + 1
    if wanted == 1:
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) >= wanted:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted)
    except RuntimeError:  # TensorFlow has started: its devices are what they are
        return


def _resolver(strategy: tf.distribute.Strategy) -> Any:
    return getattr(strategy, "cluster_resolver", None)
