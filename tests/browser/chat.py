"""Tests the chat in several tabs of a browser: messages, dead tabs, and a restart of the server."""

import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Error, expect, sync_playwright

HOME = Path(os.environ["TIGHTWIRE_BROWSER_HOME"])
IMAGE = Path(__file__).resolve().parents[2] / "docs" / "images" / "chat.png"
IMAGE_MAX = 150_000  # bytes
PATIENCE = 20_000  # milliseconds for whatever has to show itself; a busy machine needs some

# Chromium reports failed attempts to connect. They are expected while the server is down.
OFFLINE = re.compile(r"^WebSocket connection to 'ws://[^']+/ws' failed")


class Server:
    """The example, which can be killed and started again on the same port."""

    def __init__(self):
        self.address = "127.0.0.1:0"
        self.child = None

    def start(self):
        command = [os.environ["TIGHTWIRE_CHAT"], self.address, "--until-eof"]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.child.stdout.readline()
        self.url = re.search(r"http://\S+/", line)[0]
        self.address = self.url.removeprefix("http://").rstrip("/")

    def kill(self):
        self.child.kill()
        self.child.communicate()

    def stop(self):
        """Ends the input of the server, and waits for its exit."""
        self.child.communicate(timeout=PATIENCE / 1000)
        return self.child.returncode


class People:
    """The tabs, each with its own profile, and the errors in them."""

    def __init__(self, browser, server):
        self.browser, self.server = browser, server
        self.errors = []
        self.offline = False

    def come(self, name, room="lobby", **options):
        """Opens the page, and joins a room with the keyboard alone."""
        page = self.open(room, **options)
        expect(page.get_by_label("Your name")).to_be_focused()
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        return page

    def open(self, room="lobby", **options):
        context = self.browser.new_context(**{"reduced_motion": "reduce"} | options)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self.console)
        page.goto(f"{self.server.url}#{quote(room, safe='')}")
        return page

    def console(self, message):
        expected = self.offline and OFFLINE.match(message.text)
        if message.type in ("error", "warning") and not expected:
            self.errors.append(message.text)


def say(page, text):
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def said(page, text):
    """Returns the bubbles with exactly this text."""
    return page.locator("#log .text").filter(has_text=re.compile(f"^{re.escape(text)}$"))


def is_connected(page):
    expect(page.get_by_role("status")).to_have_text("Connected")


def here(page, *names):
    expect(page.locator("#members li span:last-child")).to_have_text(list(names))


def event(page, text):
    expect(page.locator("#log .event").filter(has_text=text)).to_have_count(1)


# ---- The checks, in order. Each uses the tabs of the previous ones.


def two_tabs_talk(people, tabs):
    ann, ben = tabs["Ann"], tabs["Ben"] = people.come("Ann"), people.come("Ben")
    tabs["Ann"] = ann
    here(ben, "Ann", "Ben (you)")
    here(ann, "Ann (you)", "Ben")
    event(ann, "Ben came in")
    expect(ann.get_by_label("Message", exact=True)).to_be_focused()
    say(ann, "Hello, Ben!")
    expect(said(ben, "Hello, Ben!")).to_be_visible()
    say(ben, "Hello, Ann!\nTwo lines.")
    expect(said(ann, "Hello, Ann!\nTwo lines.")).to_be_visible()
    for page in ann, ben:
        expect(page.locator("#log .text")).to_have_count(2)
        expect(page.locator("#log .pending")).to_have_count(0)


def a_third_reads_the_history(people, tabs):
    carol = tabs["Carol"] = people.come("Carol")
    expect(carol.locator("#log .text")).to_have_text(["Hello, Ben!", "Hello, Ann!\nTwo lines."])
    here(carol, "Ann", "Ben", "Carol (you)")


def rooms_are_apart(people, tabs):
    other = people.come("Ann", room="spaces & more / ?#%")
    here(other, "Ann (you)")
    expect(other.locator("#where")).to_have_text("spaces & more / ?#%")
    expect(other.locator("#log .text")).to_have_count(0)
    other.context.close()


def markup_stays_text(people, tabs):
    markup = "<img src=x onerror='window.hit = 1'><script>window.hit = 1</script>"
    say(tabs["Ben"], markup)
    expect(said(tabs["Ann"], markup)).to_be_visible()
    assert tabs["Ann"].evaluate("window.hit") is None
    assert tabs["Ann"].locator("#log img").count() == 0


def the_policy_stops_what_is_not_in_the_page(people, tabs):
    mallory = people.browser.new_context().new_page()
    blocked = []
    mallory.on("console", lambda message: blocked.append(message.text))
    mallory.goto(people.server.url)
    mallory.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hit = 1";
            document.body.append(script);
            const image = document.createElement("img");
            image.setAttribute("onerror", "window.hit = 1");
            image.src = "/nothing";
            document.body.append(image);
        }"""
    )
    mallory.wait_for_timeout(200)  # nothing is to happen
    assert mallory.evaluate("window.hit") is None
    assert any("Content Security Policy" in text for text in blocked), blocked
    mallory.context.close()


def the_latency_is_shown(people, tabs):
    expect(tabs["Carol"].locator("#latency")).to_have_text(re.compile(r"^\d+(\.\d)? ms$"))


def a_name_that_is_taken_is_refused(people, tabs):
    page = people.come("aNN")
    expect(page.get_by_role("alert")).to_have_text(re.compile("has that name already"))
    expect(page.get_by_label("Your name")).to_have_value("aNN")
    page.get_by_label("Your name").fill("Anna")
    page.keyboard.press("Enter")
    here(page, "Ann", "Ben", "Carol", "Anna (you)")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_label("Your name")).to_be_focused()
    here(tabs["Ann"], "Ann (you)", "Ben", "Carol")
    page.context.close()


def a_tab_that_is_loaded_anew_is_in_again(people, tabs):
    carol = tabs["Carol"]
    carol.reload()
    is_connected(carol)
    expect(said(carol, "Hello, Ben!")).to_be_visible()
    here(tabs["Ann"], "Ann (you)", "Ben", "Carol")


def a_tab_that_dies_leaves_the_list(people, tabs):
    ben = tabs.pop("Ben")
    with ben.expect_event("crash"):
        try:
            ben.goto("chrome://crash")
        except Error:
            pass  # there is nobody left to answer
    for name in "Ann", "Carol":
        event(tabs[name], "Ben left")
    here(tabs["Ann"], "Ann (you)", "Carol")
    ben.context.close()


def messages_wait_for_the_server(people, tabs):
    ann, carol = tabs["Ann"], tabs["Carol"]
    people.offline = True
    people.server.kill()
    for page in ann, carol:
        expect(page.get_by_role("status")).to_have_text("No connection")
        expect(page.get_by_role("button", name="Try now")).to_be_visible()
    for n in range(1, 21):
        say(ann, f"while you were out, {n}")
    expect(ann.locator("#log .pending")).to_have_count(20)
    expect(ann.locator("#log .pending .fate").last).to_have_text("Waiting for the connection")
    # One more message is refused visibly, and stays in the input field.
    say(ann, "one too many")
    expect(ann.get_by_role("alert")).to_have_text(re.compile("Too many messages are waiting"))
    expect(ann.get_by_label("Message", exact=True)).to_have_value("one too many")

    people.server.start()
    for page in ann, carol:
        is_connected(page)
    people.offline = False
    for page in ann, carol:
        expect(said(page, "while you were out, 20")).to_be_visible()
        late = page.locator("#log .text").filter(has_text="while you were out")
        expect(late).to_have_text([f"while you were out, {n}" for n in range(1, 21)])
    expect(ann.locator("#log .pending")).to_have_count(0)
    expect(ann.locator("#members li")).to_have_count(2)
    say(carol, "Welcome back.")
    expect(said(ann, "Welcome back.")).to_be_visible()
    # Messages from before the restart, which the server no longer has, are still shown.
    expect(said(ann, "Hello, Ben!")).to_be_visible()


def too_much_at_once_is_refused_visibly(people, tabs):
    carol = tabs["Carol"]
    for n in range(30):
        say(carol, f"flood {n}")
    failed = carol.locator("#log .failed")
    expect(failed.first).to_be_visible()
    expect(failed.first.locator(".fate")).to_contain_text("Not sent. That was too much at once")
    expect(carol.locator("#log .pending")).to_have_count(0)
    carol.wait_for_timeout(1_000)  # two messages are earned by waiting so long
    text = failed.first.locator(".text").inner_text()
    failed.first.get_by_role("button", name="Send again").click()
    expect(said(tabs["Ann"], text)).to_be_visible()


def the_server_says_goodbye(people, tabs):
    ann = tabs["Ann"]
    people.offline = True
    assert people.server.stop() == 0
    expect(ann.get_by_role("status")).to_have_text("The server went away")
    people.server.start()
    ann.get_by_role("button", name="Try now").click()
    is_connected(ann)
    is_connected(tabs["Carol"])
    people.offline = False


def nothing_sticks_out_of_a_phone(people, tabs):
    for scheme in "light", "dark":
        phone = {"viewport": {"width": 320, "height": 568}, "color_scheme": scheme}
        page = people.open("phone", **phone)
        assert_fits(page)
        page.screenshot(path=HOME / f"join-phone-{scheme}.png")
        page.get_by_label("Your name").fill(f"{scheme} {'W' * 16}")
        page.keyboard.press("Enter")
        is_connected(page)
        say(page, "unbroken" * 40)
        say(page, "And a message of some more words, as people write them to each other.")
        expect(page.locator("#log .pending")).to_have_count(0)
        expect(page.locator("#log .text").first).to_be_visible()
        assert_fits(page)
        for name in "Send", "Leave":
            expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
        page.screenshot(path=HOME / f"chat-phone-{scheme}.png")
        tabs[scheme] = page
    for scheme in "light", "dark":
        tabs.pop(scheme).context.close()


def assert_fits(page):
    wide = page.evaluate(
        """["html", "header", "#log", "#say", "#join"].filter((selector) => {
            const element = document.querySelector(selector);
            return element.scrollWidth > element.clientWidth;
        })"""
    )
    assert not wide, wide


def light_and_dark_can_be_read(people, tabs):
    """The contrast between text and background is at least 4.5 to 1, as WCAG 2 requires."""
    for scheme in "light", "dark":
        wide = {"viewport": {"width": 1120, "height": 660}, "color_scheme": scheme}
        page = people.open("garden", **wide)
        assert_contrast(page)
        page.get_by_label("Your name").fill("Iris")
        page.keyboard.press("Enter")
        is_connected(page)
        others = [people.come(name, room="garden") for name in ("Linden", "Rowan")]
        talk(page, *others)
        expect(page.locator("#latency")).to_have_text(re.compile("ms$"))
        assert_contrast(page)
        page.screenshot(path=HOME / f"chat-{scheme}.png")
        for tab in page, *others:
            tab.context.close()
        # A new, empty room, so that both pictures show the same.
        people.server.stop()
        people.server.start()


def talk(iris, linden, rowan):
    lines = [
        (linden, "Is anybody in the garden?"),
        (iris, "Always. The page you are looking at came from the same port."),
        (rowan, "One process, one thread for each of us, and no runtime behind it."),
        (rowan, "I pulled the plug on it a minute ago."),
        (linden, "I saw. My message waited, and went out when it was back."),
        (iris, "And in the order in which you typed."),
    ]
    for speaker, text in lines:
        say(speaker, text)
        expect(said(iris, text)).to_be_visible()
        expect(iris.locator("#log .pending")).to_have_count(0)


def assert_contrast(page):
    poor = page.evaluate(CONTRAST)
    assert not poor, poor


CONTRAST = r"""() => {
    const parse = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map((value) => value / 255)
        .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, n) => sum + value * [0.2126, 0.7152, 0.0722][n], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility({ visibilityProperty: true })) continue;
        if (element.matches("script, style")) continue;
        const pair = [getComputedStyle(element).color, behind(element)];
        const [low, high] = [luminance(parse(pair[0])), luminance(pair[1])].sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 80), ratio, ...pair]);
    }
    return poor;
}"""


CHECKS = [
    two_tabs_talk,
    a_third_reads_the_history,
    rooms_are_apart,
    markup_stays_text,
    the_policy_stops_what_is_not_in_the_page,
    the_latency_is_shown,
    a_name_that_is_taken_is_refused,
    a_tab_that_is_loaded_anew_is_in_again,
    a_tab_that_dies_leaves_the_list,
    messages_wait_for_the_server,
    too_much_at_once_is_refused_visibly,
    the_server_says_goodbye,
    nothing_sticks_out_of_a_phone,
    light_and_dark_can_be_read,
]


def run(playwright, profile):
    server = Server()
    server.start()
    browser = playwright.chromium.launch(
        executable_path=os.environ["CHROMIUM"],
        args=["--no-sandbox"],  # it does not start as root with one
        env=os.environ | {"TMPDIR": profile},
    )
    people, tabs, failed = People(browser, server), {}, 0
    try:
        for check in CHECKS:
            name = check.__name__.replace("_", " ")
            try:
                check(people, tabs)
                errors, people.errors = people.errors, []
                assert not errors, f"in the console: {errors}"
                print(f"ok   {name}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {name}", flush=True)
                traceback.print_exc(file=sys.stdout)
                for who, page in tabs.items():
                    page.screenshot(path=HOME / f"failed-{who}.png")
                break  # those that follow go on from here
    finally:
        browser.close()
        server.kill()
    return failed


def main():
    expect.set_options(timeout=PATIENCE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with sync_playwright() as playwright:
            failed = run(playwright, profile)
    if failed == 0 and "--screenshot" in sys.argv[1:]:
        image = (HOME / "chat-light.png").read_bytes()
        assert len(image) <= IMAGE_MAX, f"{len(image)} bytes are too many for {IMAGE}"
        IMAGE.parent.mkdir(exist_ok=True)
        IMAGE.write_bytes(image)
        print(f"{IMAGE}: {len(image)} bytes")
    print(f"{len(CHECKS)} checks, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
