"""The result table in JupyterLab: exact values, paging, sorting and filtering in the kernel, copying."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import Notebook
from tests.ui.sample import EVIL

ROWS = 300_000


class Table:
    """A result table in a notebook, as a person sees it."""

    def __init__(self, notebook: Notebook, root: Locator) -> None:
        self.notebook = notebook
        self.page: Page = notebook.page
        self.root = root
        self.grid = root.get_by_role("grid")
        self.summary = root.locator(".sdb-summary")

    def cell(self, row: int, column: int) -> Locator:
        return self.root.locator(f".sdb-grid-td[data-row='{row}'][data-column='{column}']")

    def column(self, index: int, rows: int) -> list[str | None]:
        return [self.cell(row, index).text_content() for row in range(rows)]

    def header(self, name: str) -> Locator:
        return self.root.get_by_role("columnheader", name=re.compile(f"^{re.escape(name)},"))

    def filter(self, column: str, condition: str, value: str | None) -> None:
        self.header(column).hover()
        self.root.get_by_role("button", name=f"Filter {column}").click()
        dialog = self.root.get_by_role("dialog")
        dialog.get_by_role("combobox").select_option(condition)
        if value is not None:
            dialog.get_by_role("textbox").fill(value)
        dialog.get_by_role("button", name="Apply").click()

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))


@pytest.fixture
def show(notebook: Notebook) -> Iterator[Callable[[str], Table]]:
    yield lambda code: Table(notebook, notebook.show(code))
    assert notebook.errors == []


@pytest.fixture
def large(show: Callable[[str], Table]) -> Table:
    table = show('ResultTable(con.table("large"), footer="athena · 41.2 MB scanned · $0.0002 · 1.8 s")')
    expect(table.cell(0, 0)).to_have_text("9007199254740993")
    return table


def test_every_value_is_shown_exactly(show: Callable[[str], Table], screenshots: Path) -> None:
    table = show('ResultTable(con.table("exact"))')
    table.cell(0, 0).click()
    shown = []
    for column in range(20):
        expect(table.cell(0, column)).to_be_in_viewport()
        shown.append(table.cell(0, column).text_content())
        table.page.keyboard.press("ArrowRight")
    assert shown == [
        "9223372036854775807",
        "18446744073709551615",
        "170141183460469231731687303715884105727",
        "12345678901234567890.123456789",
        "0.30000000000000004",
        "NaN",
        "-Infinity",
        "0.1",
        "2013-01-01 03:00:00.123456+00",
        "2013-01-01 05:00:00.123456789",
        "12000-06-30",
        "05:00:00.5",
        "05:00:00+02",
        "1 month 2 days 00:00:03.5",
        "0x00FFDEAD",
        "550e8400-e29b-41d4-a716-446655440000",
        "[1, NULL, 9007199254740993]",
        "{'a': 1, 'b': [{'c': 1.50}]}",
        "NULL",
        "",
    ]
    table.notebook.picture(table.root, screenshots / "table-exact.png")


def test_it_shows_types_and_aligns_numbers_right(large: Table, screenshots: Path) -> None:
    expect(large.header("id")).to_contain_text("int64")
    expect(large.header("fare")).to_contain_text("decimal(18, 4)")
    assert large.cell(0, 0).evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    assert large.cell(0, 1).evaluate("cell => getComputedStyle(cell).textAlign") in ("left", "start")
    expect(large.cell(4, 1)).to_have_class(re.compile("sdb-null"))
    expect(large.summary).to_have_text("300,000 rows")
    expect(large.root).to_contain_text("athena · 41.2 MB scanned · $0.0002 · 1.8 s")
    large.notebook.picture(large.root, screenshots / "table.png")


def test_it_pages_to_the_last_row_with_few_elements(large: Table) -> None:
    large.cell(0, 0).click()
    large.page.keyboard.press("Control+End")
    expect(large.cell(ROWS - 1, 0)).to_have_text(str(9007199254740993 + ROWS - 1))
    assert large.root.get_by_role("row").count() < 60
    large.page.keyboard.press("Control+Home")
    expect(large.cell(0, 0)).to_have_text("9007199254740993")
    large.grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight / 2 }")
    middle = large.root.locator(f".sdb-grid-td[data-column='0'][data-row='{ROWS // 2}']")
    expect(middle).to_have_text(str(9007199254740993 + ROWS // 2))


def test_the_wheel_moves_by_rows_however_long_the_table(large: Table) -> None:
    large.cell(0, 0).hover()
    for _ in range(5):
        large.page.mouse.wheel(0, 140)
    expect(large.cell(25, 0)).to_be_in_viewport()
    expect(large.cell(25, 0)).to_have_text(str(9007199254740993 + 25))
    expect(large.cell(20, 0)).not_to_be_in_viewport()


def test_sorting_happens_in_the_kernel_over_all_rows(large: Table) -> None:
    large.header("delay").click()
    expect(large.header("delay")).to_have_attribute("aria-sort", "ascending")
    expect(large.cell(0, 3)).to_have_text("0.0")
    large.header("delay").click()
    expect(large.header("delay")).to_have_attribute("aria-sort", "descending")
    expect(large.cell(0, 3)).to_have_text("NaN")
    large.header("carrier").click()
    large.header("delay").click(modifiers=["Shift"])
    expect(large.header("delay")).to_contain_text("2")
    expect(large.cell(0, 1)).to_have_text("AA")
    expect(large.cell(0, 3)).to_have_text("0.1")
    large.header("carrier").click()
    expect(large.header("carrier")).to_have_attribute("aria-sort", "descending")
    expect(large.header("delay")).to_have_attribute("aria-sort", "none")
    expect(large.cell(0, 1)).to_have_text("UA")
    large.cell(0, 1).click()
    large.page.keyboard.press("Control+End")
    large.page.keyboard.press("ArrowLeft")
    expect(large.cell(ROWS - 1, 1)).to_have_text("NULL")


def test_filters_hold_together_and_can_be_taken_away(large: Table, screenshots: Path) -> None:
    large.filter("carrier", "contains", "u")
    expect(large.summary).to_have_text("60,000 of 300,000 rows")
    large.filter("id", "<=", "9007199254741093")
    expect(large.summary).to_have_text("21 of 300,000 rows")
    assert set(large.column(1, 10)) == {"UA"}
    large.notebook.picture(large.root, screenshots / "table-filtered.png")
    large.root.get_by_role("button", name="Remove filter carrier contains u").click()
    expect(large.summary).to_have_text("101 of 300,000 rows")
    large.filter("carrier", "null", None)
    expect(large.summary).to_have_text("20 of 300,000 rows")
    large.filter("note", "=", "no such note")
    expect(large.root).to_contain_text("No row matches the filters")
    large.root.get_by_role("button", name="Clear filters").click()
    expect(large.summary).to_have_text("300,000 rows")


def test_a_value_that_does_not_fit_is_explained_where_it_was_typed(large: Table) -> None:
    large.filter("id", "=", "twelve")
    dialog = large.root.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_have_text("'twelve' is not a number")
    dialog.get_by_role("textbox").fill("9007199254740994")
    large.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(large.summary).to_have_text("1 of 300,000 rows")


def test_cells_rows_and_areas_are_copied_as_tab_separated_values(large: Table) -> None:
    status = large.root.locator(".sdb-status")
    large.cell(2, 0).click()
    large.page.keyboard.press("Control+c")
    expect(status).to_have_text("Copied the cell")
    assert large.clipboard() == "9007199254740995"
    large.cell(3, 1).click()
    large.cell(5, 2).click(modifiers=["Shift"])
    large.page.keyboard.press("Control+c")
    expect(status).to_have_text("Copied 3 rows × 2 columns")
    assert large.clipboard() == "DL\t3.1415\n\t4.1415\nUA\t5.1415"
    large.root.locator(".sdb-grid-number[data-row='7']").click()
    large.page.keyboard.press("Control+Shift+c")
    expect(status).to_have_text("Copied 1 row × 5 columns")
    assert (
        large.clipboard()
        == 'id\tcarrier\tfare\tdelay\tnote\n9007199254741000\tB6\t7.1415\t0.7\t"two\nlines, ""q"""'
    )


def test_a_long_value_is_cut_in_the_grid_and_whole_in_its_window(show: Callable[[str], Table]) -> None:
    table = show('ResultTable(ibis.memtable({"long": ["ab" * 4000]}))')
    assert len(table.cell(0, 0).text_content() or "") == 501
    table.cell(0, 0).dblclick()
    window = table.root.get_by_role("dialog").locator("pre")
    expect(window).to_have_text("ab" * 4000)
    table.page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    table.page.keyboard.press("Control+c")
    expect(table.root.locator(".sdb-status")).to_have_text("Copied the cell")
    assert table.clipboard() == "ab" * 4000


def test_columns_are_resized_by_mouse_and_keyboard(large: Table) -> None:
    def width() -> float:
        box = large.header("carrier").bounding_box()
        assert box is not None
        return box["width"]

    before = width()
    handle = large.header("carrier").locator(".sdb-th-handle").bounding_box()
    assert handle is not None
    large.page.mouse.move(handle["x"] + 4, handle["y"] + 20)
    large.page.mouse.down()
    large.page.mouse.move(handle["x"] + 64, handle["y"] + 20)
    large.page.mouse.up()
    expect(large.header("carrier")).to_have_css("width", f"{before + 60:g}px")
    large.cell(0, 1).click()
    large.page.keyboard.press("Alt+Shift+ArrowLeft")
    expect(large.header("carrier")).to_have_css("width", f"{before + 44:g}px")


def test_the_keyboard_does_it_all(large: Table) -> None:
    press = large.page.keyboard.press
    cells = large.notebook.cell_count
    large.grid.focus()
    press("ArrowUp")
    press("ArrowRight")
    # drawn with the next frame, so waited for
    expect(large.grid).to_have_attribute("aria-activedescendant", re.compile("-h-1$"))
    active = large.grid.get_attribute("aria-activedescendant")
    expect(large.page.locator(f"#{active}")).to_contain_text("carrier")
    press("Enter")
    expect(large.header("carrier")).to_have_attribute("aria-sort", "ascending")
    press("f")
    large.page.keyboard.type("B6")
    press("Enter")
    expect(large.summary).to_have_text("60,000 of 300,000 rows")
    expect(large.grid).to_be_focused()
    for key in ("a", "b", "d", "d", "x", "m"):
        press(key)
    assert large.notebook.cell_count == cells
    expect(large.grid).to_be_focused()


def test_it_says_how_much_of_a_limited_result_is_here(show: Callable[[str], Table]) -> None:
    known = show('ResultTable(con.table("large").limit(1000), available=336_776)')
    expect(known.summary).to_have_text("first 1,000 of 336,776 rows")
    unknown = show('ResultTable(con.table("large").limit(1000), more=True)')
    expect(unknown.summary).to_have_text("first 1,000 rows (there are more)")
    capped = show('ResultTable(con.table("large").mutate(twice=ibis._.delay * 2), max_rows=500)')
    expect(capped.summary).to_have_text("first 500 of 300,000 rows")


def test_a_result_without_rows_says_so(show: Callable[[str], Table]) -> None:
    table = show('ResultTable(con.table("large").filter(ibis._.id < 0))')
    expect(table.root).to_contain_text("No rows")
    expect(table.header("carrier")).to_be_visible()


def test_data_is_never_markup(show: Callable[[str], Table]) -> None:
    table = show(
        "ResultTable(ibis.memtable({sample.EVIL: [sample.EVIL]}), footer=sample.EVIL, label=sample.EVIL)"
    )
    expect(table.cell(0, 0)).to_have_text(EVIL)
    expect(table.root.locator(".sdb-footer")).to_contain_text(EVIL)
    table.filter(EVIL, "contains", EVIL)
    expect(table.root.locator(".sdb-chip")).to_contain_text(EVIL)
    assert table.root.locator("img").count() == 0
    assert table.page.evaluate("window.pwned") is None


def test_a_table_that_was_replaced_is_not_shown_under_the_old_head(show: Callable[[str], Table]) -> None:
    create = 'con.raw_sql("CREATE TABLE passing AS SELECT range AS n FROM range(500)")'
    table = show(f'{create}\nResultTable(con.table("passing"))')
    table.notebook.run('con.raw_sql("CREATE OR REPLACE TABLE passing AS SELECT 1 AS other")')
    table.header("n").click()
    alert = table.root.get_by_role("alert")
    expect(alert).to_contain_text("the table passing was replaced since it was shown")
    expect(alert).to_contain_text("run the cell again")


def test_it_follows_the_dark_theme(large: Table, screenshots: Path) -> None:
    large.notebook.theme("JupyterLab Dark")
    try:
        expect(large.root).to_have_attribute("data-theme", "dark")
        expect(large.cell(0, 1)).to_be_visible()
        large.cell(1, 1).click()
        large.cell(3, 2).click(modifiers=["Shift"])
        large.notebook.picture(large.root, screenshots / "table-dark.png")
    finally:
        large.notebook.theme("JupyterLab Light")
