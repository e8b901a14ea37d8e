"""The fake and the check against Google's description, tried with Google's own Python client."""

import socket
import time

import discovery
import pytest
from conftest import BOOK, client
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError
from spreadsheet import paths

pytestmark = pytest.mark.googles


@pytest.fixture
def google(fake):
    return client(fake)


def batch(google, *requests):
    return google.batchUpdate(spreadsheetId=BOOK, body={"requests": list(requests)}).execute()


def cells(*rows, fmt=None):
    kinds = {str: "stringValue", bool: "boolValue", int: "numberValue", float: "numberValue"}

    def cell(v):
        value = {} if v is None else {"userEnteredValue": {kinds[type(v)]: v}}
        return value | ({"userEnteredFormat": fmt} if fmt else {})
    return [{"values": [cell(v) for v in row]} for row in rows]


def box(sheet, top, bottom, left, right):
    return {"sheetId": sheet, "startRowIndex": top, "endRowIndex": bottom, "startColumnIndex": left, "endColumnIndex": right}


def write(rows, fields="userEnteredValue", **where):
    return {"updateCells": {"rows": rows, "fields": fields, **where}}


def values(google, cells, **options):
    return google.values().get(spreadsheetId=BOOK, range=cells, **options).execute().get("values", [])


def refused(google, *requests):
    with pytest.raises(HttpError) as e:
        batch(google, *requests)
    return e.value


def test_values_are_written_and_read(google):
    batch(google, write(cells(["a", 1, 1.5], [None, True, "=1+1"]), start={"sheetId": 0, "rowIndex": 1, "columnIndex": 1}))
    assert values(google, "Sheet1!B2:D3", valueRenderOption="UNFORMATTED_VALUE") == [["a", 1, 1.5], ["", True, "=1+1"]]
    assert values(google, "Sheet1") == [[], ["", "a", "1", "1.5"], ["", "", "TRUE", "=1+1"]]
    assert values(google, "Sheet1!B:B") == [[], ["a"]]
    assert values(google, "Sheet1!2:2", majorDimension="COLUMNS") == [[], ["a"], ["1"], ["1.5"]]
    out = google.values().batchGet(spreadsheetId=BOOK, ranges=["B2", "'Sheet1'!C2:C"]).execute()
    assert [r.get("values") for r in out["valueRanges"]] == [[["a"]], [["1"], ["TRUE"]]]
    assert out["valueRanges"][1]["range"] == "Sheet1!C2:C1000"


def test_cells_are_read(google):
    bold = {"textFormat": {"bold": True}}
    batch(google, write(cells(["a", 1], fmt=bold), "*", start={"sheetId": 0, "rowIndex": 1, "columnIndex": 1}))
    out = google.get(spreadsheetId=BOOK, ranges=["Sheet1!C2:D3"], fields="sheets.data").execute()
    value = {"numberValue": 1}
    cell = {"userEnteredValue": value, "userEnteredFormat": bold, "effectiveValue": value, "formattedValue": "1"}
    assert out == {"sheets": [{"data": [{"startRow": 1, "startColumn": 2, "rowData": [{"values": [cell]}]}]}]}


def test_dates(google):
    day = {"numberFormat": {"type": "DATE", "pattern": "yyyy-mm-dd"}}
    batch(google, write(cells([45000.0], fmt=day), "userEnteredValue,userEnteredFormat.numberFormat", range=box(0, 0, 1, 0, 1)))
    assert values(google, "A1", valueRenderOption="UNFORMATTED_VALUE", dateTimeRenderOption="SERIAL_NUMBER") == [[45000]]
    assert values(google, "A1") == [["2023-03-15"]]


def test_a_batch_is_all_or_nothing(google, fake):
    add = {"addSheet": {"properties": {"sheetId": 7, "title": "New"}}}
    error = refused(google, add, write(cells(["a"]), start={"sheetId": 8}))
    assert error.resp.status == 400 and "Invalid requests[1].updateCells: No grid with id: 8" in str(error)
    assert [s.title for s in fake.books[BOOK].sheets] == ["Sheet1"]
    reply = batch(google, add, write(cells(["a"]), start={"sheetId": 7}))["replies"]
    assert reply[0]["addSheet"]["properties"]["gridProperties"] == {"rowCount": 1000, "columnCount": 26}
    assert reply[1] == {} and values(google, "New!A1") == [["a"]]


def test_a_range_is_cleared_beyond_the_rows_for_masked_fields(google, fake):
    bold = {"textFormat": {"bold": True}}
    batch(google, write(cells(*[["x"] * 4] * 4, fmt=bold), "userEnteredValue,userEnteredFormat", range=box(0, 0, 4, 0, 4)))
    batch(google, write(cells(["y"]), range=box(0, 0, 3, 0, 3)))
    assert values(google, "Sheet1") == [["y", "", "", "x"], ["", "", "", "x"], ["", "", "", "x"], ["x"] * 4]
    assert fake.books[BOOK].sheets[0].cell(1, 1) == {"userEnteredFormat": bold}
    batch(google, {"repeatCell": {"range": box(0, 0, 4, 0, 1), "cell": {}, "fields": "userEnteredFormat.textFormat.bold"}})
    assert fake.books[BOOK].sheets[0].cell(3, 0) == {"userEnteredValue": {"stringValue": "x"}}
    batch(google, {"updateCells": {"range": {"sheetId": 0}, "fields": "*"}})
    assert fake.books[BOOK].sheets[0].rows == {}


def test_copy_paste(google, fake):
    bold = {"textFormat": {"bold": True}}
    batch(google, write(cells(["a", None], ["b", "c"], fmt=bold), "*", range=box(0, 0, 2, 0, 2)),
          write(cells(["old"] * 5), start={"sheetId": 0, "rowIndex": 4}))
    paste = {"source": box(0, 0, 2, 0, 2), "destination": box(0, 4, 5, 1, 2)}
    batch(google, {"copyPaste": paste | {"pasteType": "PASTE_NORMAL"}})
    assert values(google, "A5:E6") == [["old", "a", "", "old", "old"], ["", "b", "c"]]
    assert fake.books[BOOK].sheets[0].cell(4, 2) == {"userEnteredFormat": bold}
    batch(google, {"copyPaste": {"source": box(0, 0, 1, 0, 1), "destination": box(0, 7, 9, 0, 2), "pasteType": "PASTE_VALUES"}})
    assert values(google, "A8:C9") == [["a", "a"], ["a", "a"]]
    assert fake.books[BOOK].sheets[0].cell(8, 0) == {"userEnteredValue": {"stringValue": "a"}}
    outside = refused(google, {"copyPaste": {"source": box(0, 0, 2, 0, 2), "destination": box(0, 999, 1000, 0, 2)}})
    assert "exceeds grid limits. Max rows: 1000, max columns: 26" in str(outside)


@pytest.mark.parametrize("request_, message", [
    ({"addSheet": {"properties": {"title": "sheet1"}}}, 'A sheet with the name "sheet1" already exists'),
    ({"addSheet": {"properties": {"sheetId": 0}}}, "Sheet with id 0 already exists"),
    ({"addSheet": {"properties": {"title": "x" * 101}}}, "1 to 100 characters"),
    ({"addSheet": {"properties": {"gridProperties": {"rowCount": 1, "frozenRowCount": 1}}}}, "freeze all visible rows"),
    ({"addSheet": {"properties": {"gridProperties": {"rowCount": 1, "columnCount": 18_279}}}}, "at most 18278 columns"),
    ({"addSheet": {"properties": {"gridProperties": {"rowCount": 999_000, "columnCount": 10}}}}, "above the limit of 10000000 cells"),
    ({"deleteSheet": {"sheetId": 0}}, "can't remove all the visible sheets"),
    ({"deleteSheet": {"sheetId": 9}}, "No grid with id: 9"),
    (write(cells(["x"]), range=box(0, 0, 1001, 0, 1)), "Range (Sheet1!A1:A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
    (write(cells(["x", "y"]), range=box(0, 0, 1, 0, 1)), "Attempting to write column: 1, beyond the last requested column of: 0"),
    (write(cells(["x"], ["y"]), start={"sheetId": 0, "rowIndex": 999}), "Attempting to write row: 1000"),
    (write(cells(["x"]), start={"sheetId": 0, "rowIndex": 1000}), "GridCoordinate.rowIndex[1000] is after last row in grid[1000]"),
    (write(cells(["x" * 50_001]), start={"sheetId": 0}), "maximum of 50000 characters"),
    (write(cells(["x"]), "", start={"sheetId": 0}), "At least one field must be listed"),
    ({"updateSheetProperties": {"properties": {"gridProperties": {"rowCount": 9}}, "fields": "gridProperties"}}, "at least one row and one column"),
    ({"createDeveloperMetadata": {"developerMetadata": {"metadataKey": "k", "location": {"sheetId": 0}}}}, "a key and a visibility"),
    ({"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 400_000}}, "above the limit of 10000000 cells"),
    ({"copyPaste": {"source": box(5, 0, 1, 0, 1), "destination": box(0, 0, 1, 0, 1)}}, "No grid with id: 5"),
])
@pytest.mark.refused
def test_what_google_refuses(google, request_, message):
    error = refused(google, request_)
    assert error.resp.status == 400 and message in str(error), error


@pytest.mark.refused
def test_one_kind_in_each_request(google, fake):
    error = refused(google, {"deleteSheet": {"sheetId": 1}, "addSheet": {}})
    assert "oneof field 'kind' is already set" in str(error)
    assert discovery.check(fake.log[-1]) == ["body.requests[0]: 2 kinds in one request: ['deleteSheet', 'addSheet']"]


def test_grid_and_frozen_rows(google, fake):
    properties = {"sheetId": 0, "gridProperties": {"rowCount": 2000, "frozenRowCount": 1}}
    batch(google, {"updateSheetProperties": {"properties": properties, "fields": "gridProperties(rowCount,frozenRowCount)"}})
    batch(google, {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 2}})
    got = google.get(spreadsheetId=BOOK, fields="sheets.properties(sheetId,gridProperties)").execute()
    grid = {"rowCount": 2000, "columnCount": 28, "frozenRowCount": 1}
    assert got == {"sheets": [{"properties": {"sheetId": 0, "gridProperties": grid}}]}


def test_developer_metadata(google):
    place, key = {"sheetId": 0}, {"metadataKey": "k", "metadataLocation": {"sheetId": 0}}
    new = {"metadataKey": "k", "metadataValue": "1", "visibility": "DOCUMENT", "location": place}
    [reply] = batch(google, {"createDeveloperMetadata": {"developerMetadata": new}})["replies"]
    number = reply["createDeveloperMetadata"]["developerMetadata"]["metadataId"]
    change = {"developerMetadata": {"metadataValue": "2"}, "fields": "metadataValue"}
    batch(google, {"updateDeveloperMetadata": change | {"dataFilters": [{"developerMetadataLookup": key}]}})
    got = google.get(spreadsheetId=BOOK, fields="sheets.developerMetadata").execute()
    assert got["sheets"][0]["developerMetadata"] == [
        new | {"metadataId": number, "metadataValue": "2", "location": {"sheetId": 0, "locationType": "SHEET"}}]
    none = change | {"dataFilters": [{"developerMetadataLookup": key | {"metadataValue": "1"}}]}
    assert refused(google, {"updateDeveloperMetadata": none}).resp.status == 400


@pytest.mark.parametrize("cells_, good", [("A1001", 0), ("AA1", 0), ("'Q1 ''x'' ü!'!A1", 1), ("Nowhere!A1", 0), ("TAB1", 0), ("'TAB1'", 1)])
def test_ranges(google, cells_, good):
    batch(google, *[{"addSheet": {"properties": {"title": title}}} for title in ("Q1 'x' ü!", "TAB1")])
    if good:
        assert values(google, cells_) == []
        return
    with pytest.raises(HttpError) as e:
        values(google, cells_)
    assert e.value.resp.status == 400 and ("exceeds grid limits" in str(e.value) or "Unable to parse range" in str(e.value))


@pytest.mark.parametrize("who, code, reason", [
    ({"scope": "https://www.googleapis.com/auth/drive"}, 403, "insufficient"), ({}, 404, "not found")])
def test_permission(fake, who, code, reason):
    with pytest.raises(HttpError) as e:
        client(fake, **who).get(spreadsheetId="unknown", fields="sheets").execute()
    assert e.value.resp.status == code and reason in str(e.value)


def test_a_wrong_token(fake):
    fake.fail(1, "401")
    with pytest.raises(RefreshError):  # what Google's client makes of 401, as it has nothing to get another token with
        client(fake).get(spreadsheetId=BOOK, fields="sheets").execute()
    with pytest.raises(RefreshError):
        client(fake, life=-1).get(spreadsheetId=BOOK, fields="sheets").execute()
    assert [e.status for e in fake.log] == [401, 401]


def test_read_only_share(fake, google):
    fake.shared[BOOK] = "read"
    assert values(google, "A1") == []
    assert refused(google, write(cells(["a"]), start={"sheetId": 0})).resp.status == 403


@pytest.mark.parametrize("kind, code", [("429", 429), ("500", 500), ("503", 503), ("html", 502)])
@pytest.mark.parametrize("applied", [False, True])
def test_scripted_answers(fake, google, kind, code, applied):
    fake.fail(1, kind, applied=applied, retry_after="3")
    error = refused(google, write(cells(["a"]), start={"sheetId": 0}))
    assert error.resp.status == code and error.resp.get("retry-after") == ("3" if code == 429 or kind != "html" else None)
    assert values(google, "A1") == ([["a"]] if applied else [])


@pytest.mark.parametrize("applied", [False, True])
def test_dropped_connections(fake, google, applied):
    fake.fail(1, "drop", last=2, applied=applied)  # httplib2 tries twice
    with pytest.raises(OSError):
        batch(google, write(cells(["a"]), start={"sheetId": 0}))
    assert values(client(fake), "A1") == ([["a"]] if applied else [])


def test_no_answer(fake):
    fake.fail(1, "hang")
    with socket.create_connection(("127.0.0.1", fake.server.server_port), timeout=0.3) as s:
        s.sendall(b"GET /v4/spreadsheets/x HTTP/1.1\r\nHost: x\r\n\r\n")
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            s.recv(1)
        assert time.monotonic() - start > 0.2


def test_tokens_of_google_auth(fake, tmp_path):
    import google.auth.transport.requests
    from google.oauth2 import credentials, service_account

    scopes = ["https://www.googleapis.com/auth/spreadsheets"]
    found = [service_account.Credentials.from_service_account_info(fake.service_account(), scopes=scopes),
             credentials.Credentials(None, scopes=scopes, **{k: v for k, v in fake.authorized_user().items() if k != "type"})]
    import google.auth.identity_pool
    for impersonate in (False, True):
        info = fake.external_account(tmp_path, impersonate)
        found.append(google.auth.identity_pool.Credentials.from_info(info, scopes=scopes))
    for one in found:
        one.refresh(google.auth.transport.requests.Request())
        assert one.token in fake.tokens and fake.tokens[one.token].scope == scopes[0]


def test_field_masks():
    assert paths("a.b,c(d,e/f.g),h") == [("a", "b"), ("c", "d"), ("c", "e", "f", "g"), ("h",)]


@pytest.mark.parametrize("body, problem", [
    ({"updateCells": {"range": {"sheetID": 0}, "fields": "*"}}, ".updateCells.range.sheetID: GridRange has no such field"),
    ({"updateCells": {"range": {"sheetId": "0"}, "fields": "*"}}, ".updateCells.range.sheetId: '0' is no int32"),
    ({"updateCells": {"range": {"sheetId": 2**31}, "fields": "*"}}, ".updateCells.range.sheetId: 2147483648 is no int32"),
    ({"updateCells": {"fields": "userEnteredValue,format"}}, ".updateCells.fields: no field format"),
    ({"updateCells": {"rows": [{"values": [{"effectiveValue": {}}]}], "fields": "*"}}, ".updateCells.rows[0].values[0].effectiveValue: is read-only"),
    ({"copyPaste": {"pasteType": "NORMAL"}}, ".copyPaste.pasteType: 'NORMAL' is no string of the enum"),
    ({"addSheet": {"properties": {"hidden": 1}}}, ".addSheet.properties.hidden: 1 is no boolean"),
    ({"addSheets": {}}, ".addSheets: Request has no such field"),
])
@pytest.mark.refused
def test_the_check_finds_mistakes(google, fake, body, problem):
    try:
        batch(google, body)
    except HttpError:
        pass
    assert "body.requests[0]" + problem in discovery.check(fake.log[-1])


@pytest.mark.refused
def test_the_check_reads_parameters(fake):
    import urllib.request

    def get(query):
        try:
            urllib.request.urlopen(f"{fake.url}v4/spreadsheets/{BOOK}{query}")
        except OSError:
            pass
        return discovery.check(fake.log[-1])
    assert get("?fields=sheets(properties(sheetId,title),developerMetadata)&prettyPrint=false") == []
    assert get("?fields=sheets.property") == ["no field sheets.property"]
    assert get("?includeGridData=yes&x=1") == ["parameter includeGridData=yes", "no parameter x"]
    assert get("/values/A1:B2?valueRenderOption=RAW") == ["parameter valueRenderOption=RAW"]
    assert get("/value/A1")[0].startswith("no method GET")
