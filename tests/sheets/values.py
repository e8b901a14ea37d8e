"""Reading values: A1 notation, and what values.get answers for a cell."""

import datetime
import re

from spreadsheet import Refused, column_of

CELL = re.compile(r"\$?([A-Za-z]{1,3})?\$?([0-9]+)?")


def parse(book, text):
    """The sheet and the box (first row, end row, first column, end column) of a range in A1 notation."""
    quoted = re.fullmatch(r"'((?:[^']|'')*)'(?:!(.+))?", text)
    if quoted:
        title, cells = quoted[1].replace("''", "'"), quoted[2]
    elif "!" in text:
        title, cells = text.split("!", 1)
    else:
        # A tab called TAB1 needs quotes: without them, it is the cell in column TAB of the first tab.
        box = cells_of(text)
        title, cells = (book.sheets[0].title, text) if box else (text, None)
    sheet = book.sheet(title)
    box = cells_of(cells) if cells else (0, None, 0, None)
    if sheet is None or box is None:
        raise Refused(f"Unable to parse range: {text}")
    top, bottom, left, right = box
    bottom = sheet.row_count if bottom is None else bottom
    right = sheet.column_count if right is None else right
    return sheet, sheet.inside((top, max(bottom, top + 1), left, max(right, left + 1)))


def cells_of(text):
    """`A1:C`, `A:A`, `2:3`, `B2` as a box with None where it is not bounded; None when it is no such thing."""
    first, colon, last = text.partition(":")
    a, b = CELL.fullmatch(first), CELL.fullmatch(last)
    if not a or not b or not first or (colon and not last) or (not colon and not (a[1] and a[2])):
        return None
    if not colon:
        b = a
    top, left = int(a[2] or 1) - 1, column_of(a[1]) if a[1] else 0
    bottom, right = int(b[2]) if b[2] else None, column_of(b[1]) + 1 if b[1] else None
    return None if top < 0 else (top, bottom, left, right)


def value_range(sheet, box, major, render, dates):
    top, bottom, left, right = box
    rows = [[shown(cell, render, dates) for cell in sheet.rows.get(row, [])[left:right]] for row in range(top, bottom)]
    if major == "COLUMNS":
        tall = max((i + 1 for i, row in enumerate(rows) if row), default=0)
        wide = max(map(len, rows), default=0)
        rows = [[row[i] if i < len(row) else "" for row in rows[:tall]] for i in range(wide)]
    for row in rows:
        while row and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    out = {"range": sheet.a1(box), "majorDimension": major}
    return out | ({"values": rows} if rows else {})


def grid_data(sheet, box):
    """The cells themselves, as spreadsheets.get gives them."""
    top, bottom, left, right = box
    rows = []
    for row in range(top, bottom):
        cells = [dict(cell) for cell in sheet.rows.get(row, [])[left:right]]
        for cell in cells:
            if value := cell.get("userEnteredValue"):
                cell["effectiveValue"] = cell.get("effectiveValue", {"numberValue": 0}) if "formulaValue" in value else value
                cell["formattedValue"] = shown(cell, "FORMATTED_VALUE", "")
        rows.append({"values": cells} if cells else {})
    while rows and not rows[-1]:
        rows.pop()
    return {"startRow": top, "startColumn": left, "rowData": rows}


def shown(cell, render, dates):
    value = cell.get("userEnteredValue")
    if not value:
        return ""
    if "formulaValue" in value:
        # Nothing is worked out here: a test gives the result with the formula.
        value = {"stringValue": value["formulaValue"]} if render == "FORMULA" else cell.get("effectiveValue", {"numberValue": 0})
    [value] = value.values()
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE") if render == "FORMATTED_VALUE" else value
    if isinstance(value, str):
        return value
    kind = cell.get("userEnteredFormat", {}).get("numberFormat", {}).get("type")
    if kind in ("DATE", "DATE_TIME") and (render == "FORMATTED_VALUE" or dates == "FORMATTED_STRING"):
        moment = datetime.datetime(1899, 12, 30) + datetime.timedelta(days=value)
        return str(moment.date() if kind == "DATE" else moment)
    number = int(value) if value == int(value) and abs(value) < 1e15 else value
    return str(number) if render == "FORMATTED_VALUE" else number
