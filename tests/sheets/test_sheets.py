"""`strata export sheets` against the fake: what stands in the sheet afterwards. Google's client reads it back."""

import datetime

import pytest
from conftest import BOOK, serial
from spreadsheet import Sheet, Spreadsheet

COLUMNS = ["channel varchar", "spend double"]
ROWS = [["google", 12.5], ["facebook", 7.0], ["organic", None]]
SHOWN = [["channel", "spend"], ["google", 12.5], ["facebook", 7], ["organic"]]


def written(cell):
    """The one value of a cell."""
    [value] = cell["userEnteredValue"].values()
    return value


def text_cell(text):
    return {"userEnteredValue": {"stringValue": text}}


# Replace


def test_a_missing_tab_is_made(project, read):
    project.rows(COLUMNS, ROWS).export().send()
    assert read.values() == SHOWN
    assert read.sheets()["Channels"]["gridProperties"]["frozenRowCount"] == 1
    assert all(read.cell(0, i)["userEnteredFormat"]["textFormat"]["bold"] for i in (0, 1))
    assert "textFormat" not in read.cell(1, 0).get("userEnteredFormat", {})
    assert read.values("Sheet1") == []
    assert len(project.fake.writes()) == 1


def test_the_address_of_the_browser_will_do(project, read):
    project.rows(COLUMNS, ROWS).export(spreadsheet=f"https://docs.google.com/spreadsheets/d/{BOOK}/edit?gid=0#gid=0").send()
    assert read.values() == SHOWN


def test_replacing_keeps_the_tab_and_clears_the_rest(project, read, fake):
    book = fake.book(BOOK, Spreadsheet(sheets=[Sheet(0, "Report"), Sheet(77, "Channels", rows=1200, columns=30)]))
    formula = {"userEnteredValue": {"formulaValue": "=SUM(Channels!B2:B1200)"}, "effectiveValue": {"numberValue": 1}}
    book.sheet("Report").put(0, 0, [formula])
    book.sheet("Channels").put(0, 0, [text_cell("old")] * 30)
    book.sheet("Channels").put(1100, 29, [text_cell("far away") | {"userEnteredFormat": {"textFormat": {"italic": True}}}])
    for rows, shown in ((ROWS, SHOWN), (ROWS[:1], SHOWN[:2])):
        project.rows(COLUMNS, rows).export().send()
        assert read.values() == shown
        properties = read.sheets()["Channels"]
        assert properties["sheetId"] == 77
        assert properties["gridProperties"] == {"rowCount": 1200, "columnCount": 30, "frozenRowCount": 1}
        assert not read.cell(1100, 29).get("userEnteredValue")
        assert fake.books[BOOK].sheet("Report").cell(0, 0) == formula
    assert list(read.sheets()) == ["Report", "Channels"]


def test_the_grid_grows(project, read):
    project.model("select i" + "".join(f", i + {n} as c{n}" for n in range(1, 30)) + " from range(600) t(i) order by i")
    project.export(sheet="Sheet1").send()
    assert read.sheets()["Sheet1"]["gridProperties"] == {"rowCount": 1000, "columnCount": 30, "frozenRowCount": 1}
    project.model("select i from range(1500) t(i) order by i").send()
    assert read.sheets()["Sheet1"]["gridProperties"] == {"rowCount": 1501, "columnCount": 30, "frozenRowCount": 1}
    assert read.values("Sheet1") == [["i"]] + [[i] for i in range(1500)]


@pytest.mark.parametrize("mode", ["replace", "append", "upsert"])
def test_no_rows(project, read, mode):
    project.rows(COLUMNS, []).export(mode=mode, key=["channel"] if mode == "upsert" else None).send()
    assert read.values() == SHOWN[:1]
    assert read.sheets()["Channels"]["gridProperties"]["rowCount"] > 1


def test_large_goes_through_a_staging_tab(project, read, fake):
    project.rows(COLUMNS, ROWS).export().send()
    sheet_id = read.sheets()["Channels"]["sheetId"]
    project.model("select i, i * 2 as twice, 'text ' || i as name, i % 2 = 0 as even from range(12000) t(i) order by i")
    before = len(fake.log)
    project.send()
    shown = [["i", "twice", "name", "even"]] + [[i, i * 2, f"text {i}", i % 2 == 0] for i in range(12000)]
    assert read.values() == shown
    assert read.sheets()["Channels"]["sheetId"] == sheet_id and read.stagings() == []
    batches = [[kind for kind, _ in e.requests()] for e in fake.log[before:] if e in fake.writes()]
    staging = fake.log[before:][1].requests()[0][1]["properties"]
    assert staging["hidden"] and staging["title"].startswith("__strata_staging channels_sheet ")
    assert len(batches) >= 4 and not any("copyPaste" in batch for batch in batches[:-1])
    assert "copyPaste" in batches[-1] and "deleteSheet" in batches[-1]
    for e in fake.writes()[1:-1]:
        for kind, body in e.requests():
            if kind == "updateCells":
                assert body["start"]["sheetId"] == staging["sheetId"]
    project.rows(COLUMNS, ROWS).send()
    assert read.values() == SHOWN


def test_two_megabytes_are_large_as_well(project, read, fake):
    project.model("select i, repeat('x', 45000) as long from range(60) t(i) order by i").export().send()
    assert read.values() == [["i", "long"]] + [[i, "x" * 45_000] for i in range(60)]
    assert len(fake.writes()) >= 4 and read.stagings() == []


def test_a_long_name(project, read):
    """A title has at most 100 characters, that of the staging tab as well."""
    project.model("select i, repeat('x', 45000) as long from range(60) t(i) order by i").export("x" * 90).send()
    assert len(read.values()) == 61 and read.stagings() == []


def test_stale_staging_tabs_of_the_same_export_are_deleted(project, read, fake):
    other = "__strata_staging channels_sheet_2 run"
    fake.book(BOOK, Spreadsheet(sheets=[Sheet(0, "Sheet1"), Sheet(1, "__strata_staging channels_sheet run-7", hidden=True),
                                        Sheet(2, other, hidden=True)]))
    project.rows(COLUMNS, ROWS).export().send()
    assert read.values() == SHOWN and read.stagings() == [other]


def test_more_than_ten_million_cells_fail_before_any_write(project, read, fake):
    fake.book(BOOK, Spreadsheet(sheets=[Sheet(0, "Sheet1", rows=999_900, columns=10)]))
    project.model("select i, i as j from range(2000) t(i)").export()
    result = project.send(code=1)
    assert "10,000,000" in result.text and fake.writes() == []
    # Staging counts as well: twice 400,000 cells do not fit where once would.
    fake.book(BOOK, Spreadsheet(sheets=[Sheet(0, "Sheet1", rows=940_000, columns=10)]))
    project.model("select i, i as j from range(200000) t(i)").send(code=1)
    assert fake.writes() == [] and list(read.sheets()) == ["Sheet1"]


# Cells


@pytest.mark.parametrize("sql, value", [
    ("42::int", {"numberValue": 42}),
    ("-9007199254740992::bigint", {"numberValue": -2**53}),
    ("9007199254740993::bigint", {"stringValue": "9007199254740993"}),
    ("-9007199254740993::bigint", {"stringValue": "-9007199254740993"}),
    ("170141183460469231731687303715884105727::hugeint", {"stringValue": str(2**127 - 1)}),
    ("18446744073709551615::ubigint", {"stringValue": str(2**64 - 1)}),
    ("1.10::decimal(18,2)", {"numberValue": 1.1}),
    ("1234567890123.45::decimal(18,2)", {"numberValue": 1234567890123.45}),
    ("1234567890123456.78::decimal(18,2)", {"stringValue": "1234567890123456.78"}),
    ("0.1::double", {"numberValue": 0.1}),
    ("1e300::double", {"numberValue": 1e300}),
    ("0.1::float", {"numberValue": 0.1}),
    ("true", {"boolValue": True}),
    ("'text'", {"stringValue": "text"}),
    ("'12'", {"stringValue": "12"}),
    ("'a3f0e1c2-0000-4000-8000-000000000001'::uuid", {"stringValue": "a3f0e1c2-0000-4000-8000-000000000001"}),
    ("null::int", None),
    ("'nan'::double", None),
    ("'-inf'::double", None),
    ("'nan'::float", None),
])
def test_a_value(project, read, sql, value):
    project.model(f"select 1 as first, {sql} as v, 2 as last").export().send()
    cell = read.cell(1, 1)
    if value and "numberValue" in value:
        assert cell["userEnteredValue"] == {"numberValue": pytest.approx(value["numberValue"], rel=1e-7 if "float" in sql else 1e-15)}
    else:
        assert cell.get("userEnteredValue") == value
    assert written(read.cell(1, 2)) == 2


@pytest.mark.parametrize("sql, parts", [
    ("[1, 2]", "12"), ("{'a': 1, 'b': 'x'}", "a1bx"), ("map {'k': 'v'}", "kv"), ("interval '3 days'", "3"),
    ("'{\"a\": 1}'::json", "a1"), ("'red'::enum('red')", "red")])
def test_other_types_are_text(project, read, sql, parts):
    project.model(f"select {sql} as v").export().send()
    assert all(part in read.cell(1, 0)["userEnteredValue"]["stringValue"] for part in parts)


@pytest.mark.parametrize("sql, text", [
    ("date '1850-01-01'", "1850-01-01"),  # before the first day of a sheet
    ("date '50000-01-01'", "50000-01-01"),
    ("'infinity'::date", "infinity"),
    ("'-infinity'::timestamp", "-infinity"),
    ("timestamp '50000-01-01 12:00:00'", "50000-01-01 12:00:00"),
    ("'infinity'::timestamptz", "infinity"),
    ("bitstring '0101'", "0101"),
    ("123456789012345678901234567890::bignum", "123456789012345678901234567890"),
])
def test_what_a_sheet_has_no_value_for_is_text(project, read, sql, text):
    project.model(f"select {sql} as v").export().send()
    assert read.cell(1, 0)["userEnteredValue"] == {"stringValue": text}


def test_fields_are_rendered_when_the_export_runs(project, read):
    project.rows(COLUMNS, ROWS).export(sheet="{{ target.name }} {{ env_var('SUFFIX') }}")
    project.send(SUFFIX="x")
    assert read.values("dev x") == SHOWN


def test_nan_as_text(project, read):
    project.model("select 'nan'::double as a, 'inf'::double as b, '-inf'::float as c").export(nan="text").send()
    assert [str(v).lower() for v in read.values()[1]] in (["nan", "inf", "-inf"], ["nan", "infinity", "-infinity"])


@pytest.mark.parametrize("sql, moment, kind", [
    ("date '2026-03-01'", datetime.date(2026, 3, 1), "DATE"),
    ("date '1900-01-01'", datetime.date(1900, 1, 1), "DATE"),
    ("timestamp '2026-03-01 13:45:59.5'", datetime.datetime(2026, 3, 1, 13, 45, 59, 500000), "DATE_TIME"),
    ("timestamp_s '2026-03-01 00:00:00'", datetime.datetime(2026, 3, 1), "DATE_TIME"),
    ("timestamptz '2026-03-01 13:00:00+00'", datetime.datetime(2026, 3, 1, 13), "DATE_TIME"),
])
def test_dates_are_numbers_with_a_format(project, read, sql, moment, kind):
    project.model(f"select {sql} as v").export().send(TZ="UTC")
    cell = read.cell(1, 0)
    assert written(cell) == pytest.approx(serial(moment), abs=1e-9)
    assert cell["userEnteredFormat"]["numberFormat"]["type"] == kind
    assert read.values(valueRenderOption="FORMATTED_VALUE")[1][0].startswith(str(moment)[:10])


HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "'quoted", '"double"', "it's", "a\nb\r\nc", "tab\there", "emoji 👩‍👩‍👧 🏳️‍🌈", "\x01\x07\x1f\x7f",
    "back\\slash \\n \\u0041", "  spaces  ", "{{ jinja }}", "TRUE", "1e5", "2026-01-01", "\u2028\u2029", "مرحبا", "\ufeffbom", "#REF!",
    "</script>", "null", ""]


def test_hostile_text_stays_what_it_is(project, read):
    project.rows(["n int", "text varchar", "more varchar"], [[i, text, text * 2] for i, text in enumerate(HOSTILE)]).export().send()
    for i, text in enumerate(HOSTILE):
        assert written(read.cell(i + 1, 0)) == i
        for column, expected in ((1, text), (2, text * 2)):
            cell = read.cell(i + 1, column)
            assert cell.get("userEnteredValue", {"stringValue": ""}) == {"stringValue": expected}, (i, text)


def test_hostile_headers(project, read):
    columns = ["=1+1", "select", 'a "b"', "ü 👍", "x.y"]
    names = ", ".join('1 as "' + c.replace('"', '""') + '"' for c in columns)
    project.model("select " + names).export().send()
    assert [read.cell(0, i)["userEnteredValue"]["stringValue"] for i in range(5)] == columns


@pytest.mark.parametrize("title", ["it's", "''", "Q1 'draft'!A1", "A1", "TAB1", "R1C1", "10%+ü/👍?#&", "\"x\"", "a b:c", "Überblick"])
@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_titles(project, read, title, mode):
    project.rows(COLUMNS, ROWS).export(sheet=title, mode=mode, key=["channel"] if mode == "upsert" else None)
    for run in ("one", "two"):
        project.send(STRATA_RUN_ID=run)
        assert read.values(title) == SHOWN and list(read.sheets()) == ["Sheet1", title]


def test_columns(project, read):
    project.rows([*COLUMNS, "secret int"], [[*row, 1] for row in ROWS])
    project.export(columns=[{"name": "spend", "header": "Spend", "format": "#,##0.00"}, "channel"]).send()
    assert read.values() == [["Spend", "channel"], [12.5, "google"], [7, "facebook"], ["", "organic"]]
    assert read.cell(1, 0)["userEnteredFormat"]["numberFormat"]["pattern"] == "#,##0.00"
    assert "numberFormat" not in read.cell(1, 1).get("userEnteredFormat", {})


def test_upsert_by_a_column_with_a_header_of_its_own(project, read):
    project.rows(COLUMNS, ROWS)
    project.export(mode="upsert", key=["channel"], columns=["spend", {"name": "channel", "header": "Channel"}])
    for run in ("one", "two"):
        project.send(STRATA_RUN_ID=run)
        assert read.values() == [["spend", "Channel"], [12.5, "google"], [7, "facebook"], ["", "organic"]]


def test_long_text(project, read, fake):
    project.model("select i, repeat('x', 49998 + i) as essay from range(5) t(i) order by i").export()
    result = project.send(code=1)
    assert "essay" in result.text and "4" in result.text and "50,000" in result.text
    assert "Channels" not in read.sheets() and read.stagings() == []
    project.export(long_text="cut").send()
    assert [len(row[1]) for row in read.values()[1:]] == [49_998, 49_999, 50_000, 50_000, 50_000]


def test_long_text_of_emoji_is_cut_between_characters(project, read):
    project.model("select repeat('👍', 60000) as essay").export(long_text="cut").send()
    text = read.values()[1][0]
    assert set(text) == {"👍"} and 24_990 <= len(text) <= 50_000
