"""How long the page takes in a browser, with few and with many shards: sort, scroll, a message.

The shards do not exist (tests/adapters/page/fleet_server.py), so that only the browser works. Each
figure is the time from an event until the frame that shows its effect has been painted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import statistics
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from tests.adapters.page.fleet_server import FleetServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUMBERS = ("v1", "v2", "v3")

_CHROMIUM = shutil.which("chromium")
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_SHARDS_PER_SCALE = 5  # 5,000 shards where the scale has 1,000
_FEW = 50  # shards of the page that it is compared with
_TRIES = 7  # of each action in a round; the median counts

_PAINTED = """
const painted = () => new Promise((done) => {
  requestAnimationFrame(() => setTimeout(done)); // a task after the frame was drawn
});
const timed = async (action) => {
  await painted();
  const began = performance.now();
  action();
  await painted();
  return performance.now() - began;
};
"""
_ACTIONS = {
    "sort": """
        const heading = [...document.querySelectorAll("[role=columnheader] button")]
          .find((one) => one.textContent.startsWith("ops/s"));
        return timed(() => heading.click());
    """,
    "scroll": """
        const scroller = document.querySelector(".scroller");
        const far = scroller.scrollTop > 0 ? 0 : scroller.scrollHeight / 2;
        return timed(() => scroller.scrollTo(0, far));
    """,
}
_MEASURES = ("sort", "scroll", "message")
_WATCH = """() => {
    const channel = new MessageChannel();
    window.watched = { longest: 0, ends: false };
    let last = performance.now();
    channel.port1.onmessage = () => {
        const now = performance.now();
        window.watched.longest = Math.max(window.watched.longest, now - last);
        last = now;
        if (!window.watched.ends) channel.port2.postMessage(0);
    };
    channel.port2.postMessage(0);
}"""
_WATCHED = "() => { window.watched.ends = true; return window.watched.longest; }"


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure a page with many shards and one with few, in turns."""
    if _CHROMIUM is None or importlib.util.find_spec("playwright") is None:
        reason = "no browser here: apt-get install chromium, pip install playwright"
        return [Figure(number, skipped=reason) for number in NUMBERS if number in wanted]
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where it is installed

    many, few = _Times(), _Times()
    counts = (_SHARDS_PER_SCALE * scale.shards, _FEW)
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=_CHROMIUM, args=_OPTIONS
        )
        stack.callback(browser.close)
        tabs = [_Tab(stack, browser, count) for count in counts]
        for turn in range(1, scale.rounds + 1):
            for tab, times in zip(tabs, (many, few), strict=True):
                for name in _MEASURES:
                    times.add(name, [tab.measure(name) for _ in range(_TRIES)])
            log_progress(f"top_browser: round {turn} of {scale.rounds}: {many} (few: {few})")
    return [
        Figure(number, many.wall[name], many.cpu[name], f"{_FEW} shards: {few.of(name)}")
        for number, name in zip(NUMBERS, _MEASURES, strict=True)
        if number in wanted
    ]


class _Times:
    """Milliseconds of each action until it was painted, and of CPU time; a value for each round."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {name: [] for name in _MEASURES}
        self.cpu: dict[str, list[float]] = {name: [] for name in _MEASURES}

    def add(self, name: str, tries: Sequence[tuple[float, float]]) -> None:
        self.wall[name].append(statistics.median(wall for wall, _ in tries))
        self.cpu[name].append(statistics.median(cpu for _, cpu in tries))

    def of(self, name: str) -> str:
        wall, cpu = statistics.median(self.wall[name]), statistics.median(self.cpu[name])
        return f"{wall:.0f} ms, {cpu:.0f} of CPU"

    def __str__(self) -> str:
        return "; ".join(f"{name} {self.of(name)}" for name in _MEASURES)


class _Tab:
    """A page that shows all shards of a fleet.

    Args:
        stack: closes the fleet.
        browser: opens the page.
        count: number of shards.
    """

    def __init__(self, stack: contextlib.ExitStack, browser: Browser, count: int) -> None:
        self._fleet = stack.enter_context(FleetServer(count))
        self._page = browser.new_page(viewport={"width": 1920, "height": 1080})
        self._page.goto(self._fleet.url)
        self._page.locator(".row").first.wait_for()
        self._fleet.push()  # so that there are rates
        self._page.locator(".total.hits", has_text="%").wait_for()
        self._devtools = self._page.context.new_cdp_session(self._page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def measure(self, name: str) -> tuple[float, float]:
        """Return the milliseconds of an action, and the CPU time of the page's main thread."""
        before = self._cpu()
        if name == "message":
            wall = self._message_time()
        else:
            wall = float(self._page.evaluate(f"async () => {{ {_PAINTED} {_ACTIONS[name]} }}"))
        return wall, self._cpu() - before

    def _cpu(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return 1000 * float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    def _message_time(self) -> float:
        """Return how long the page is busy with a message in which every shard has changed.

        That is the longest task of the browser's main thread until the message was applied.
        """
        self._page.evaluate(_WATCH)
        state = "down" if self._fleet.shards[0].facts["state"] == "up" else "up"
        self._fleet.shards[0].facts["state"] = state
        self._fleet.push()
        down = self._page.locator(".total.state.down")
        down.wait_for(state="hidden" if state == "up" else "visible")
        return float(self._page.evaluate(_WATCHED))


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
