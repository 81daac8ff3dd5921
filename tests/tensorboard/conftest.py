"""What the tests of TensorBoard's logs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Points = dict[str, dict[int, Any]]


@pytest.fixture(scope="session")
def read_events() -> Callable[[Path], Points]:
    """Read what stands in a folder's event files: by tag and step a number, an array, or bytes of text and images."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    def read(directory: Path) -> Points:
        found: Points = {}
        for path in sorted(directory.glob("events.out.tfevents.*")):
            for event in EventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    points = found.setdefault(value.tag, {})
                    assert event.step not in points, f"{value.tag} stands twice at step {event.step}"
                    points[event.step] = tensor_util.make_ndarray(value.tensor)
        return found

    return read
