"""Debian's Chromium through playwright: a page is opened without a network, and may not complain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PATIENCE = 120.0
"""Seconds until a page must be ready, on a machine with other work."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, or a reason why not."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install pyg_gears[browser]")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium: apt-get install chromium")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=found, args=OPTIONS)
        yield chromium
        chromium.close()


class Watched:
    """A page and everything that it said or asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)
        page.on("request", lambda request: self.requests.append(request.url))

    def _listen(self, message: Any) -> None:
        # The software renderer's own remark on reading pixels back.
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            self.complaints.append(message.text)

    def open(self, file: Path) -> Any:
        """Open the page and wait until it is drawn."""
        self.page.goto(file.as_uri())
        self.wait("() => document.body.dataset.ready === 'true'")
        return self.page

    def wait(self, condition: str) -> Any:
        """Wait until a JavaScript function returns something true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := self.page.evaluate(condition):
                return value
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{condition} did not become true; the page said {self.complaints}")


@pytest.fixture
def watch(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens windows; each must have asked for nothing but its own file, and complained about nothing."""
    opened: list[Watched] = []

    def window(width: int = 1280, height: int = 900) -> Watched:
        page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
        opened.append(Watched(page))
        return opened[-1]

    yield window
    for watched in opened:
        watched.page.close()
        assert watched.complaints == []
        assert [url for url in watched.requests if not url.startswith(("file:", "blob:", "data:"))] == []
