"""`strata export sheets` when the network or the machine fails in the middle: the sheet is as before or as wanted, always."""

import re
import sys
import time

import discovery
import pytest
from conftest import BOOK
from test_sheets import COLUMNS, ROWS, SHOWN

LONG = "select i, repeat('x', 45000) as long from range(60) t(i) order by i"
LONG_SHOWN = [["i", "long"]] + [[i, "x" * 45_000] for i in range(60)]
CELLS = "select i, i + 1 as j, 'text ' || i as name from range(7000) t(i) order by i"
CELLS_SHOWN = [["i", "j", "name"]] + [[i, i + 1, f"text {i}"] for i in range(7000)]
MORE = [["google", 99.0], ["tiktok", 1.0]]


class Scene:
    """A sheet with content, an export that changes it, and what is there afterwards."""

    def __init__(self, name, project, read):
        self.project, self.read, self.fake = project, read, project.fake
        project.rows(COLUMNS, ROWS)
        kind, *rest = name.split()
        project.export(mode=kind, key=["channel"] if kind == "upsert" else None)
        if rest == ["new"]:
            self.new = SHOWN
        else:
            project.send(STRATA_RUN_ID="before")
        if rest == ["large"]:
            project.model(LONG)
            self.new = LONG_SHOWN
        elif rest == ["cells"]:
            project.model(CELLS)
            self.new = CELLS_SHOWN
        elif rest == ["many"]:
            more = [[f"{i} " + "x" * 45_000, 1.5] for i in range(50)]
            project.rows(COLUMNS, MORE + more)
            self.new = SHOWN + MORE + more if kind == "append" else after_upsert() + more
        elif rest != ["new"]:
            project.rows(COLUMNS, MORE)
            self.new = {"replace": SHOWN[:1] + MORE, "append": SHOWN + MORE, "upsert": after_upsert()}[kind]
        self.base = self.fake.books[BOOK].copy()
        self.old, self.tabs = self.shown(), list(self.read.sheets())
        self.reset()
        project.send(STRATA_RUN_ID="after")
        assert self.shown() == self.new
        self.requests = len(self.fake.log)
        self.reset()

    def reset(self):
        """The sheet as it was, and a new log."""
        discovery.check_log(self.fake.log)
        self.fake.log.clear()
        self.fake.faults.clear()
        self.fake.ready_to_block()
        self.fake.books[BOOK] = self.base.copy()

    def shown(self):
        return self.read.values() if "Channels" in self.read.sheets() else None

    def is_done(self, where):
        assert self.shown() == self.new, where
        assert self.read.stagings() == [], where
        assert list(self.read.sheets()) == self.tabs + ["Channels"] * ("Channels" not in self.tabs), where


def after_upsert():
    return [SHOWN[0], ["google", 99]] + SHOWN[2:] + [["tiktok", 1]]


SCENES = ["replace new", "replace", "replace large", "replace cells", "append new", "append", "append many", "upsert new", "upsert",
          "upsert many"]


@pytest.fixture(params=SCENES)
def scene(request, project, read):
    return Scene(request.param, project, read)


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_killed_at_each_request(scene, applied):
    fake = scene.fake
    for number in range(1, scene.requests + 1):
        where = f"killed {'after' if applied else 'before'} request {number} of {scene.requests}"
        fake.fail(number, "block", applied=applied)
        process = scene.project.start("export", "sheets", STRATA_RUN_ID="after")
        assert fake.blocked.wait(60), where
        process.kill()
        process.wait()
        fake.let_go()
        assert scene.shown() in (scene.old, scene.new), where
        visible = [title for title, p in scene.read.sheets().items() if not p.get("hidden")]
        assert set(visible) - {"Channels"} == set(scene.tabs) - {"Channels"}, where
        scene.project.send(STRATA_RUN_ID="after")
        scene.is_done(where)
        scene.reset()


FAULTS = [("drop", True), ("503", True), ("hang", True), ("html", True), ("drop", False), ("429", False), ("500", False), ("503", False),
          ("hang", False), ("html", False)]


def case(kind, applied):
    """Waiting for an answer that never comes takes its time."""
    return pytest.param(kind, applied, id=f"{kind}-{'applied' if applied else 'not'}", marks=pytest.mark.slow if kind == "hang" else ())


@pytest.mark.parametrize("kind, applied", [case(*fault) for fault in FAULTS])
def test_an_answer_is_lost_at_each_request(scene, kind, applied):
    for number in range(1, scene.requests + 1):
        scene.fake.fail(number, kind, applied=applied)
        scene.project.send(STRATA_RUN_ID="after", STRATA_SHEETS_TIMEOUT="2" if kind == "hang" else "20")
        scene.is_done(f"{kind} at request {number} of {scene.requests}\n" + "\n".join(map(str, scene.fake.log)))
        scene.fake.released.set()
        scene.reset()


def test_an_answer_is_lost_and_the_run_ends(scene):
    """Every answer from some request on is lost; the orchestrator starts the same run again."""
    for number in range(1, scene.requests + 1):
        scene.fake.fail(number, "drop", last=999, applied=True)
        scene.project.send(code=75, STRATA_RUN_ID="after", STRATA_SHEETS_RETRIES="1", STRATA_ORCHESTRATED="1")
        assert scene.shown() in (scene.old, scene.new)
        scene.fake.faults.clear()
        scene.project.send(STRATA_RUN_ID="after")
        scene.is_done(f"every answer lost from request {number} of {scene.requests} on")
        scene.reset()


@pytest.mark.slow
def test_a_request_is_carried_out_late(scene):
    """The tool gives up on a request and sends it again; then both are carried out, the first one last."""
    for number in range(1, scene.requests + 1):
        scene.fake.fail(number, "late")
        scene.project.send(STRATA_RUN_ID="after", STRATA_SHEETS_TIMEOUT="2")
        late = scene.fake.log[number - 1]
        scene.fake.released.set()
        while late.status is None:
            time.sleep(0.01)
        assert scene.shown() == scene.new, f"request {number} of {scene.requests} late\n" + "\n".join(map(str, scene.fake.log))
        scene.reset()


def test_the_old_content_stays_when_all_fails(scene):
    for number in range(1, scene.requests + 1):
        scene.fake.fail(number, "503", last=999)
        scene.project.send(code=1, STRATA_RUN_ID="after", STRATA_SHEETS_RETRIES="1")
        assert scene.shown() == scene.old, number
        scene.reset()


@pytest.mark.slow
def test_a_million_cells_in_little_memory(project, read):
    columns = ["i", "i * 2 as a", "i / 7 as b", "'text ' || i as c", "i % 2 = 0 as d", "date '2026-01-01' + (i % 365)::int as e",
               "md5(i::varchar) as f", "i::decimal(12,2) / 4 as g", "timestamp '2026-01-01' + to_seconds(i) as h", "nullif(i % 3, 0) as j"]
    project.model(f"select {', '.join(columns)} from range(100000) t(i) order by i").export()
    # A process begins with the peak memory of the one that started it: a small one starts the tool, and tells its peak.
    peak = "import os, subprocess, sys; p = subprocess.Popen(sys.argv[1:]); _, s, u = os.wait4(p.pid, 0); " \
           "print('peak', u.ru_maxrss); sys.exit(os.waitstatus_to_exitcode(s))"
    project.start("export", "sheets", before=[sys.executable, "-c", peak])
    result = project.finish(timeout=600)
    assert result.code == 0, result
    megabytes = int(re.search(r"^peak (\d+)$", result.out, re.M)[1]) / 1024
    print(f"{megabytes:.0f} MB, {result.seconds:.1f} s, {len(project.fake.log)} requests")
    assert read.values(cells="A100001:D") == [[99_999, 199_998, pytest.approx(99_999 / 7), "text 99999"]]
    assert len(read.values(cells="A1:A")) == 100_001 and read.stagings() == []
    assert megabytes < 300
