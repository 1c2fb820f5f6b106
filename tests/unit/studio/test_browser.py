"""The studio in a browser: the main act of each page, an error, a phone's width, and accessibility."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaven.studio.workspace import Workspace
from unit.studio.pages import Served, serve_studio, write_log

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or ""
PAGES = ["/data", "/gallery", "/gallery?modality=image", "/gallery?modality=text", "/plan?count=1", "/runs"]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: .ci/run installs it")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = write_log(tmp_path_factory.mktemp("shop"))
    with serve_studio(Workspace.open(log, tmp_path_factory.mktemp("work"))) as served:
        yield served


@pytest.fixture
def page(browser: "playwright.Browser", studio: Served) -> Iterator["playwright.Page"]:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(studio.first_address)
    yield page
    context.close()
    assert not problems  # scripts, and what the content security policy refused


def open_page(page: "playwright.Page", studio: Served, path: str) -> None:
    page.goto(studio.root + path)
    page.wait_for_selector(".waiting", state="detached")


def test_a_newcomer_sees_the_health_of_a_log(page, studio: Served) -> None:
    open_page(page, studio, "/data")
    page.get_by_role("heading", name="Health").wait_for()
    assert page.locator("figure svg").count() == 5
    page.get_by_text("Change the rules").click()
    page.locator("#f-min_user_events").fill("2")
    page.locator("#f-min_user_events").dispatch_event("change")
    page.wait_for_selector("#f-min_user_events + output >> text=2")


def test_a_file_is_uploaded_and_opened(browser, tmp_path: Path) -> None:
    log = "user,item,time\n" + "".join(f"u{n % 9},i{n % 5},{1600000000 + 1000 * n}\n" for n in range(90))
    (tmp_path / "mine.csv").write_text(log)
    with serve_studio(Workspace.open([], tmp_path / "work")) as served:
        context = browser.new_context()
        page = context.new_page()
        page.goto(served.first_address)
        page.set_input_files("#upload", str(tmp_path / "mine.csv"))
        page.get_by_role("heading", name="mine.csv").wait_for()
        assert page.locator("select[name='column:user']").input_value() == "user"
        (tmp_path / "page.html").write_text("<p>")
        page.set_input_files("#upload", str(tmp_path / "page.html"))
        page.get_by_text("expected a file such as").wait_for()
        context.close()


def test_a_slider_changes_the_rows_without_a_reload(page, studio: Served) -> None:
    open_page(page, studio, "/gallery?modality=sequence&family=transforms&kind=mask")
    before = page.locator("#rows").inner_text()
    page.evaluate("window.stays = true")
    page.locator("[id='f-share_range.1']").fill("0.9")
    page.wait_for_function("before => document.getElementById('rows').innerText !== before", arg=before)
    page.get_by_role("button", name="Reseed").click()
    page.wait_for_url("**/gallery?*share_range.1=0.9*")
    assert page.evaluate("window.stays")


def test_a_refused_value_is_an_error_next_to_the_rows(page, studio: Served) -> None:
    open_page(page, studio, "/gallery?modality=sequence&family=transforms&kind=substitute")
    page.locator("#f-neighbors").fill("{ rank = -1 }")
    page.locator("#rows [role=alert]").wait_for()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_accessibility_fault(page, studio: Served, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    open_page(page, studio, path)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in serious]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone(page, studio: Served, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    open_page(page, studio, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_language_can_be_changed(page, studio: Served) -> None:
    open_page(page, studio, "/data")
    page.get_by_role("link", name="中文").click()
    page.get_by_role("heading", name="数据", exact=True).wait_for()
    assert page.evaluate("document.documentElement.lang") == "zh"


def test_a_newcomer_goes_from_a_file_to_a_finished_run(browser, tmp_path: Path) -> None:
    log = "user,item,time\n" + "".join(f"u{n % 40},i{n * 7919 % 97},{1600000000 + 1000 * n}\n" for n in range(1600))
    (tmp_path / "mine.csv").write_text(log)
    with serve_studio(Workspace.open([], tmp_path / "work")) as served:
        context = browser.new_context()
        page = context.new_page()
        page.goto(served.first_address)
        page.set_input_files("#upload", str(tmp_path / "mine.csv"))
        page.get_by_role("heading", name="Cleaning").wait_for()
        page.get_by_role("link", name="Plan").click()
        text = page.locator("#toml").input_value().replace('kind = "transformer"', 'kind = "popularity"')
        page.locator("#toml").fill(text.replace("seeds = 3", "seeds = 2"))
        page.get_by_role("button", name="Apply the text").click()
        page.wait_for_function("() => document.getElementById('toml')?.defaultValue.includes('seeds = 2')")
        page.get_by_label("markov histories", exact=True).get_by_label("Remove the variant").click()
        page.get_by_label("markov histories", exact=True).wait_for(state="detached")
        page.get_by_role("button", name="Start the run").click()
        page.get_by_text("mine-1").first.wait_for()
        page.reload()  # the run goes on
        page.get_by_role("link", name="Results").click(timeout=240_000)
        frame = page.frame_locator("iframe.report")
        frame.get_by_role("heading", level=1).wait_for()
        context.close()


def test_a_step_is_dragged_and_its_error_is_shown_at_its_card(browser, tmp_path: Path) -> None:
    log = write_log(tmp_path / "shop")
    space = Workspace.open(log, tmp_path / "work")
    with serve_studio(space) as served:
        context = browser.new_context(viewport={"width": 1280, "height": 1600})
        page = context.new_page()
        page.goto(served.first_address)
        page.goto(served.root + "/plan")
        lane = page.get_by_label("crop a few", exact=True)
        lane.locator("select[name=kind]").select_option("mask")
        lane.get_by_role("button", name="Add a step").click()
        lane.get_by_role("heading", name="2. mask").wait_for()
        lane.locator(".card").nth(1).locator("h3").drag_to(lane.locator(".card").nth(0).locator("h3"))
        lane.get_by_role("heading", name="1. mask").wait_for()
        crop = lane.locator(".card").nth(1)
        crop.locator("select[name=when]").select_option("once")
        lane.locator(".card.broken .problem").wait_for()
        page.get_by_role("button", name="Undo").click()
        lane.locator(".card.broken").wait_for(state="detached")
        assert "mask" in space.document.text
        context.close()
