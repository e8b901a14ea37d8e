"""Checks requests strictly against Google's own description of the Sheets API, and against what the tool promises to send.

The description is the discovery document in the package google-api-python-client. Google itself ignores some mistakes (a
field mask of a field that is not there, a body of a GET), which is why they are looked for here.
"""

import base64
import datetime
import importlib.resources
import json
import re
import urllib.parse

from spreadsheet import Refused, paths

DOCUMENT = json.loads(importlib.resources.files("googleapiclient").joinpath(
    "discovery_cache/documents/sheets.v4.json").read_text())
SCHEMAS = DOCUMENT["schemas"]
# The message that a field mask within a request is about.
MASKS = {"UpdateCellsRequest": "CellData", "RepeatCellRequest": "CellData", "UpdateSheetPropertiesRequest": "SheetProperties",
         "UpdateDeveloperMetadataRequest": "DeveloperMetadata"}
METHODS = {"sheets.spreadsheets.get", "sheets.spreadsheets.values.get", "sheets.spreadsheets.values.batchGet",
           "sheets.spreadsheets.batchUpdate"}
KINDS = {"addSheet", "deleteSheet", "updateSheetProperties", "updateCells", "repeatCell", "appendDimension", "copyPaste",
         "createDeveloperMetadata", "updateDeveloperMetadata"}
BATCH_CELLS, BATCH_BYTES = 20_000, 2 * 1024 * 1024


def methods(resources):
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from methods(resource.get("resources", {}))


def template(method):
    """The path as a pattern. A parameter is one segment; a range may have a colon, which is not escaped in Google's examples."""
    parts = re.split(r"\{\+?(\w+)\}", method["path"])
    return re.compile("/" + "".join(("[^/]+" if p == "range" else "[^/:]+") if i % 2 else re.escape(p) for i, p in enumerate(parts)))


ALL = [(template(m), m) for m in methods(DOCUMENT["resources"])]


def method_of(entry):
    for pattern, method in ALL:
        if method["httpMethod"] == entry.method and pattern.fullmatch(entry.path):
            return method
    return None


def check(entry):
    """What is wrong with a request of the log."""
    method = method_of(entry)
    if method is None:
        return [f"no method {entry.method} {entry.path}"]
    out = []
    parameters = DOCUMENT["parameters"] | {k: p for k, p in method["parameters"].items() if p["location"] == "query"}
    pairs = urllib.parse.parse_qsl(entry.query, keep_blank_values=True, strict_parsing=bool(entry.query))
    for name, text in pairs:
        if name not in parameters:
            out.append(f"no parameter {name}")
        elif not parameters[name].get("repeated") and [n for n, _ in pairs].count(name) > 1:
            out.append(f"parameter {name} is there twice")
        elif name == "fields":
            out += mask(text, method["response"])
        else:
            out += parameter(parameters[name], name, text)
    out += [f"parameter {n} is missing" for n, p in parameters.items() if p.get("required") and n not in dict(pairs)]
    if "request" not in method:
        return out + (["a body"] if entry.body else [])
    if entry.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        out.append(f"content type {entry.headers.get('content-type')}")
    try:
        body = json.loads(entry.body.decode(), parse_constant=lambda c: f"not JSON: {c}", object_pairs_hook=once)
    except ValueError as e:
        return out + [f"the body is not JSON: {e}"]
    return out + ["body" + problem for problem in message(method["request"]["$ref"], body)]


def once(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError(f"a name is there twice: {[k for k, _ in pairs]}")
    return out


def parameter(schema, name, text):
    kind = schema["type"]
    if kind == "boolean":
        good = text in ("true", "false")
    elif kind == "integer":
        good = re.fullmatch(r"-?[0-9]+", text) is not None
    else:
        good = "enum" not in schema or text in schema["enum"]
    return [] if good else [f"parameter {name}={text}"]


def message(name, value):
    """Problems of a value as the message `name`, each with its path."""
    if not isinstance(value, dict):
        return [f": {value!r:.60} is no {name}"]
    properties, out = SCHEMAS[name].get("properties", {}), []
    for key, inner in value.items():
        schema = properties.get(key)
        if schema is None:
            out.append(f".{key}: {name} has no such field")
        elif read_only(schema):
            out.append(f".{key}: is read-only")
        elif schema.get("format") == "google-fieldmask" and isinstance(inner, str):
            out += [f".{key}: {problem}" for problem in mask(inner, {"$ref": MASKS[name]})]
        else:
            out += [f".{key}{problem}" for problem in check_value(schema, inner)]
    if name == "Request" and len(value) != 1:
        out.append(f": {len(value)} kinds in one request: {list(value)}")
    if name == "ExtendedValue" and len(value) > 1:
        out.append(f": {len(value)} values in one: {list(value)}")
    return out


def read_only(schema):
    text = schema.get("description", "")
    return schema.get("readOnly") or text.startswith("Output only") or text.endswith("This field is read-only.")


def check_value(schema, value):
    if "$ref" in schema:
        return message(schema["$ref"], value)
    kind = schema.get("type")
    if kind == "array":
        if not isinstance(value, list):
            return [f": {value!r:.60} is no list"]
        return [f"[{i}]{problem}" for i, item in enumerate(value) for problem in check_value(schema["items"], item)]
    if kind == "object":
        if not isinstance(value, dict):
            return [f": {value!r:.60} is no object"]
        inner = schema.get("additionalProperties", {"type": "any"})
        return [f".{k}{problem}" for k, v in value.items() for problem in check_value(inner, v)]
    good = kind == "any" or SCALARS[kind](value, schema.get("format"))
    if good and "enum" in schema:
        good = value in schema["enum"] and not value.endswith("_UNSPECIFIED")
    return [] if good else [f": {value!r:.60} is no {schema.get('format') or kind}{' of the enum' if 'enum' in schema else ''}"]


def is_string(value, form):
    if not isinstance(value, str):
        return False
    try:
        if form == "google-datetime":
            datetime.datetime.fromisoformat(value)
        elif form == "byte":
            base64.b64decode(value, validate=True)
        elif form in ("int64", "uint64"):
            int(value)
        value.encode()  # no lone surrogates
    except ValueError:
        return False
    return True


def is_integer(value, form):
    low, high = {"uint32": (0, 2**32)}.get(form, (-2**31, 2**31))
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def is_number(value, form):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < (3.5e38 if form == "float" else 1.8e308)


SCALARS = {"string": is_string, "integer": is_integer, "number": is_number, "boolean": lambda v, _: isinstance(v, bool)}


def mask(text, schema):
    """Paths of a field mask that lead to no field of the message."""
    try:
        found = paths(text)
    except Refused as e:
        return [str(e)]
    if not found:
        return ["an empty field mask"]
    out = []
    for path in found:
        now = schema
        for name in path:
            now = now.get("items", now)
            fields = SCHEMAS[now["$ref"]].get("properties", {}) if "$ref" in now else {}
            if name == "*":
                break
            if name not in fields:
                out.append(f"no field {'.'.join(path)}")
                break
            now = fields[name]
    return out


def contract(entry):
    """What the tool promises beyond that: nothing but these methods and requests, in batches of a bounded size."""
    method, out = method_of(entry), []
    if method and method["id"] not in METHODS:
        out.append(f"sends {method['id']}")
    query = dict(urllib.parse.parse_qsl(entry.query))
    if method and method["id"] == "sheets.spreadsheets.get" and ("fields" not in query or "includeGridData" in query):
        out.append(f"reads a spreadsheet without a field mask, or with its cells: {entry.query}")
    if method and ".values." in method["id"]:
        if (query.get("valueRenderOption"), query.get("dateTimeRenderOption")) != ("UNFORMATTED_VALUE", "SERIAL_NUMBER"):
            out.append(f"reads values as shown: {entry.query}")
    requests, cells = entry.requests(), 0
    for kind, body in requests:
        if kind not in KINDS:
            out.append(f"sends the request {kind}")
        if kind == "updateCells":
            cells += sum(len(row.get("values", [])) for row in body.get("rows", []))
            out += [f"writes a formula: {cell}" for row in body.get("rows", []) for cell in row.get("values", [])
                    if "formulaValue" in cell.get("userEnteredValue", {})]
    # Copies out of a staging tab have to be one batch, however many they are.
    copies = any(kind == "copyPaste" for kind, _ in requests)
    if cells > BATCH_CELLS or len(entry.body) > BATCH_BYTES * (8 if copies else 1):
        out.append(f"a batch of {cells} cells, {len(entry.body)} bytes")
    return out


def check_log(log, ours=True):
    """Fails with every problem of a log. `ours`: it is the tool's, which promises more than Google asks for."""
    out = []
    for number, entry in enumerate(log, 1):
        if entry.kind == "sheets":
            problems = check(entry) + (contract(entry) if ours else [])
            out += [f"request {number}, {entry.method} {entry.path}: {problem}" for problem in problems[:10]]
    assert not out, "\n".join(out)
