"""Debian's chromium without a window, and a page in it that remembers what went wrong there."""

from __future__ import annotations

import os
import shutil
import unittest
from types import TracebackType
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

#: What a page may take to show something: a figure comes each second, and a loaded machine draws slowly.
LIMIT_MS = 30_000
WIDE = {"width": 1400, "height": 1000}
PHONE = {"width": 375, "height": 780}


def chromium() -> str:
    path = os.environ.get("AMP4EC_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("test-dashboard: there is no chromium; install Debian's package chromium, or name one with AMP4EC_CHROMIUM=PATH")
    return path


class BrowserTestCase(unittest.TestCase):
    """Tests that share a browser."""

    chromium: Chromium

    @classmethod
    def setUpClass(cls) -> None:
        cls.chromium = Chromium().__enter__()
        cls.addClassCleanup(cls.chromium.__exit__, None, None, None)


class Chromium:
    """One browser; each page has its own cookies."""

    def __enter__(self) -> Chromium:
        self._playwright: Playwright = sync_playwright().start()
        # Containers have no user namespaces for its sandbox, and a small /dev/shm.
        arguments = ["--disable-dev-shm-usage", "--no-sandbox"]
        self.browser: Browser = self._playwright.chromium.launch(executable_path=chromium(), args=arguments, headless=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.browser.close()
        finally:
            self._playwright.stop()

    def open(self, address: str, viewport: dict[str, int] = WIDE, **options: Any) -> WatchedPage:
        context = self.browser.new_context(viewport=viewport, service_workers="block", **options)
        context.set_default_timeout(LIMIT_MS)
        watched = WatchedPage(context)
        watched.page.goto(address)
        return watched


class WatchedPage:
    """A page, with the errors of its scripts and each thing that its content security policy refused."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", lambda message: self.problems.append(f"console: {message.text}") if message.type == "error" else None)
        self.page.on("dialog", self._alert)
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def _alert(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def close(self) -> None:
        self.context.close()
