"""`strata export sheets` with `mode: append` and `mode: upsert`: what was in the sheet before stays."""

import datetime

import pytest
from conftest import BOOK
from spreadsheet import Sheet, Spreadsheet
from test_sheets import COLUMNS, ROWS, SHOWN, text_cell


def test_append(project, read, fake):
    project.rows(COLUMNS, ROWS).export(mode="append").send(STRATA_RUN_ID="one")
    assert read.values() == SHOWN
    project.send(STRATA_RUN_ID="one")
    assert read.values() == SHOWN
    project.rows(COLUMNS, [["tiktok", 1.0]]).send(STRATA_RUN_ID="two")
    project.send(STRATA_RUN_ID="two")
    assert read.values() == SHOWN + [["tiktok", 1]]
    [metadata] = read.metadata("Channels")
    assert metadata["metadataKey"] == "strata:channels_sheet" and "two" in metadata["metadataValue"]
    assert read.cell(4, 0).get("userEnteredFormat", {}).get("textFormat", {}).get("bold") is not True


def test_append_goes_below_the_last_row_and_grows_the_grid(project, read, fake):
    book = fake.book(BOOK, Spreadsheet(sheets=[Sheet(5, "Channels", rows=5, columns=2)]))
    book.sheets[0].put(0, 0, [text_cell("channel"), text_cell("spend")])
    book.sheets[0].put(3, 1, [text_cell("a note of someone")])
    project.rows(COLUMNS, ROWS).export(mode="append").send()
    assert read.values() == [["channel", "spend"], [], [], ["", "a note of someone"]] + SHOWN[1:]
    assert read.sheets()["Channels"]["gridProperties"]["rowCount"] >= 7


def test_append_of_many_rows(project, read, fake):
    project.model("select i, 'text ' || i as name, i + 0.5 as half from range(9000) t(i) order by i").export(mode="append")
    project.send(STRATA_RUN_ID="one")
    project.send(STRATA_RUN_ID="one")
    rows = [[i, f"text {i}", i + 0.5] for i in range(9000)]
    assert read.values() == [["i", "name", "half"]] + rows
    project.send(STRATA_RUN_ID="two")
    assert read.values() == [["i", "name", "half"]] + rows * 2 and read.stagings() == []


# Upsert


def test_upsert(project, read, fake):
    project.rows(COLUMNS, ROWS).export(mode="upsert", key=["channel"]).send(STRATA_RUN_ID="one")
    assert read.values() == SHOWN
    sheet = fake.books[BOOK].sheet("Channels")
    sheet.rows[1], sheet.rows[2] = sheet.rows[2], sheet.rows[1]  # someone sorts the sheet
    sheet.column_count = 6
    sheet.put(1, 4, [text_cell("a note")])
    project.rows(COLUMNS, [["google", None], ["facebook", 8.0], ["tiktok", 1.0]])
    for _ in range(2):
        project.send(STRATA_RUN_ID="two")
        assert read.values() == [["channel", "spend"], ["facebook", 8, "", "", "a note"], ["google"], ["organic"], ["tiktok", 1]]


def test_keys_of_every_kind(project, read):
    columns = ["day date", "code varchar", "n bigint", "big bigint", "yes boolean", "at timestamp", "amount decimal(10,2)", "v int"]
    day, at = datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 13, 45, 59, 123456)
    rows = [[day, "007", 7, 2**60 + 1, True, at, 0.1, 1], [day, "7", 7, 2**60 + 1, True, at, 0.1, 2],
            [day, "7", 7, 2**60, True, at, 0.1, 3], [day, "7", 7, 2**60, False, at, 0.3, 4],
            [day, "x,y", 7, 0, False, at, 0.3, 5], [day, "=1+1", -1, 0, False, at + datetime.timedelta(microseconds=1000), 0.3, 6]]
    project.rows(columns, rows).export(mode="upsert", key=[c.split()[0] for c in columns[:-1]]).send(STRATA_RUN_ID="one")
    assert [row[-1] for row in read.values()] == ["v", 1, 2, 3, 4, 5, 6]
    project.rows(columns, [row[:-1] + [row[-1] * 10] for row in rows[::-1]]).send(STRATA_RUN_ID="two")
    assert [row[-1] for row in read.values()] == ["v", 10, 20, 30, 40, 50, 60]


def test_someone_adds_a_column_while_the_export_runs(project, read, fake):
    """Between the export's reading and its writing: the grid must not shrink to what it was."""
    project.rows(COLUMNS, ROWS).export(mode="upsert", key=["channel"]).send()
    columns, rows = (read.sheets()["Channels"]["gridProperties"][k] for k in ("columnCount", "rowCount"))
    real = fake.answer

    def answer(entry):
        out = real(entry)
        if entry.method == "GET":
            sheet = fake.books[BOOK].sheet("Channels")
            sheet.column_count, sheet.row_count = columns + 1, rows + 5
            sheet.put(1, columns, [text_cell("a note")])
            sheet.put(rows + 4, 0, [text_cell("below")])
        return out
    fake.answer = answer
    project.send()
    fake.answer = real
    shown = read.values()
    assert shown[1] == ["google", 12.5] + [""] * (columns - 2) + ["a note"] and shown[-1] == ["below"]


def test_upsert_of_many_rows(project, read, fake):
    sql = "select i, i * {} as v, 'text' as t from range({}) t(i) order by i"
    project.model(sql.format(1, 9000)).export(mode="upsert", key=["i"]).send(STRATA_RUN_ID="one")
    project.model(sql.format(2, 9500)).send(STRATA_RUN_ID="two")
    assert read.values() == [["i", "v", "t"]] + [[i, i * 2, "text"] for i in range(9500)]
    assert read.stagings() == []


def test_columns_are_found_by_their_header(project, read, fake):
    """Someone moved the columns and put others between; those stay as they are."""
    book = fake.book(BOOK, Spreadsheet(sheets=[Sheet(5, "Channels", rows=10, columns=5)]))
    book.sheets[0].put(0, 0, [text_cell(t) for t in ("note", "spend", "more", "channel")])
    book.sheets[0].put(1, 0, [text_cell("n1"), {"userEnteredValue": {"numberValue": 1}}, text_cell("m1"), text_cell("facebook")])
    book.sheets[0].put(2, 2, [text_cell("m2")])
    project.rows(COLUMNS, ROWS).export(mode="upsert", key=["channel"]).send()
    head = ["note", "spend", "more", "channel"]
    assert read.values() == [head, ["n1", 7, "m1", "facebook"], ["", "", "m2"], ["", 12.5, "", "google"], ["", "", "", "organic"]]
    # The same through a staging tab.
    long = "x" * 45_000
    project.rows(COLUMNS, [["facebook", 8.0]] + [[f"{i} {long}", 1.0] for i in range(50)]).send()
    assert read.values()[:5] == [head, ["n1", 8, "m1", "facebook"], ["", "", "m2"], ["", 12.5, "", "google"], ["", "", "", "organic"]]
    assert read.values()[5:] == [["", 1, "", f"{i} {long}"] for i in range(50)]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_column_that_the_sheet_does_not_have(project, read, fake, mode):
    book = fake.book(BOOK, Spreadsheet(sheets=[Sheet(5, "Channels")]))
    book.sheets[0].put(0, 0, [text_cell("channel")])
    result = project.rows(COLUMNS, ROWS).export(mode=mode, key=["channel"]).send(code=1)
    assert "spend" in result.text and fake.writes() == []


@pytest.mark.parametrize("rows, words", [([["a", 1.0], [None, 2.0]], "channel"), ([["a", 1.0], ["b", 2.0], ["a", 3.0]], "same key")])
def test_keys_that_do_not_tell_rows_apart(project, fake, rows, words):
    result = project.rows(COLUMNS, rows).export(mode="upsert", key=["channel"]).send(code=1)
    assert words in result.text and fake.writes() == []


def test_an_empty_text_as_a_key(project, read):
    """It cannot be told from no value in a sheet: it is refused, or found again."""
    project.rows(COLUMNS, [["a", 1.0], ["", 2.0]]).export(mode="upsert", key=["channel"])
    for _ in range(2):
        if project.run("export", "sheets").code == 0:
            assert read.values() == [["channel", "spend"], ["a", 1], ["", 2]]


def test_rows_far_apart_are_written_in_place(project, read, fake):
    """Every second row: as many ranges, in one batch which is bounded as well."""
    sql = "select i, i * {} as v from range({}) t(i) where i % {} = 0 order by i"
    project.model(sql.format(1, 18_000, 1)).export(mode="upsert", key=["i"]).send()
    project.model(sql.format(2, 18_000, 2)).send()
    assert read.values() == [["i", "v"]] + [[i, i * (1 if i % 2 else 2)] for i in range(18_000)]


def test_a_key_that_is_no_column(project, fake):
    project.rows(COLUMNS, ROWS).export(mode="upsert", key=["chanel"])
    result = project.run("export", "sheets")
    assert result.code in (1, 2) and "chanel" in result.text and fake.writes() == []
