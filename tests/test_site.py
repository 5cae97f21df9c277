"""The documentation as a site that is opened from disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CONFIGURATION = """
INHERIT: {root}/mkdocs.yml
docs_dir: docs
site_dir: site
not_in_nav: ""
nav: [index.md]
plugins:
  search: {{}}
  offline: {{}}
"""


@pytest.mark.skipif(find_spec("material") is None, reason="no mkdocs-material (the extra docs)")
def test_search_works_from_disk_without_a_network(browser: Any, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "site", tmp_path / "docs" / "site")
    (tmp_path / "docs" / "index.md").write_text("# Words\n\nAn aardvark.\n")
    (tmp_path / "mkdocs.yml").write_text(CONFIGURATION.format(root=ROOT))
    command = [sys.executable, "-m", "mkdocs", "build", "-q"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    page = browser.new_page()
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "site" / "index.html").as_uri())
    field = page.locator("input.md-search__input")
    field.fill("aardvark")
    field.press("End")
    page.wait_for_selector(".md-search-result__item", state="attached", timeout=30_000)
    assert "Words" in page.locator(".md-search-result__item").first.inner_text()
    page.close()
    assert not [url for url in asked if url.startswith("http")]
