"""One spreadsheet in memory, and what the Sheets API's batchUpdate does to it.

Only what an export needs is here; anything else is refused. Messages are Google's, where they are known. A cell, a row and
the properties of a sheet are never changed in place, so that a copy is cheap and a batch can be all or nothing.
"""

import random
import re

CELLS = 10_000_000
COLUMNS = 18_278
TEXT = 50_000
ALL = {"cell": [("userEnteredValue",), ("userEnteredFormat",), ("note",)],
       "sheet": [("title",), ("index",), ("hidden",), ("gridProperties",)],
       "metadata": [("metadataKey",), ("metadataValue",), ("visibility",), ("location",)]}
EMPTY = {}


class Refused(Exception):
    def __init__(self, message, code=400, status="INVALID_ARGUMENT", details=None):
        super().__init__(message)
        self.code, self.status, self.details = code, status, details


def paths(mask):
    """The paths of a field mask: `a.b,c(d,e/f)` gives (a, b), (c, d), (c, e, f)."""
    tokens = re.findall(r"[^,()]+|[,()]", mask.replace(" ", ""))
    out, stack, now = [], [()], None
    for token in tokens:
        if token == "(":
            stack.append(now)
            now = None
        elif token in ",)":
            if now is not None:
                out.append(now)
            now = None
            if token == ")":
                if len(stack) == 1:
                    raise Refused(f"Invalid field mask: {mask}")
                stack.pop()
        else:
            now = stack[-1] + tuple(re.split(r"[./]", token))
    if now is not None:
        out.append(now)
    if len(stack) != 1 or not all(all(path) for path in out):
        raise Refused(f"Invalid field mask: {mask}")
    return out


def masked(old, new, mask):
    """`old` with the fields of the mask as in `new`: set, or cleared where `new` has none."""
    out = dict(old)
    for first, *rest in mask:
        if rest:
            inner = masked(out.get(first) or {}, new.get(first) or {}, [rest])
        else:
            inner = new.get(first)
        if inner is None or inner == {}:
            out.pop(first, None)
        else:
            out[first] = inner
    return out


def letters(column):
    """0 is A, 26 is AA."""
    out, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        out = chr(65 + rest) + out
    return out


def column_of(text):
    out = 0
    for c in text.upper():
        out = out * 26 + ord(c) - 64
    return out - 1


class Sheet:
    def __init__(self, sheet_id, title, rows=1000, columns=26, frozen=0, hidden=False):
        self.id, self.title, self.hidden = sheet_id, title, hidden
        self.row_count, self.column_count, self.frozen = rows, columns, frozen
        self.frozen_columns = 0
        self.rows = {}  # row index: list of CellData, which may be shorter than the sheet is wide

    def copy(self):
        new = Sheet.__new__(Sheet)
        new.__dict__.update(self.__dict__, rows=dict(self.rows))
        return new

    def properties(self, index):
        grid = {"rowCount": self.row_count, "columnCount": self.column_count}
        if self.frozen:
            grid["frozenRowCount"] = self.frozen
        if self.frozen_columns:
            grid["frozenColumnCount"] = self.frozen_columns
        out = {"sheetId": self.id, "title": self.title, "index": index, "sheetType": "GRID", "gridProperties": grid}
        return out | ({"hidden": True} if self.hidden else {})

    def cell(self, row, column):
        cells = self.rows.get(row, ())
        return cells[column] if column < len(cells) else EMPTY

    def put(self, row, column, cells):
        """Cells side by side, as they are."""
        old = self.rows.get(row, [])
        gap = [EMPTY] * (column - len(old))
        new = old[:column] + gap + list(cells) + old[column + len(cells):]
        while new and not new[-1]:
            new.pop()
        if new:
            self.rows[row] = new
        else:
            self.rows.pop(row, None)

    def a1(self, box):
        title = self.title if re.fullmatch(r"\w+", self.title) else "'" + self.title.replace("'", "''") + "'"
        return f"{title}!{letters(box[2])}{box[0] + 1}:{letters(box[3] - 1)}{box[1]}"

    def box(self, grid_range):
        """First row, end row, first column, end column of a GridRange, which must lie in the grid."""
        get = grid_range.get
        box = (get("startRowIndex", 0), get("endRowIndex", self.row_count),
               get("startColumnIndex", 0), get("endColumnIndex", self.column_count))
        if min(box) < 0 or box[0] >= box[1] or box[2] >= box[3]:
            raise Refused(f"Invalid GridRange {dict(grid_range)}: the end must be after the start")
        return self.inside(box)

    def inside(self, box):
        if box[1] > self.row_count or box[3] > self.column_count:
            limits = f"Max rows: {self.row_count}, max columns: {self.column_count}"
            raise Refused(f"Range ({self.a1(box)}) exceeds grid limits. {limits}")
        return box

    def overlay(self, box, rows, mask):
        """Writes the masked fields of `rows` at the start of the box, and clears them in the rest of it."""
        top, bottom, left, right = box
        clear = top + len(rows)
        for offset, cells in enumerate(rows):
            if top + offset >= bottom:
                raise Refused(f"Attempting to write row: {bottom}, beyond the last requested row of: {bottom - 1}")
            if left + len(cells) > right:
                raise Refused(f"Attempting to write column: {right}, beyond the last requested column of: {right - 1}")
            old = self.rows.get(top + offset)
            if not old:
                new = [masked(EMPTY, cell, mask) for cell in cells]
            else:
                width = right - left
                cells = list(cells) + [EMPTY] * (min(width, len(old) - left) - len(cells))
                new = [masked(self.cell(top + offset, left + i), cell, mask) for i, cell in enumerate(cells)]
            self.put(top + offset, left, new)
        for row in [r for r in self.rows if clear <= r < bottom] if clear < bottom else []:
            width = min(right, len(self.rows[row])) - left
            if width > 0:
                self.put(row, left, [masked(self.cell(row, left + i), EMPTY, mask) for i in range(width)])


class Spreadsheet:
    def __init__(self, title="Test", sheets=None):
        self.title = title
        self.sheets = sheets or [Sheet(0, "Sheet1")]
        self.metadata = []

    def copy(self):
        new = Spreadsheet(self.title, [sheet.copy() for sheet in self.sheets])
        new.metadata = list(self.metadata)
        return new

    def sheet(self, title):
        return next((s for s in self.sheets if s.title == title), None)

    def by_id(self, sheet_id):
        for sheet in self.sheets:
            if sheet.id == sheet_id:
                return sheet
        raise Refused(f"No grid with id: {sheet_id}")

    def resource(self, spreadsheet_id, url):
        sheets = []
        for index, sheet in enumerate(self.sheets):
            found = [m for m in self.metadata if m["location"].get("sheetId") == sheet.id]
            sheets.append({"properties": sheet.properties(index)} | ({"developerMetadata": found} if found else {}))
        found = [m for m in self.metadata if m["location"].get("spreadsheet")]
        properties = {"title": self.title, "locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": "Etc/GMT"}
        out = {"spreadsheetId": spreadsheet_id, "properties": properties, "sheets": sheets, "spreadsheetUrl": url}
        return out | ({"developerMetadata": found} if found else {})

    def apply(self, requests):
        """A copy with the requests done, and their replies."""
        new, replies = self.copy(), []
        if not requests:
            raise Refused("Must specify at least one request.")
        for number, request in enumerate(requests):
            if len(request) != 1:
                what = "no kind is set" if not request else f"oneof field 'kind' is already set. Cannot set '{list(request)[1]}'"
                raise Refused(f"Invalid value at 'requests[{number}]' (oneof), {what}")
            [(kind, body)] = request.items()
            do = KINDS.get(kind)
            if do is None:
                raise Refused(f"the fake does not know the request '{kind}'", 501, "UNIMPLEMENTED")
            try:
                replies.append(do(new, body) or {})
                new.check()
            except Refused as e:
                raise Refused(f"Invalid requests[{number}].{kind}: {e}", e.code, e.status) from e
        return new, replies

    def check(self):
        if sum(s.row_count * s.column_count for s in self.sheets) > CELLS:
            raise Refused(f"This action would increase the number of cells in the workbook above the limit of {CELLS} cells.")

    def check_sheet(self, sheet):
        if not 1 <= len(sheet.title) <= 100:
            raise Refused("The sheet name must have 1 to 100 characters.")
        if any(s is not sheet and s.title.casefold() == sheet.title.casefold() for s in self.sheets):
            raise Refused(f'A sheet with the name "{sheet.title}" already exists. Please enter another name.')
        if sheet.row_count < 1 or sheet.column_count < 1:
            raise Refused("A sheet needs at least one row and one column.")
        if sheet.column_count > COLUMNS:
            raise Refused(f"A sheet may have at most {COLUMNS} columns.")
        if sheet.frozen >= sheet.row_count or sheet.frozen_columns >= sheet.column_count:
            raise Refused("You can't freeze all visible rows or columns on the sheet.")
        if all(s.hidden for s in self.sheets):
            raise Refused("You can't hide all the sheets in a document.")

    def add_sheet(self, body):
        given = body.get("properties", {})
        grid = given.get("gridProperties", {})
        sheet_id = given.get("sheetId", random.randrange(1, 2**31))
        if sheet_id < 0:
            raise Refused("The sheet id must not be negative.")
        if any(s.id == sheet_id for s in self.sheets):
            raise Refused(f"Sheet with id {sheet_id} already exists.")
        title = given.get("title", f"Sheet{len(self.sheets) + 1}")
        sheet = Sheet(sheet_id, title, grid.get("rowCount", 1000), grid.get("columnCount", 26),
                      grid.get("frozenRowCount", 0), given.get("hidden", False))
        sheet.frozen_columns = grid.get("frozenColumnCount", 0)
        self.sheets.insert(given.get("index", len(self.sheets)), sheet)
        self.check_sheet(sheet)
        return {"addSheet": {"properties": sheet.properties(self.sheets.index(sheet))}}

    def delete_sheet(self, body):
        sheet = self.by_id(body.get("sheetId", 0))
        if not any(s is not sheet and not s.hidden for s in self.sheets):
            raise Refused("You can't remove all the visible sheets in a document.")
        self.sheets.remove(sheet)
        self.metadata = [m for m in self.metadata if m["location"].get("sheetId") != sheet.id]

    def update_sheet_properties(self, body):
        given = body.get("properties", {})
        sheet = self.by_id(given.get("sheetId", 0))
        mask = mask_of(body, "sheet")
        new = masked(sheet.properties(self.sheets.index(sheet)), given, mask)
        grid = new.get("gridProperties", {})
        sheet.title, sheet.hidden = new.get("title", ""), new.get("hidden", False)
        sheet.row_count, sheet.column_count = grid.get("rowCount", 0), grid.get("columnCount", 0)
        sheet.frozen, sheet.frozen_columns = grid.get("frozenRowCount", 0), grid.get("frozenColumnCount", 0)
        if ("index",) in mask:
            self.sheets.remove(sheet)
            self.sheets.insert(new.get("index", len(self.sheets)), sheet)
        self.check_sheet(sheet)
        width = sheet.column_count
        sheet.rows = {r: c if len(c) <= width else c[:width] for r, c in sheet.rows.items() if r < sheet.row_count}

    def update_cells(self, body):
        mask = mask_of(body, "cell")
        rows = [row.get("values", []) for row in body.get("rows", [])]
        for row in rows:
            for cell in row:
                check_cell(cell)
        if ("range" in body) == ("start" in body):
            raise Refused("Exactly one of 'range' and 'start' must be set.")
        if "range" in body:
            sheet = self.by_id(body["range"].get("sheetId", 0))
            sheet.overlay(sheet.box(body["range"]), rows, mask)
            return
        start = body["start"]
        sheet, top, left = self.by_id(start.get("sheetId", 0)), start.get("rowIndex", 0), start.get("columnIndex", 0)
        for name, index, end in (("row", top, sheet.row_count), ("column", left, sheet.column_count)):
            if not 0 <= index < end:
                raise Refused(f"GridCoordinate.{name}Index[{index}] is after last {name} in grid[{end}]")
        for offset, cells in enumerate(rows):
            if top + offset >= sheet.row_count:
                raise Refused(f"Attempting to write row: {top + offset}, beyond the last requested row of: {sheet.row_count - 1}")
            if left + len(cells) > sheet.column_count:
                last = sheet.column_count - 1
                raise Refused(f"Attempting to write column: {last + 1}, beyond the last requested column of: {last}")
            if cells:
                sheet.overlay((top + offset, top + offset + 1, left, left + len(cells)), [cells], mask)

    def repeat_cell(self, body):
        mask, cell = mask_of(body, "cell"), body.get("cell", {})
        check_cell(cell)
        sheet = self.by_id(body.get("range", {}).get("sheetId", 0))
        box = sheet.box(body.get("range", {}))
        bare = not masked(EMPTY, cell, mask)
        rows = [] if bare else [[cell] * (box[3] - box[2])] * (box[1] - box[0])
        sheet.overlay(box, rows, mask)

    def append_dimension(self, body):
        sheet, length = self.by_id(body.get("sheetId", 0)), body.get("length", 0)
        if length < 1:
            raise Refused("The length must be positive.")
        if body.get("dimension") == "ROWS":
            sheet.row_count += length
        elif body.get("dimension") == "COLUMNS":
            sheet.column_count += length
        else:
            raise Refused("A dimension must be set.")
        self.check_sheet(sheet)

    def copy_paste(self, body):
        kind = body.get("pasteType", "PASTE_NORMAL")
        mask = {"PASTE_NORMAL": ALL["cell"], "PASTE_VALUES": [("userEnteredValue",)],
                "PASTE_FORMAT": [("userEnteredFormat",)]}.get(kind)
        if mask is None or body.get("pasteOrientation", "NORMAL") != "NORMAL":
            raise Refused(f"the fake does not paste {kind}", 501, "UNIMPLEMENTED")
        source = self.by_id(body.get("source", {}).get("sheetId", 0))
        target = self.by_id(body.get("destination", {}).get("sheetId", 0))
        top, bottom, left, right = source.box(body["source"])
        height, width = bottom - top, right - left
        to = target.box(body["destination"])
        # Repeated where the destination is a multiple of the source; else the whole source, also beyond its end.
        tall, wide = to[1] - to[0], to[3] - to[2]
        tall = tall if tall % height == 0 else height
        wide = wide if wide % width == 0 else width
        to = target.inside((to[0], to[0] + tall, to[2], to[2] + wide))
        rows = {r: source.rows[r][left:right] for r in range(top, bottom) if r in source.rows}
        for row in range(tall):
            cells = rows.get(top + row % height, [])
            cells = cells if wide == width else (cells + [EMPTY] * (width - len(cells))) * (wide // width)
            if kind == "PASTE_NORMAL":
                target.put(to[0] + row, to[2], cells + [EMPTY] * (wide - len(cells)))
            else:
                target.overlay((to[0] + row, to[0] + row + 1, to[2], to[3]), [cells], mask)

    def create_metadata(self, body):
        given = body.get("developerMetadata", {})
        location = given.get("location", {})
        if not given.get("metadataKey") or given.get("visibility") not in ("DOCUMENT", "PROJECT"):
            raise Refused("Developer metadata must have a key and a visibility.")
        if len([k for k in ("sheetId", "spreadsheet", "dimensionRange") if k in location]) != 1 or "dimensionRange" in location:
            raise Refused("Developer metadata must have one location, which is a sheet or the spreadsheet.")
        kind = "SHEET" if "sheetId" in location else "SPREADSHEET"
        if kind == "SHEET":
            self.by_id(location["sheetId"])
        metadata_id = given.get("metadataId", random.randrange(1, 2**31))
        if metadata_id <= 0 or any(m["metadataId"] == metadata_id for m in self.metadata):
            raise Refused(f"The metadata id {metadata_id} is not positive, or there already.")
        new = given | {"metadataId": metadata_id, "location": location | {"locationType": kind}}
        self.metadata.append(new)
        return {"createDeveloperMetadata": {"developerMetadata": new}}

    def update_metadata(self, body):
        mask = mask_of(body, "metadata")
        found = [m for m in self.metadata if any(matches(m, f) for f in body.get("dataFilters", []))]
        if not found:
            raise Refused("No developer metadata matches the data filters.")
        new = [masked(m, body.get("developerMetadata", {}), mask) for m in found]
        if any(not m.get("metadataKey") or not m.get("visibility") or not m.get("location") for m in new):
            raise Refused("Developer metadata must have a key, a visibility and a location.")
        self.metadata = [new[found.index(m)] if m in found else m for m in self.metadata]
        return {"updateDeveloperMetadata": {"developerMetadata": new}}


def mask_of(body, what):
    mask = paths(body.get("fields", ""))
    if not mask:
        raise Refused("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    mask = ALL[what] if mask == [("*",)] else mask
    known = {path[0] for path in ALL[what]}
    for path in mask:
        if path[0] not in known:
            raise Refused(f"Invalid field: {'.'.join(path)}")
    return mask


def check_cell(cell):
    value = cell.get("userEnteredValue")
    if not value:
        return
    if len(value) != 1:
        raise Refused("oneof field 'value' is already set.")
    text = value.get("stringValue", value.get("formulaValue", ""))
    # Whether Google counts characters or UTF-16 units is not documented; the fake is strict.
    if len(text) > TEXT // 2 and len(text.encode("utf-16-le", "surrogatepass")) // 2 > TEXT:
        raise Refused(f"Your input contains more than the maximum of {TEXT} characters in a single cell.")
    if "formulaValue" in value and not text.startswith("="):
        raise Refused("A formula must start with '='.")


def matches(metadata, data_filter):
    lookup = data_filter.get("developerMetadataLookup")
    if lookup is None:
        raise Refused("the fake looks metadata up by developerMetadataLookup only", 501, "UNIMPLEMENTED")
    same = all(metadata.get(k) == lookup[k] for k in ("metadataId", "metadataKey", "metadataValue", "visibility") if k in lookup)
    place = metadata["location"]
    at = lookup.get("metadataLocation")
    return same and lookup.get("locationType", place["locationType"]) == place["locationType"] and (
        at is None or all(place.get(k) == at[k] for k in ("sheetId", "spreadsheet") if k in at))


KINDS = {
    "addSheet": Spreadsheet.add_sheet,
    "deleteSheet": Spreadsheet.delete_sheet,
    "updateSheetProperties": Spreadsheet.update_sheet_properties,
    "updateCells": Spreadsheet.update_cells,
    "repeatCell": Spreadsheet.repeat_cell,
    "appendDimension": Spreadsheet.append_dimension,
    "copyPaste": Spreadsheet.copy_paste,
    "createDeveloperMetadata": Spreadsheet.create_metadata,
    "updateDeveloperMetadata": Spreadsheet.update_metadata,
}
