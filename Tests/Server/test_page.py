"""The page in headless Chromium: a conversation, a search, and what assistive programs find.

Skipped where chromium and chromedriver (Debian: chromium-driver) are not installed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from running import PATIENCE, Server

webdriver = pytest.importorskip("selenium.webdriver")

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromedriver are not installed")
TALK = "[...document.querySelectorAll('#talk p')].map((p) => p.children[1].textContent)"
FOUND = "[...document.querySelectorAll('#found li')].map((li) => li.innerText.split('\\n'))"


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,800"):
        options.add_argument(f"--{flag}")
    # No address but the server's own can be reached.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE)
    driver.get(server.url)
    yield driver
    left = complaints(driver)
    driver.quit()
    assert left == []


def complaints(page: webdriver.Chrome) -> list[str]:
    """What the browser has to say of the page since the last call."""
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def find(page: webdriver.Chrome, name: str) -> webdriver.remote.webelement.WebElement:
    return page.find_element("id", name)


def wait(page: webdriver.Chrome, script: str) -> object:
    """What a script of the page gives first that is true."""
    loop = "const done = arguments[0]; (function look() { const value = (() => %s)(); "
    loop += "if (value) done(value); else setTimeout(look, 20); })()"
    return page.execute_async_script(loop % script)


def test_a_conversation(page: webdriver.Chrome, server: Server) -> None:
    wait(page, "!document.getElementById('chat').hidden")
    messages: list[dict[str, str]] = []
    for text in ("Who are you?", "Go <b>on</b>"):
        find(page, "message").send_keys(text, "\ue007")
        wait(page, "document.getElementById('chat-note').textContent.includes('tokens in')")
        messages.append({"role": "user", "content": text})
        shown = page.execute_script(f"return {TALK}")
        assert shown[:-1] == [message["content"] for message in messages]
        messages.append({"role": "assistant", "content": shown[-1]})
    find(page, "anew").click()
    assert page.execute_script("return document.querySelectorAll('#talk p').length") == 0


def test_an_answer_is_stopped(page: webdriver.Chrome, server: Server) -> None:
    # The tiny model says anything but an end when it is told to.
    page.execute_script(
        "window.plain = window.fetch; window.fetch = (path, options) => { if (options?.body) options.body = "
        "JSON.stringify({...JSON.parse(options.body), logit_bias: {2: -100}}); return plain(path, options); }"
    )
    find(page, "message").send_keys("Talk", "\ue007")
    # At once, as the tiny model is fast.
    has_begun = "document.querySelector('#talk p.assistant')?.children[1].textContent"
    wait(page, f"{has_begun} && (document.getElementById('stop').click(), true)")
    wait(page, "!document.getElementById('send').hidden")
    assert "tokens in" not in find(page, "chat-note").text
    page.execute_script("window.fetch = window.plain")
    server.wait(lambda: server.metric("soniq_running_texts") == 0)
    find(page, "anew").click()


def test_a_search(page: webdriver.Chrome, server: Server) -> None:
    wait(page, "!document.getElementById('search').hidden")
    for name, text in (("lines", "abc\nk l m\nabcd\n\nabc"), ("query", "abc")):
        find(page, name).clear()
        find(page, name).send_keys(text)
    find(page, "look").click()
    wait(page, "document.querySelectorAll('#found li').length === 3")
    rows = page.execute_script(f"return {FOUND}")
    assert rows[0][0].startswith("abc") and sorted(row[0] for row in rows) == ["abc", "abcd", "k l m"]
    numbers = [float(row[-1]) for row in rows]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] == 1
    find(page, "query").clear()
    find(page, "query").send_keys("a " * 40, "\ue007")
    wait(page, "document.getElementById('search-note').classList.contains('error')")
    assert "there is room for 22" in find(page, "search-note").text
    # The browser itself notes the refused request.
    (entry,) = complaints(page)
    assert "status of 400" in entry


def test_everything_has_a_name(page: webdriver.Chrome) -> None:
    """As assistive programs see it: no control without a name, headings, landmarks, a language."""
    tree = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [node for node in tree if not node.get("ignored")]
    roles = {"button", "textbox", "combobox", "log", "list", "region"}
    for node in seen:
        if node["role"]["value"] in roles:
            assert node.get("name", {}).get("value"), json.dumps(node)
    names = {node["role"]["value"] for node in seen}
    assert {"main", "banner", "heading", "log", "region", "textbox", "button"} <= names
    assert page.execute_script("return document.documentElement.lang") == "en"
