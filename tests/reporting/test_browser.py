"""The report in a real browser: what is clicked, typed and read, and that nothing leaves the file.

`.ci/run` installs the browser. Without one these tests are skipped, but not in CI.
"""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from makers.reports import CLASSES, HOSTILE, make_page, make_records

import isi_keras as isi

pytestmark = pytest.mark.once
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDTHS = (390, 1280)
MINUS = "\N{MINUS SIGN}"


def absent(what):
    if os.environ.get("EXPECT_BROWSER"):
        pytest.fail(f"{what} is missing: .ci/run installs it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        absent(f"a browser, one of {', '.join(BROWSERS)},")
    with sync_playwright() as player:
        running = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_page().save(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return make_page(few=True).save(tmp_path_factory.mktemp("few") / "report.html")


def until(page, true):
    """Waits until an expression is true; the page itself forbids to evaluate texts later."""
    for _ in range(100):
        if page.evaluate(true):
            return
        page.wait_for_timeout(20)
    raise AssertionError(true)


@pytest.fixture
def opened(browser, path):
    """Opens the report; at the end nothing was written to the console, and nothing asked for."""
    said, asked, contexts, places = [], [], [], []

    def open_(width=1280, scheme="light", path=path, **options):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        places.append(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == set(places)


@pytest.fixture
def page(opened):
    return opened()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_names_stay_text(opened, width, scheme):
    page = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("h3", has_text=HOSTILE).first.is_visible()
    page.select_option("[name=clean]", label=HOSTILE)
    assert HOSTILE in page.locator("#cards li").first.inner_text()


def numbers(page):
    texts = page.locator("#cards .quiet").all_inner_texts()
    return [int(text.split()[1].rstrip(":")) for text in texts]


def test_filters_and_order(page):
    assert numbers(page) == list(range(12))
    page.select_option("[name=outcome]", "0")
    assert numbers(page) == [2]
    page.click("text=Clear filters")
    until(page, "document.querySelectorAll('#cards li').length === 12")
    page.select_option("[name=stop]", label="misclassified")
    assert numbers(page) == [11]
    page.select_option("[name=stop]", "")
    page.fill("[name=least]", "3")
    page.fill("[name=most]", "5")
    assert numbers(page) == [2, 3, 4]
    page.select_option("[name=sort]", "l0_feature down")
    assert numbers(page) == [4, 3, 2]
    assert page.inner_text("#found") == "3 of 12 samples"
    page.fill("[name=least]", "1000")
    assert page.inner_text("#which") == "No sample fits the filters."


def test_a_pair_of_classes_shows_its_samples(page):
    button = page.locator(".matrix button[data-result=l0][data-clean='2'][data-final='3']")
    button.click()
    until(page, "document.querySelectorAll('#cards li').length === 3")
    assert numbers(page) == [2, 6, 10]
    assert button.get_attribute("aria-pressed") == "true"
    assert 'cat → "quoted"' in page.inner_text("#which")


def pixels(page):
    return page.evaluate(
        "(() => { const c = document.querySelector('canvas');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; })()"
    )


def test_the_slider_replays_the_attack(page):
    """By keys; sample 4 takes 5 steps, each of which takes an input to the upper bound."""
    page.locator("#cards button").nth(4).press("Enter")
    assert page.evaluate("document.activeElement.id") == "sample"
    slider = page.locator("#step")
    slider.focus()
    until(page, "document.querySelector('canvas').width === 5")
    states = []
    for _ in range(6):
        out = page.inner_text(".logits output >> nth=0"), page.inner_text("#after")
        white = sum(value == 255 for value in pixels(page)[::4])
        states.append((*out, white))
        slider.press("ArrowLeft")
    assert [logit for logit, *_ in states] == [f"{MINUS}2", f"{MINUS}1", "0", "1", "2", "3"]
    assert states[0][1] == "after step 5 of 5, 5 pixels changed"
    assert states[4][1] == "after step 1 of 5, 1 pixel changed"
    assert [state[2] - states[-1][2] for state in states] == [5, 4, 3, 2, 1, 0]
    assert slider.get_attribute("aria-valuetext") == "after step 0 of 5, 0 pixels changed"
    page.click("text=Play")
    until(page, "document.querySelector('#step').value > 0")


def test_a_sample_without_steps_is_drawn_as_it_is(opened, tmp_path):
    """Nothing was done to what is misclassified, where a trajectory was kept, too."""
    attack = make_records()["l0"][11:]
    nothing = {"adversarial": attack.x, "order": 0 * attack.order, "steps": 0 * attack.steps}
    nothing["trajectory"] = attack.trajectory[:, :1]
    still = dataclasses.replace(attack, **nothing)
    page = opened(path=isi.report(still, classes=CLASSES).save(tmp_path / "one.html"))
    until(page, "document.querySelector('canvas').width === 5")
    page.wait_for_timeout(100)
    assert set(pixels(page)[3::4]) == {255}
    assert page.locator("#step").count() == 0


def test_maps_lie_over_the_image(page):
    assert "maps: red speaks for" in page.inner_text("#panels")
    page.check("text=map over the image")
    assert page.locator(".over img").count() == 2
    page.click("#next")
    assert page.locator(".over img").count() == 2


def test_columns_have_their_names(page):
    page.select_option("[name=result]", label=HOSTILE)
    rows = page.locator("#panels tr.changed")
    assert rows.first.inner_text().startswith("column <i>0</i>")
    assert rows.first.locator("td.rule").inner_text() == "frozen"
    page.locator("#cards button").nth(2).click()
    assert page.locator("#panels tr.changed").count() == 3
    page.locator("#step").press("ArrowLeft")
    assert page.locator("#panels tr.changed").count() == 2


def test_a_map_of_a_table_names_its_columns(page):
    page.select_option("[name=result]", label="why")
    assert page.locator("#panels tbody th").first.inner_text() == "column <i>0</i>"


def test_keys_reach_everything(opened, few):
    page = opened(path=few)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"clean", "sort", "pictured", "next", "step"} <= reached


def test_it_prints(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert not page.locator("form").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, few, scheme):
    try:
        import axe_playwright_python
    except ImportError:
        absent("axe-playwright-python")
    page = opened(scheme=scheme, path=few, bypass_csp=True)
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
