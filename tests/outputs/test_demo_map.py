"""The map that `make demo` wrote, opened as a reader would: from the file, with nothing fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from playwright.sync_api import Page

    OpenPage = Callable[..., AbstractContextManager[Page]]

pytestmark = pytest.mark.browser

DEMO = Path(__file__).parents[2] / "outputs" / "wuhan"


def test_the_demos_map_opens_offline_and_says_what_is_made(open_page: OpenPage) -> None:
    if not (DEMO / "map.html").is_file():
        pytest.skip("the demo has not been run here: `make demo` first")
    manifest = json.loads((DEMO / "plan.json").read_text(encoding="utf-8"))
    with open_page((DEMO / "map.html").read_text(encoding="utf-8")) as page:
        assert page.is_visible("#badge")
        assert "OpenStreetMap contributors" in page.inner_text(".credit")
        assert page.locator("canvas").count() > 0
        assert f"{manifest['n_sites']} new sites" in page.inner_text("#panel-summary")
