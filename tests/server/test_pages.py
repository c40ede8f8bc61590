"""The page's files: types, caching, headers, and nothing outside their directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from server.pages import PAGE_DIRECTORY, SECURITY_HEADERS, page_routes


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page as Vite builds it, and secrets around it."""
    directory = tmp_path / "dist"
    (directory / "assets" / "deep").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>Board</title>")
    (directory / "xr.html").write_text("<!doctype html><title>Room</title>")
    (directory / "assets" / "index-CwZD5YVS.css").write_text("body {}")
    (directory / "assets" / "index-Cexm_B-v.js").write_text("export {}")
    (directory / "assets" / "icon-C4EBzeMq.svg").write_text("<svg/>")
    (directory / "assets" / "plain.js").write_text("export {}")
    (directory / "assets" / "deep" / "part-C4EBzeMq.js").write_text("export {}")
    (directory / "assets" / "outside.js").symlink_to(tmp_path / "secret.js")
    for place in (tmp_path, directory):
        (place / "secret.js").write_text("the secret")
    return directory


async def get(
    directory: Path, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Ask an application that has the page and nothing else."""
    transport = httpx.ASGITransport(Starlette(routes=page_routes(directory)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(("path", "title"), [("/", "Board"), ("/xr.html", "Room")])
async def test_pages_are_served_and_asked_for_each_time(built: Path, path: str, title: str) -> None:
    answer = await get(built, path)
    assert answer.status_code == 200
    assert answer.text == f"<!doctype html><title>{title}</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index-CwZD5YVS.css", "text/css; charset=utf-8"),
        ("index-Cexm_B-v.js", "text/javascript; charset=utf-8"),
        ("icon-C4EBzeMq.svg", "image/svg+xml"),
        ("deep/part-C4EBzeMq.js", "text/javascript; charset=utf-8"),
    ],
)
async def test_hashed_assets_have_their_type_and_are_kept_for_ever(
    built: Path, name: str, media_type: str
) -> None:
    answer = await get(built, f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_an_asset_without_a_hash_is_asked_for_each_time(built: Path) -> None:
    answer = await get(built, "/assets/plain.js")
    assert answer.headers["cache-control"] == "no-cache"


async def test_what_did_not_change_is_not_sent_again(built: Path) -> None:
    first = await get(built, "/")
    again = await get(built, "/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/xr.html", "/assets/index-Cexm_B-v.js"])
async def test_every_file_carries_the_security_headers(built: Path, path: str) -> None:
    answer = await get(built, path)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value


async def test_scripts_run_from_files_of_this_server_only() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../secret.js",
        "/assets/%2e%2e/secret.js",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "/assets/..%2fsecret.js",
        "/assets/deep/../../../secret.js",
        "/assets/deep/%2e%2e/plain.js",
        "/assets//plain.js",
        "/assets/..%5csecret.js",
        "/assets/%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/outside.js",
        "/assets/plain.js%00",
        "/assets/" + "a" * 300,
        "/assets/",
        "/assets/deep",
        "/assets/missing-C4EBzeMq.js",
        "/secret.js",
        "/index.html",
    ],
)
async def test_nothing_else_is_found(built: Path, path: str) -> None:
    answer = await get(built, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_only_reading_is_offered(built: Path) -> None:
    assert (await get(built, "/", "HEAD")).status_code == 200
    assert (await get(built, "/", "POST")).status_code == 405
    assert (await get(built, "/assets/plain.js", "DELETE")).status_code == 405


@pytest.mark.parametrize("path", ["/", "/xr.html"])
async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path, path: str) -> None:
    answer = await get(tmp_path / "dist", path)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "make web" in answer.text
    assert "Node" in answer.text
    assert (await get(tmp_path / "dist", "/assets/plain.js")).status_code == 404


async def test_a_page_built_meanwhile_is_there_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "dist"
    app = Starlette(routes=page_routes(directory))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.get("/")).status_code == 503
        (directory / "assets").mkdir(parents=True)
        (directory / "index.html").write_text("built")
        (directory / "assets" / "plain.js").write_text("export {}")
        assert (await client.get("/")).text == "built"
        assert (await client.get("/assets/plain.js")).text == "export {}"


def test_the_page_is_looked_for_beside_the_packages() -> None:
    assert PAGE_DIRECTORY.parent.joinpath("package.json").is_file()
