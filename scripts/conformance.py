"""Runs the functional tests of dbt's adapters, counts them by class and writes docs/conformance.md."""

import argparse
import collections
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

PACKAGES = {"duckdb": "dbt_duckdb-1.10.1", "postgres": "dbt_postgres-1.10.2"}
# Plugins of dbt-duckdb are Python modules that run inside of dbt.
LEFT_OUT = {"duckdb": ["tests/functional/plugins"], "postgres": []}
FEW = ["tests/functional/adapter/test_basic.py", "tests/functional/adapter/test_ephemeral.py"]

# A database of its own for each class: the tests drop and make schemas of the same names.
PROFILE = '''

@pytest.fixture(scope="class")
def dbt_profile_target(tmp_path_factory):
    return {"type": "duckdb", "path": str(tmp_path_factory.mktemp("database") / "test.duckdb"), "threads": 4}
'''


def run_tests(options, adapter):
    """Runs the tests of one adapter; returns `{class: {test: outcome}}`."""
    source = options.tests / PACKAGES[adapter]
    work = options.tests / f"run-{adapter}"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work)
    if adapter == "duckdb":
        with open(work / "tests/conftest.py", "a") as file:
            file.write(PROFILE)
    report = work / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "extdbt", "-p", "no:cacheprovider", "-o", "addopts=", "-q"]
    command += ["--continue-on-collection-errors", "--tb=line", f"--junitxml={report}"]
    command += [f"--ignore={path}" for path in LEFT_OUT[adapter]]
    command += options.pytest or (FEW if options.few else ["tests/functional"])
    environment = {**os.environ, "PYTHONPATH": f"{options.plugin}:{work}", "DO_NOT_TRACK": "1"}
    environment["EXT_DBT"] = "fork" if options.control else options.tool
    with open(work / "output.txt", "w") as output:
        subprocess.run(command, cwd=work, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if not report.exists():
        sys.exit(f"error: pytest ended without a report: see {work}/output.txt")
    return read_report(report)


def read_report(path):
    """Reads a report in JUnit's format: `{class: {test: "passed" | "failed" | "skipped"}}`."""
    classes = collections.defaultdict(dict)
    for case in ElementTree.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        name = case.get("classname").removeprefix("tests.functional.")
        # Tests that belong to no class are each one of their own.
        if not name.rsplit(".", 1)[-1].startswith("Test"):
            name = f"{name}.{case.get('name')}"
        before = classes[name].get(case.get("name"))
        classes[name][case.get("name")] = "failed" if "failed" in (before, outcome) else outcome
    return dict(sorted(classes.items()))


def passes(tests):
    """Whether a class passes: no test fails, and at least one passes."""
    outcomes = set(tests.values())
    return "failed" not in outcomes and "passed" in outcomes


def reason_of(reasons, adapter, name):
    for reason in reasons:
        if any(part in name for part in reason["classes"]) and reason.get("adapter", adapter) == adapter:
            return reason
    return None


KINDS = {
    "python": "Python",
    "inside": "dbt's insides",
    "words": "words of messages",
    "design": "made otherwise",
    "missing": "missing",
    "unknown": "not looked into",
}


def page(runs, control, reasons):
    """The text of docs/conformance.md."""
    out = [
        "# dbt's own tests",
        "",
        "dbt's adapters come with functional tests: classes of `dbt-tests-adapter`, made special for each database, and some",
        "of the adapter's own. `./test conformance` runs those of dbt-duckdb 1.10.1 and dbt-postgres 1.10.2 with Strata in",
        "dbt's place: each call of dbt becomes a command line, and the test looks at the files, the exit code and the database.",
        "The same run with dbt 1.11 in place of Strata (`./test conformance --control`) says what can pass in this way.",
        "A class passes if all of its tests do.",
        "",
        f"This page is written by the run, the last time on {datetime.date.today().isoformat()}. The last column leaves out",
        "classes that fail for Python, dbt's insides or the words of a message.",
        "",
        "| Adapter | dbt passes | Strata passes | " + " | ".join(KINDS.values()) + " | share |",
        "| --- " + "| --: " * (len(KINDS) + 3) + "|",
    ]
    lists = []
    for adapter, classes in runs.items():
        able = [name for name, tests in control[adapter].items() if passes(tests)]
        good = [name for name in able if name in classes and passes(classes[name])]
        groups = collections.defaultdict(list)
        for name in (name for name in able if name not in good):
            reason = reason_of(reasons, adapter, name)
            groups[(reason["kind"], reason["why"]) if reason else ("unknown", "Not looked into yet.")].append(name)
        counts = [sum(len(names) for (kind, _), names in groups.items() if kind == wanted) for wanted in KINDS]
        share = percent(len(good), len(able) - sum(counts[:3]))
        cells = [adapter, len(able), f"{len(good)} ({percent(len(good), len(able))})", *counts, share]
        out.append("| " + " | ".join(map(str, cells)) + " |")
        lists += ["", f"## {adapter}: what fails", ""]
        for (kind, why), names in sorted(groups.items(), key=lambda group: list(KINDS).index(group[0][0])):
            lists.append(f"- {KINDS[kind].capitalize()}. {why}")
            for name in names:
                tests = classes.get(name, {})
                failed = [test for test, outcome in tests.items() if outcome == "failed"]
                skipped = "" if failed else " (skipped)" if tests else " (not collected)"
                lists.append(f"  - `{name}`: {len(failed)} of {len(tests)}{skipped}")
    return "\n".join(out + lists) + "\n"


def percent(part, whole):
    return f"{100 * part / whole:.1f}%" if whole else "-"


def main():
    parser = argparse.ArgumentParser(prog="scripts/test-conformance")
    parser.add_argument("--root", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--plugin", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tests", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--adapter", choices=PACKAGES)
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--control", action="store_true")
    options, options.pytest = parser.parse_known_args()
    options.plugin = options.plugin.resolve()
    store = options.root / "tests/conformance"
    adapters = ["duckdb"] if options.few else [options.adapter] if options.adapter else list(PACKAGES)
    partial = options.few or options.pytest
    control = {a: json.loads(path.read_text()) for a in PACKAGES if (path := store / f"{a}.json").exists()}
    runs = {}
    for adapter in adapters:
        classes = runs[adapter] = run_tests(options, adapter)
        counts = collections.Counter(outcome for tests in classes.values() for outcome in tests.values())
        good = sum(map(passes, classes.values()))
        print(f"{adapter}: {dict(counts)}; {good} of {len(classes)} classes pass", flush=True)
        if partial:
            for name, tests in classes.items():
                for test in (test for test, outcome in tests.items() if outcome == "failed"):
                    print(f"  failed: {name}::{test}")
        elif options.control:
            (store / f"{adapter}.json").write_text(json.dumps(classes, indent=0) + "\n")
    if partial:
        # Failures with a reason, and those that dbt has, too, are as they should be.
        bad = [
            name
            for adapter, classes in runs.items()
            for name, tests in classes.items()
            if "failed" in tests.values()
            and passes(control.get(adapter, {}).get(name, {}))
            and not reason_of(json.loads((store / "reasons.json").read_text()), adapter, name)
        ]
        sys.exit(f"error: these fail without a reason: {' '.join(bad)}" if bad else 0)
    if options.control:
        return
    for adapter, classes in runs.items():
        (options.tests / f"got-{adapter}.json").write_text(json.dumps(classes))
    every = {a: json.loads(path.read_text()) for a in PACKAGES if (path := options.tests / f"got-{a}.json").exists()}
    reasons = json.loads((store / "reasons.json").read_text())
    (options.root / "docs/conformance.md").write_text(page(every, control, reasons))
    lost = [
        f"{adapter} {name}"
        for adapter, classes in runs.items()
        for name, tests in control[adapter].items()
        if passes(tests) and not passes(classes.get(name, {})) and not reason_of(reasons, adapter, name)
    ]
    if lost:
        sys.exit("error: these classes pass with dbt and fail here, without a reason in tests/conformance/reasons.json:\n  " + "\n  ".join(lost))


if __name__ == "__main__":
    main()
