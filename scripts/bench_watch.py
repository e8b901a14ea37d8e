"""What a save costs: `strata watch` and `build --changed` on made-up projects. scripts/bench --watch calls it.

From the end of a write to the line that tells it: the time of this process, so the pipe is part of it.
"""

import argparse
import json
import os
import queue
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


EVENTS = ["read", "checked", "run_started", "run_finished", "rows", "built", "error"]


class Watch:
    """A watch that runs, and its lines with the time at which they came."""

    def __init__(self, tool, folder, *args):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [tool, "watch", "--log-format", "json", *args], cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True
        )
        self.lines = queue.Queue()
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        for line in self.process.stdout:
            at = time.perf_counter()
            # Lines of nodes are many: only what is waited for is parsed.
            if any(f'"event":"{event}"' in line for event in EVENTS):
                self.lines.put((at, json.loads(line)))
        self.lines.put((time.perf_counter(), None))

    def wait(self, event, timeout=1800):
        end = time.perf_counter() + timeout
        while True:
            at, line = self.lines.get(timeout=max(end - time.perf_counter(), 0.001))
            if line is None or line["event"] == "error":
                sys.exit(f"error: the watch has ended: {line}")
            if line["event"] == event and not line.get("obsolete"):
                return at, line

    def peak(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def environment(folder):
    return dict(os.environ, DBT_PROFILES_DIR=str(folder), NO_COLOR="1")


def write(path, text):
    """Writes as a simple editor does; the time when the write had ended."""
    with open(path, "w") as out:
        out.write(text)
    return time.perf_counter()


def edits(folder, rng):
    """Saves of all kinds, in turn: mostly models, as people edit; each with the path and its new text."""
    models = sorted((folder / "models").rglob("*.sql"))
    macros = sorted((folder / "macros").glob("*.sql"))
    properties = sorted((folder / "models").rglob("*.yml"))
    project = folder / "dbt_project.yml"
    n = 0
    while True:
        n += 1
        kind = ["model", "model", "model", "model", "properties", "model", "model", "macro", "model", "variable"][n % 10]
        if kind == "model":
            path = rng.choice(models)
            yield kind, path, path.read_text() + f"\n-- save {n}\n"
        elif kind == "macro":
            path = rng.choice(macros)
            yield kind, path, path.read_text().replace("%}", f"%}}{{# save {n} #}}", 1)
        elif kind == "properties":
            path = rng.choice(properties)
            yield kind, path, path.read_text() + f"\n# save {n}\n"
        else:
            yield kind, project, project.read_text() + f"\n# save {n}\n"


def quantiles(seconds):
    ms = sorted(s * 1000 for s in seconds)
    at = lambda q: ms[min(len(ms) - 1, round(q * (len(ms) - 1)))]
    return f"{statistics.median(ms):.0f} | {at(0.95):.0f} | {len(ms)}"


def timed(argv, folder, runs):
    figures = []
    for _ in range(runs):
        begun = time.perf_counter()
        done = subprocess.run(argv, cwd=folder, env=environment(folder), capture_output=True, text=True)
        figures.append(time.perf_counter() - begun)
        if done.returncode:
            sys.exit(f"error: {argv} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return figures, done


def bench(a, models, work):
    folder = work / f"models_{models}"
    subprocess.run([sys.executable, a.generator, folder, "--models", str(models)], check=True, stdout=sys.stderr)
    rng = random.Random(1)
    row = lambda what, figures: print(f"| {models:,} | {what} | {figures} |", flush=True)
    # Reading only.
    for what, clear in [("start to diagnostics, nothing kept", True), ("start to diagnostics, parse kept", False)]:
        times = []
        for _ in range(a.runs):
            if clear:
                shutil.rmtree(folder / "target", ignore_errors=True)
            watch = Watch(a.tool, folder, "--no-build")
            times.append(watch.wait("read")[0] - watch.started)
            watch.wait("checked")
            watch.stop()
        row(what, quantiles(times))
    watch = Watch(a.tool, folder, "--no-build")
    watch.wait("checked")
    times = {}
    saves = edits(folder, rng)
    for _ in range(a.saves):
        kind, path, text = next(saves)
        ended = write(path, text)
        times.setdefault(kind, []).append(watch.wait("read")[0] - ended)
        watch.wait("checked")
        time.sleep(0.12)
    row("save to diagnostics, all", quantiles([t for of in times.values() for t in of]))
    for kind, of in times.items():
        row(f"save to diagnostics, a {kind}", quantiles(of))
    row("peak memory of a watch that checks, MB", f"{watch.peak():.0f} | | 1")
    watch.stop()
    # With builds. Half of the seeds are read as sources.
    timed([a.tool, "seed"], folder, 1)
    (_, done), = [timed([a.tool, "build", "--changed", "--exclude", "test_type:unit"], folder, 1)]
    again = [a.tool, "build", "--changed", "--assume-sources-unchanged", "--exclude", "test_type:unit"]
    timed(again, folder, 1)
    figures, done = timed(again, folder, a.runs)
    if "nothing to do" not in done.stdout:
        print(done.stdout[:1500], file=sys.stderr)
    row("build --changed, nothing changed, parse kept", quantiles(figures))
    row("build --changed, nothing changed, --no-cache", quantiles(timed([*again, "--no-cache"], folder, a.runs)[0]))
    marts = [p for p in sorted((folder / "models" / "marts").rglob("*.sql")) if "incremental" not in p.read_text()]
    path = rng.choice(marts)
    text = path.read_text()
    watch = Watch(a.tool, folder, "--exclude", "test_type:unit", "--show", path.stem)
    watch.wait("built")
    rows, queries, closed = [], [], []
    for n in range(min(a.saves, 40)):
        ended = write(path, text.replace("select", f"select {n} + 0 as save_{n},", 1))
        began = watch.wait("run_started")[0]
        queries.append(watch.wait("run_finished")[0] - began)
        rows.append(watch.wait("rows")[0] - ended)
        closed.append(watch.wait("built")[0] - ended)
        write(path, text)
        watch.wait("built")
        time.sleep(0.12)
    row("save to rows, a mart", quantiles(rows))
    row("building and testing it, of that", quantiles(queries))
    row("save to rows, without building and testing", quantiles([r - q for r, q in zip(rows, queries)]))
    row("save to the database closed again", quantiles(closed))
    row("peak memory of a watch that builds, MB", f"{watch.peak():.0f} | | 1")
    watch.stop()
    shutil.rmtree(folder)


def main():
    p = argparse.ArgumentParser(prog="scripts/bench --watch")
    p.add_argument("--tool", required=True)
    p.add_argument("--root", required=True)
    p.add_argument("--generator", required=True)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--saves", type=int, default=100)
    p.add_argument("--models", default="1000,10000", type=lambda text: sorted(int(n) for n in text.split(",")))
    a = p.parse_args()
    print("| models | what | median ms | 95% ms | times |\n|--:|---|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as work:
        for models in a.models:
            bench(a, models, Path(work).resolve())


if __name__ == "__main__":
    main()
