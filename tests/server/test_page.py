"""The page at `/`: what a browser shows of it, and that it asks nobody but its server."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import browser
import pytest

from textclf.server.access import add_key
from textclf.server.app import Options, running
from textclf.server.page import HEADERS, page_file
from textclf.serving.export import export


@pytest.fixture
def base(exported: Path, pair_run: Any, tmp_path: Path) -> Path:
    """A base path with a model of texts and one of pairs."""
    shutil.copytree(exported, tmp_path / "messages" / "1")
    export(pair_run, "pairs", base=tmp_path, verified=False)
    return tmp_path


def test_its_files_name_nothing_outside() -> None:
    for path in ("/", "/page.css", "/page.js"):
        found = page_file(path)
        assert found is not None
        assert "//" not in found[1].decode().replace("// ", "").replace("/// ", "")
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert page_file("/../app.py") is None


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")
def test_a_text_that_is_typed_gets_labels_with_bars(base: Path, tmp_path: Path) -> None:
    async def look() -> None:
        options = Options(base, rest_port=0, grpc_port=0)
        async with (
            running(options, lambda _: None) as server,
            browser.opened(f"http://127.0.0.1:{server.rest_port}/") as page,
        ):
            await page.wait_for("document.getElementById('model')?.value")
            rows = await page.evaluate("[...document.querySelectorAll('#models tr')].map(row => row.innerText)")
            assert [row.split() for row in rows] == [[name, "1", "AVAILABLE"] for name in ("messages", "pairs")]
            text = json.dumps("我的包裹在哪里 <b>parcel</b>")
            await page.evaluate(f"document.getElementById('text').value = {text}")
            await page.evaluate("document.getElementById('ask').requestSubmit()")
            await page.wait_for("document.querySelectorAll('#labels li').length > 1")
            assert "messages, version 1" in await page.evaluate("document.getElementById('said').textContent")
            shares = await page.evaluate("[...document.querySelectorAll('.score')].map(s => parseFloat(s.textContent))")
            assert shares == sorted(shares, reverse=True)
            assert await page.evaluate("document.querySelector('.bar').getBoundingClientRect().width") > 10
            (tmp_path / "page.png").write_bytes(await page.screenshot())
            assert await page.evaluate("document.getElementById('pair').hidden")
            await page.evaluate(
                "document.getElementById('model').value = 'pairs';"
                "document.getElementById('model').dispatchEvent(new Event('change'))"
            )
            assert not await page.evaluate("document.getElementById('pair').hidden")
            await page.evaluate("document.getElementById('ask').requestSubmit()")
            await page.wait_for("document.getElementById('said').textContent.startsWith('pairs, version 1')")
            # A version that the list still names, and that is gone; and numbers that JavaScript has no numbers for.
            await page.evaluate(
                "refresh = list = async () => { models = real; };"
                "window.real = structuredClone(models);"
                "models.find(({name}) => name === 'pairs').versions.push("
                "{version: '9223372036854775806', state: 'AVAILABLE'}, {version: '9223372036854775807', state: 'END'});"
                "document.getElementById('said').textContent = '';"
                "document.getElementById('ask').requestSubmit()"
            )
            await page.wait_for("document.getElementById('said').textContent.startsWith('pairs, version 1')")
            tried = (
                "performance.getEntriesByType('resource').filter(e => e.name.includes('/9223372036854775806:')).length"
            )
            assert await page.evaluate(tried) == 1
            outside = "performance.getEntriesByType('resource').filter(e => !e.name.startsWith(location.origin)).length"
            assert await page.evaluate(outside) == 0

    asyncio.run(look())
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")
def test_a_key_is_typed_and_a_wrong_one_is_called_so(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "messages" / "1")
    key = add_key(tmp_path / "keys.yaml", "ada", ["messages"])

    async def look() -> None:
        options = Options(tmp_path, ("messages",), rest_port=0, grpc_port=0, access=tmp_path / "keys.yaml")
        async with (
            running(options, lambda _: None) as server,
            browser.opened(f"http://127.0.0.1:{server.rest_port}/") as page,
        ):
            await page.wait_for("document.getElementById('access')?.hidden === false")
            for typed, shown in (("wrong", "error"), (key, "said")):
                await page.evaluate(f"document.getElementById('key').value = '{typed}'")
                await page.evaluate("document.getElementById('ask').requestSubmit()")
                words = {"error": "The API key is not known", "said": "messages, version 1"}[shown]
                await page.wait_for(f"document.getElementById('{shown}').textContent.includes('{words}')")
            await page.evaluate("fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
            await page.evaluate("document.getElementById('ask').requestSubmit()")
            await page.wait_for("document.getElementById('error').textContent.includes('The server does not answer')")

    asyncio.run(look())
