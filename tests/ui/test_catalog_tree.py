"""The catalog tree in JupyterLab: what it shows, by mouse and by keyboard, and what it withstands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import Notebook
from tests.ui.sample import EVIL

SHOW = "CatalogTree(session)"


class Tree:
    """A catalog tree in a notebook, as a person sees it."""

    def __init__(self, notebook: Notebook, root: Locator) -> None:
        self.notebook = notebook
        self.page: Page = notebook.page
        self.root = root
        self.details = root.locator(".sdb-details")

    def item(self, name: str) -> Locator:
        """A row by the name it begins with."""
        return self.root.get_by_role("treeitem", name=re.compile(rf"^{re.escape(name)},"))

    def open(self, *path: str) -> Locator:
        """Click down a path; the last row."""
        for name in path:
            row = self.item(name)
            if row.get_attribute("aria-expanded") != "true":
                row.click()
        return self.item(path[-1])

    @property
    def focused(self) -> str:
        """The name of the row that has the focus."""
        label = self.page.evaluate("document.activeElement.getAttribute('aria-label')")
        return str(label).split(",")[0]

    def tab(self, name: str) -> None:
        self.root.get_by_role("tab", name=name).click()

    def search(self, text: str) -> Locator:
        self.root.get_by_role("combobox").fill(text)
        return self.root.get_by_role("option")


@pytest.fixture
def tree(notebook: Notebook) -> Iterator[Tree]:
    tree = Tree(notebook, notebook.show(SHOW))
    expect(tree.item("athena")).to_be_visible()
    yield tree
    assert notebook.errors == []


def test_it_opens_from_sources_to_columns_with_types_counts_and_partitions(tree: Tree) -> None:
    expect(tree.root.get_by_role("treeitem")).to_have_count(3)
    events = tree.open("athena", "analytics", "events")
    expect(events).to_contain_text("337k rows · 41.2 MB")
    expect(events.locator(".sdb-badge")).to_have_text("365")
    events.locator(".sdb-tree-twisty").click()
    column = tree.item("amount")
    expect(column).to_contain_text("decimal(18, 4)")
    expect(column).to_have_attribute("aria-level", "4")
    expect(tree.item("dt")).to_contain_text("partition")
    expect(tree.item("sessions")).to_have_attribute("aria-label", re.compile("view table"))


def test_details_show_columns_with_native_types_and_comments(tree: Tree, screenshots: Path) -> None:
    tree.open("athena", "analytics", "events")
    expect(tree.details.locator("h3")).to_have_text("events")
    expect(tree.details).to_contain_text(
        "external table · 336,776 rows · 41.2 MB · 365 partitions · 365 files"
    )
    expect(tree.details).to_contain_text("s3://example-events/events/")
    rows = tree.details.locator(".sdb-column")
    expect(rows).to_have_count(11)
    expect(rows.nth(3)).to_contain_text("timestamp('UTC')")
    expect(rows.nth(3)).to_contain_text("timestamp with time zone")
    expect(rows.nth(3)).to_contain_text("When it happened, UTC")
    tree.notebook.picture(tree.root, screenshots / "catalog-columns.png")


def test_a_preview_shows_values_exactly(tree: Tree, screenshots: Path) -> None:
    tree.open("athena", "analytics", "events")
    tree.tab("Preview")
    cells = tree.details.get_by_role("gridcell")
    expect(cells.first).to_have_text("9007199254740993")
    assert tree.details.locator("[data-row='3'][data-column='0']").text_content() == "9007199254740996"
    expect(tree.details.locator("[data-row='0'][data-column='3']")).to_have_text("2013-01-01 00:00:00+00")
    expect(tree.details.locator("[data-row='0'][data-column='4']")).to_have_class(re.compile("sdb-null"))
    expect(tree.details).to_contain_text("first 100 rows")
    tree.notebook.picture(tree.root, screenshots / "catalog-preview.png")


def test_a_profile_says_what_it_is_based_on(tree: Tree, screenshots: Path) -> None:
    tree.open("athena", "analytics", "events")
    tree.tab("Profile")
    expect(tree.details).to_contain_text("of the first 10,000 rows")
    rows = tree.details.locator(".sdb-profile-row")
    expect(rows).to_have_count(11)
    amount = rows.filter(has_text="amount")
    expect(amount).to_contain_text("80 %")
    expect(amount.get_by_role("img", name=re.compile("Histogram of amount"))).to_be_visible()
    kinds = rows.filter(has_text="event_type")
    expect(kinds).to_contain_text("Game Opened")
    expect(kinds).to_contain_text("4,000")
    tree.notebook.picture(tree.root, screenshots / "catalog-profile.png")


def test_an_unreachable_source_says_why_and_hurts_no_other(tree: Tree, screenshots: Path) -> None:
    rds = tree.item("rds")
    expect(rds).to_contain_text("unreachable")
    rds.click()
    expect(tree.details.get_by_role("alert")).to_contain_text(
        "no connection to weather.example:3306: connection refused"
    )
    expect(tree.details.get_by_role("alert")).to_contain_text("start the server, or correct [aws.rds] host")
    tree.notebook.picture(tree.root, screenshots / "catalog-unreachable.png")
    expect(tree.open("aurora", "crm", "members")).to_contain_text("5,000 rows")
    rds.click()
    tree.notebook.run("sample.UnreachableSource.repaired.set()")
    tree.details.get_by_role("button", name="Refresh").click()
    expect(tree.item("weather")).to_be_visible()
    expect(rds).not_to_contain_text("unreachable")
    tree.notebook.run("sample.UnreachableSource.repaired.clear()")


def test_a_refused_preview_shows_the_reason_and_the_next_step(tree: Tree) -> None:
    tree.open("aurora", "crm", "secrets")
    tree.tab("Preview")
    alert = tree.details.get_by_role("alert")
    expect(alert).to_contain_text("reading secrets is not allowed to analyst")
    expect(alert).to_contain_text("ask its owner for SELECT")
    alert.get_by_role("button", name="Try again").click()
    expect(tree.details.get_by_role("alert")).to_contain_text("not allowed")


def test_search_finds_columns_with_their_path_and_marks_what_matches(tree: Tree, screenshots: Path) -> None:
    tree.item("athena").click()
    tree.page.keyboard.press("/")
    tree.page.keyboard.type("member_code")
    hits = tree.root.get_by_role("option")
    expect(hits).to_have_count(2)
    expect(hits.first.locator("mark").first).to_have_text("member_code")
    paths = [" ".join(text.split()) for text in hits.locator(".sdb-hit-path").all_text_contents()]
    assert sorted(paths) == ["athena › analytics › events", "aurora › crm › members"]
    expect(hits.first).to_have_attribute("aria-selected", "true")
    tree.notebook.picture(tree.root, screenshots / "catalog-search.png")
    tree.page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = hits.nth(1).locator(".sdb-hit-path").text_content() or ""
    tree.page.keyboard.press("Enter")
    expect(tree.details.locator("h3")).to_have_text(chosen.split(" › ")[-1])
    expect(tree.details.locator(".sdb-wanted")).to_contain_text("member_code")
    tree.page.keyboard.press("Escape")
    expect(hits).to_have_count(0)
    tree.page.keyboard.press("Escape")
    assert tree.focused == "athena"


def test_a_hit_is_shown_in_the_tree(tree: Tree) -> None:
    hits = tree.search("fact_07777")
    expect(hits.first).to_contain_text("fact_07777")
    hits.first.click()
    tree.details.get_by_role("button", name="Show in the tree").click()
    expect(tree.item("fact_07777")).to_be_in_viewport()
    expect(tree.item("fact_07777")).to_be_focused()
    expect(tree.item("fact_07777")).to_have_attribute("aria-selected", "true")


def test_a_search_without_hits_says_so(tree: Tree) -> None:
    tree.search("zzzzqqqq")
    expect(tree.root.locator(".sdb-hits-count")).to_have_text("Nothing is named like “zzzzqqqq”")


def test_the_keyboard_does_it_all(tree: Tree) -> None:
    press = tree.page.keyboard.press
    tree.item("athena").focus()
    press("ArrowRight")
    expect(tree.item("analytics")).to_be_visible()
    press("ArrowRight")
    assert tree.focused == "analytics"
    press("ArrowRight")
    expect(tree.item("events")).to_be_visible()
    press("ArrowDown")
    assert tree.focused == "events"
    press("Enter")
    expect(tree.details.locator("h3")).to_have_text("events")
    assert tree.focused == "events"
    press("ArrowLeft")
    assert tree.focused == "analytics"
    press("ArrowLeft")
    expect(tree.item("events")).to_have_count(0)
    press("End")
    assert tree.focused == "rds"
    press("Home")
    assert tree.focused == "athena"
    tree.page.keyboard.type("au")
    assert tree.focused == "aurora"
    press("ArrowUp")
    press("Space")
    expect(tree.item("athena")).to_have_attribute("aria-expanded", "true")
    expect(tree.root.locator("[role=treeitem][tabindex='0']")).to_have_count(1)


def test_typing_in_the_tree_runs_no_command_of_jupyterlab(tree: Tree) -> None:
    before = tree.notebook.cell_count
    tree.item("athena").focus()
    for key in ("a", "b", "d", "d", "x", "m", "Enter", "Shift+Enter"):
        tree.page.keyboard.press(key)
    assert tree.page.evaluate("document.activeElement.getAttribute('role')") == "treeitem"
    tree.open("athena", "analytics", "events")
    tree.root.get_by_role("tab", name="Preview").focus()
    for key in ("a", "d", "d", "x"):
        tree.page.keyboard.press(key)
    assert tree.notebook.cell_count == before
    assert tree.page.evaluate("document.activeElement.getAttribute('role')") == "tab"


def test_names_and_a_select_go_to_the_clipboard(tree: Tree) -> None:
    clipboard = "navigator.clipboard.readText()"
    tree.open("aurora", "crm", "members")
    tree.details.get_by_role("button", name="Copy the name").click()
    expect(tree.root.locator(".sdb-status")).to_have_text("Copied aurora.crm.members")
    assert tree.page.evaluate(clipboard) == "aurora.crm.members"
    tree.details.get_by_role("button", name="Copy a SELECT").click()
    expect(tree.root.locator(".sdb-status")).to_contain_text("Copied a SELECT")
    assert tree.page.evaluate(clipboard) == (
        "%%aurora --database crm\nSELECT member_id, member_code, tier, registration_date, balance, note\n"
        "FROM members\nLIMIT 100"
    )
    tree.open("athena", "analytics", "events")
    expect(tree.details.locator("h3")).to_have_text("events")
    tree.item("events").focus()
    tree.page.keyboard.press("Control+c")
    expect(tree.root.locator(".sdb-status")).to_have_text("Copied athena.analytics.events")


def test_ten_thousand_tables_scroll_with_few_elements(tree: Tree) -> None:
    tree.open("athena")
    tree.open("warehouse")
    expect(tree.item("warehouse")).to_contain_text("10,000")
    expect(tree.item("fact_00000")).to_be_visible()
    assert tree.root.get_by_role("treeitem").count() < 80
    tree.item("warehouse").focus()
    tree.page.keyboard.type("fact_09990")
    assert tree.focused == "fact_09990"
    expect(tree.item("fact_09990")).to_be_in_viewport()
    for top in (50_000, 200_000, 120_345):
        tree.root.locator(".sdb-tree").evaluate("(tree, top) => { tree.scrollTop = top }", top)
        expect(tree.item(f"fact_{(top // 26) - 1:05d}")).to_be_visible()
    assert tree.root.get_by_role("treeitem").count() < 80
    expect(tree.item("fact_04630")).to_have_attribute("aria-setsize", "10000")
    expect(tree.item("fact_04630")).to_have_attribute("aria-posinset", "4631")


def test_data_is_never_markup(tree: Tree) -> None:
    tree.open("aurora", "crm", EVIL)
    expect(tree.details.locator("h3")).to_have_text(EVIL)
    tree.tab("Preview")
    expect(tree.details.get_by_role("gridcell").first).to_have_text(EVIL)
    tree.tab("Profile")
    expect(tree.details.locator(".sdb-profile-row")).to_contain_text(EVIL)
    tree.search("onerror")
    expect(tree.root.get_by_role("option").first).to_contain_text(EVIL)
    assert tree.root.locator("img").count() == 0
    assert tree.page.evaluate("window.pwned") is None


def test_it_follows_the_dark_theme(tree: Tree, screenshots: Path) -> None:
    tree.open("athena", "analytics", "events")
    tree.tab("Profile")
    expect(tree.details.locator(".sdb-profile-row")).to_have_count(11)
    light = tree.root.evaluate("root => getComputedStyle(root).backgroundColor")
    tree.notebook.theme("JupyterLab Dark")
    try:
        expect(tree.root).to_have_attribute("data-theme", "dark")
        dark = tree.root.evaluate("root => getComputedStyle(root).backgroundColor")
        assert (brightness(light), brightness(dark)) == (
            pytest.approx(1, abs=0.1),
            pytest.approx(0.1, abs=0.1),
        )
        assert contrast(tree.root.locator(".sdb-source-name").first) >= 7
        assert contrast(tree.root.locator(".sdb-meta").first) >= 4.5
        tree.notebook.picture(tree.root, screenshots / "catalog-dark.png")
    finally:
        tree.notebook.theme("JupyterLab Light")
    expect(tree.root).to_have_attribute("data-theme", "light")
    assert contrast(tree.root.locator(".sdb-meta").first) >= 4.5


def test_two_views_of_one_widget_go_their_own_ways(notebook: Notebook) -> None:
    roots = notebook.show(
        "from IPython.display import display\nshown = CatalogTree(session)\ndisplay(shown, shown)"
    )
    expect(roots).to_have_count(2)
    first, second = Tree(notebook, roots.nth(0)), Tree(notebook, roots.nth(1))
    expect(first.open("athena", "analytics", "events")).to_be_visible()
    expect(second.item("athena")).to_have_attribute("aria-expanded", "false")
    expect(second.open("aurora", "crm", "members")).to_be_visible()
    expect(second.details.locator("h3")).to_have_text("members")
    expect(first.details.locator("h3")).to_have_text("events")
    assert notebook.errors == []


def test_it_answers_while_a_cell_is_running(tree: Tree) -> None:
    tree.page.evaluate(
        """() => {
            const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
            const running = kernel.requestExecute({ code: 'import time; time.sleep(5)' });
            running.done.then(() => (window.cellEnded = true));
        }"""
    )
    expect(tree.open("athena", "analytics", "events")).to_be_visible()
    expect(tree.details.locator("h3")).to_have_text("events")
    assert tree.page.evaluate("window.cellEnded") is None
    tree.page.wait_for_function("window.cellEnded")


def brightness(color: str) -> float:
    """0 black … 1 white, of a CSS ``rgb(…)`` or ``color(srgb …)``."""
    return sum(channels(color)) / 3


def channels(color: str) -> list[float]:
    numbers = [float(number) for number in re.findall(r"[\d.]+", color)][:3]
    return numbers if color.startswith("color(") else [number / 255 for number in numbers]


def contrast(text: Locator) -> float:
    """WCAG's contrast ratio of a text on the widget's surface."""
    fore, back = text.evaluate(
        "text => [getComputedStyle(text).color, getComputedStyle(text.closest('.sdb')).backgroundColor]"
    )

    def luminance(color: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(fore), luminance(back)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
