"""Fixtures: the fake, a small project with the real program, Google's own client to read back.

    python3 -m venv venv && venv/bin/pip install -r tests/sheets/requirements.txt
    STRATA_BIN=target/debug/strata venv/bin/pytest tests/sheets -m "not slow"

Without STRATA_BIN only the fake itself is tested.
"""

import datetime
import json
import os
import subprocess
import time

import discovery
import google_auth_httplib2
import httplib2
import pytest
from fake import Fake
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from spreadsheet import letters

BOOK = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"
PROFILE = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main, threads: 1}\n"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes a minute or more; leave out with -m 'not slow'")
    config.addinivalue_line("markers", "googles: the log is that of Google's client, not of the tool")
    config.addinivalue_line("markers", "refused: the test sends what Google's description forbids")


@pytest.fixture(autouse=True)
def fakes(request):
    """The fakes of the test; when it ends, all requests to them are checked against Google's description."""
    made = []
    yield made
    for fake in made:
        if request.node.get_closest_marker("refused") is None:
            discovery.check_log(fake.log, ours=request.node.get_closest_marker("googles") is None)
        fake.__exit__()


@pytest.fixture
def new_fake(fakes):
    def make():
        fakes.append(Fake())
        fakes[-1].book(BOOK)
        return fakes[-1]
    return make


@pytest.fixture
def fake(new_fake):
    return new_fake()


def client(fake, **kwargs):
    """Google's client with a token of its own; its requests do not go to the fake's log."""
    http = httplib2.Http(timeout=20)
    http = google_auth_httplib2.AuthorizedHttp(Credentials(token=fake.token(**kwargs)), http=http)
    return build("sheets", "v4", http=http, client_options={"api_endpoint": fake.url}, cache_discovery=False).spreadsheets()


def quoted(title):
    return "'" + title.replace("'", "''") + "'"


class Reader:
    """What Google's client finds in a spreadsheet. The requests are taken out of the log, which is the tool's."""

    def __init__(self, fake, book=BOOK):
        self.fake, self.book, self.google = fake, book, client(fake)

    def execute(self, request):
        at = len(self.fake.log)
        faults, self.fake.faults = self.fake.faults, []
        try:
            return request.execute()
        finally:
            del self.fake.log[at:]
            self.fake.faults = faults

    def sheets(self):
        """Properties by title."""
        out = self.execute(self.google.get(spreadsheetId=self.book))
        return {s["properties"]["title"]: s["properties"] for s in out["sheets"]}

    def metadata(self, title):
        out = self.execute(self.google.get(spreadsheetId=self.book, fields="sheets(properties.title,developerMetadata)"))
        [sheet] = [s for s in out["sheets"] if s["properties"]["title"] == title]
        return sheet.get("developerMetadata", [])

    def values(self, title="Channels", cells=None, **options):
        text = quoted(title) + (f"!{cells}" if cells else "")
        options = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "SERIAL_NUMBER"} | options
        return self.execute(self.google.values().get(spreadsheetId=self.book, range=text, **options)).get("values", [])

    def cell(self, row, column, title="Channels"):
        """The CellData of one cell."""
        where = quoted(title) + f"!{letters(column)}{row + 1}"
        out = self.execute(self.google.get(spreadsheetId=self.book, ranges=where, fields="sheets.data.rowData.values"))
        rows = out["sheets"][0]["data"][0]["rowData"]
        return rows[0]["values"][0] if rows else {}

    def stagings(self):
        return [title for title in self.sheets() if title.startswith("__strata_staging")]


@pytest.fixture
def read(fake):
    return Reader(fake)


class Result:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds
        self.text = out + err

    def __str__(self):
        return f"exit code {self.code}\n{self.out}\n{self.err}"


class Project:
    """A project on a DuckDB file of its own."""

    def __init__(self, folder, fake):
        self.folder, self.fake, self.models, self.exports, self.process = folder, fake, {}, {}, None
        self.tool = os.environ.get("STRATA_BIN") or pytest.skip("STRATA_BIN names no program")
        self.tool = os.path.abspath(self.tool)
        (folder / "models").mkdir(parents=True)
        (folder / "project.yml").write_text("name: shop\nprofile: shop\n")
        (folder / "profiles.yml").write_text(PROFILE)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("STRATA_", "GOOGLE_", "GCE_", "AIRFLOW_"))}
        self.env |= {"STRATA_SHEETS_URL": fake.url, "STRATA_SHEETS_TIMEOUT": "20", "STRATA_SHEETS_BACKOFF": "0.01",
                     "STRATA_SHEETS_RETRIES": "4", "STRATA_SHEETS_WRITES_PER_MINUTE": "100000", "NO_COLOR": "1", "RUST_BACKTRACE": "0",
                     "GOOGLE_OAUTH_ACCESS_TOKEN": fake.token(), "HOME": str(folder), "MARKETING_SHEET_ID": BOOK}

    def model(self, sql, name="channels"):
        """Writes the model and builds it."""
        (self.folder / "models" / f"{name}.sql").write_text("{{ config(materialized='table') }}\n" + sql)
        result = self.run("build")
        assert result.code == 0, result
        return self

    def rows(self, columns, rows, name="channels"):
        """A model with these values, each an SQL type in the names: `spend double`."""
        names = [column.split(" ", 1) for column in columns]
        casts = ", ".join(f'v{i}::{kind} as "{name}"' for i, (name, kind) in enumerate(names))
        lines = ",\n".join("(" + ", ".join(literal(v) for v in row) + ", " + str(n) + ")" for n, row in enumerate(rows))
        names = ", ".join([f"v{i}" for i in range(len(names))] + ["__n"])
        empty = "" if rows else " where false"
        lines = lines or "(" + ", ".join(["null"] * len(columns) + ["0"]) + ")"
        return self.model(f"select {casts} from (values {lines}) t({names}){empty} order by __n", name)

    def export(self, name="channels_sheet", model="channels", **fields):
        """Declares an export; a field that is None is left out."""
        entry = {"name": name, "type": "google_sheets", "model": f"ref('{model}')",
                 "spreadsheet": "{{ env_var('MARKETING_SHEET_ID') }}", "sheet": "Channels"} | fields
        self.exports[name] = {k: v for k, v in entry.items() if v is not None}
        # JSON is YAML.
        (self.folder / "models" / "exports.yml").write_text(json.dumps({"exports": list(self.exports.values())}))
        return self

    def start(self, *args, before=(), **env):
        """Starts the tool; a variable that is None is taken out of its environment."""
        env = {k: v for k, v in (self.env | env).items() if v is not None}
        with (self.folder / "out.txt").open("w") as out, (self.folder / "err.txt").open("w") as err:
            self.process = subprocess.Popen([*before, self.tool, *args], cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err)
        return self.process

    def finish(self, timeout=120):
        start = time.monotonic()
        try:
            self.process.wait(timeout)
        finally:
            self.process.kill()
        out, err = ((self.folder / name).read_text() for name in ("out.txt", "err.txt"))
        return Result(self.process.wait(), out, err, time.monotonic() - start)

    def run(self, *args, timeout=120, **env):
        self.start(*args, **env)
        return self.finish(timeout)

    def send(self, *args, code=0, **env):
        """Runs `strata export sheets`, which is a run of its own unless STRATA_RUN_ID says otherwise."""
        result = self.run("export", "sheets", *args, **env)
        assert result.code == code, f"{result}\n" + "\n".join(map(str, self.fake.log))
        assert "panicked" not in result.text, result
        return result


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, (bool, int)):
        return str(value).lower()
    if isinstance(value, str):
        # Not one character by itself is left to the SQL file, whose encoding and templates are another matter.
        parts = [f"chr({ord(c)})" if ord(c) < 32 or c in "{}" else None for c in value]
        if not any(parts):
            return "'" + value.replace("'", "''") + "'"
        return "concat(" + ", ".join(p or "'" + c.replace("'", "''") + "'" for p, c in zip(parts, value)) + ")"
    return f"'{value}'"


@pytest.fixture
def project(tmp_path, fake):
    return Project(tmp_path / "shop", fake)


@pytest.fixture
def new_project(tmp_path, new_fake):
    """Projects with a fake each."""
    made = []

    def make():
        made.append(Project(tmp_path / f"shop{len(made)}", new_fake()))
        return made[-1], Reader(made[-1].fake)
    return make


def serial(moment):
    """Days since 1899-12-30."""
    moment = moment if isinstance(moment, datetime.datetime) else datetime.datetime.combine(moment, datetime.time())
    return (moment - datetime.datetime(1899, 12, 30)) / datetime.timedelta(days=1)
