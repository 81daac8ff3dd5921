"""A load on the local server while its versions come and go."""

import asyncio
import shutil
from pathlib import Path

import pytest

from textclf.loadtest.load import apply_load
from textclf.server.app import Options, running


async def swap(base: Path, source: Path, seconds: float) -> int:
    """Publish a version a second and take the one before away; return the number of the last."""
    version, end = 1, asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        version += 1
        await asyncio.to_thread(shutil.copytree, source, base / ".unfinished")
        (base / ".unfinished").rename(base / str(version))
        await asyncio.sleep(1.2)
        await asyncio.to_thread(shutil.rmtree, base / str(version - 1))
    return version


@pytest.mark.slow
def test_not_one_request_fails_while_versions_are_swapped(recorded_models: Path, tmp_path: Path) -> None:
    base = tmp_path / "g"
    shutil.copytree(recorded_models / "g", base)

    async def whole() -> None:
        said: list[str] = []
        async with running(Options(tmp_path, rest_port=0, grpc_port=0), said.append) as server:
            url = f"http://127.0.0.1:{server.rest_port}/v1/models/g"
            texts = ["hello world", "good", "bad 你好", ""]
            load = apply_load(url, texts, rate=100, seconds=8, timeout=60)
            result, last = await asyncio.gather(load, swap(base, recorded_models / "g" / "1", 7))
            assert result.errors == {}
            assert len(result.latencies) > 500
        loaded = [line for line in said if line.endswith("is loaded")]
        unloaded = [line for line in said if line.endswith("is unloaded")]
        assert last > 4
        assert len(loaded) > 3
        assert len(unloaded) >= len(loaded) - 2

    asyncio.run(whole())
