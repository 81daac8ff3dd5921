"""A load on the local server while its versions come and go."""

import asyncio
import shutil
from pathlib import Path

import pytest

from textclf.loadtest.load import apply_load
from textclf.loadtest.result import LoadResult
from textclf.server.app import Options, running

SWAPS = 5


class Said:
    """What the server says, and who waits for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Condition()
        self._loop = asyncio.get_running_loop()

    def __call__(self, line: str) -> None:
        """Take a line, from whatever thread."""
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._add(line)))

    async def _add(self, line: str) -> None:
        async with self._more:
            self.lines.append(line)
            self._more.notify_all()

    async def wait_for(self, line: str) -> None:
        async with asyncio.timeout(300), self._more:
            await self._more.wait_for(lambda: line in self.lines)


async def swap(base: Path, source: Path, said: Said, answered: asyncio.Event) -> None:
    """Publish versions one by one, and take the one before away when the server has the new one and answers."""
    for version in range(2, SWAPS + 2):
        await asyncio.to_thread(shutil.copytree, source, base / ".unfinished")
        (base / ".unfinished").rename(base / str(version))
        await said.wait_for(f"g: version {version} is loaded")
        answered.clear()
        await answered.wait()
        await asyncio.to_thread(shutil.rmtree, base / str(version - 1), ignore_errors=True)
        await said.wait_for(f"g: version {version - 1} is unloaded")


@pytest.mark.slow
def test_not_one_request_fails_while_versions_are_swapped(recorded_models: Path, tmp_path: Path) -> None:
    base = tmp_path / "g"
    shutil.copytree(recorded_models / "g", base)

    async def whole() -> LoadResult:
        said = Said()
        async with running(Options(tmp_path, rest_port=0, grpc_port=0), said) as server:
            url = f"http://127.0.0.1:{server.rest_port}/v1/models/g"
            texts = ["hello world", "good", "bad 你好", ""]
            answered = asyncio.Event()
            load = asyncio.create_task(
                apply_load(url, texts, rate=100, seconds=1e6, timeout=300, done=lambda _: answered.set())
            )
            await swap(base, recorded_models / "g" / "1", said, answered)
            load.cancel()
            return await load

    result = asyncio.run(whole())
    assert result.errors == {}
    assert len(result.latencies) >= SWAPS
