"""What people and programs see of whole projects, for `scripts/test-net`.

In: the tool, and projects. Out: differences from tests/net, a unified diff a file; exit code 1 when there are any. Times, ids,
durations and folders are replaced by words. Entries of artifacts are told by a digest each, which says what has changed; to
see how, compare the artifacts of both states. So nothing of the public projects is stored but names.
"""

import argparse
import difflib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DAGSTER = "dagster-dbt-0.29.27/dagster_dbt_tests/dbt_projects/"
PROJECTS = {
    "sample": None,
    "jaffle_shop": DAGSTER + "jaffle_shop",
    "model_versions": DAGSTER + "test_dagster_dbt_model_versions",
    "snapshot": DAGSTER + "test_dagster_dbt_snapshot",
    "sushi": "sqlmesh-0.236.4/examples/sushi_dbt",
    "osmosis_demo": "dbt-osmosis-1.5.0/demo_duckdb",
}
# Keys of artifacts whose values differ from run to run.
OF_A_RUN = {
    "generated_at", "created_at", "invocation_id", "invocation_started_at", "execution_time", "elapsed_time", "timing",
    "thread_id", "started_at", "completed_at", "run_started_at", "strata_version", "strata_inputs",
}  # fmt: skip
PATTERNS = [
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "CLOCK"),
    (r"\b\d+(\.\d+)? ?(ms|s)\b", "N s"),
    (r"\b\d+ min N s\b", "N s"),
]


def normal_text(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "PROJECT")
    for pattern, word in PATTERNS:
        text = re.sub(pattern, word, text)
    # Columns of durations are as wide as their text.
    return re.sub(r" +N s", " N s", text)


def normal_json(value: object, folder: Path) -> object:
    if isinstance(value, dict):
        return {key: "OF THE RUN" if key in OF_A_RUN else normal_json(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [normal_json(item, folder) for item in value]
    return value.replace(str(folder), "PROJECT") if isinstance(value, str) else value


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def manifest_lines(manifest: dict) -> str:
    """A line for each resource: its section, its id, a digest of all that is said of it. Macros are one: most are built in."""
    lines = []
    for section, items in sorted(manifest.items()):
        each = isinstance(items, dict) and section != "macros"
        entries = items.items() if each else [("", items)]
        lines += [" ".join([section, name, digest(item)]) for name, item in sorted(entries)]
    return "\n".join(lines) + "\n"


def result_lines(results: dict) -> str:
    """A line for each node, in the order of the file: its id, its status, its message, a digest of the rest."""
    lines = [f"{r['unique_id']} {r['status']} {json.dumps(r['message'])} {digest(r)}" for r in results["results"]]
    rest = {key: value for key, value in results.items() if key != "results"}
    return "\n".join([*lines, f"rest {digest(rest)}"]) + "\n"


def prepare(name: str, source: Path | None, tool: list[str], folder: Path, environment: dict[str, str]) -> Path:
    """A copy of the project with a profile of its own."""
    project = folder / name
    if source is None:
        subprocess.run([*tool, "init", name, "--sample"], cwd=folder, env=environment, check=True, capture_output=True)
        return project
    shutil.copytree(source, project)
    text = (project / "dbt_project.yml").read_text()
    profile = re.search(r"^profile:\s*['\"]?([\w-]+)", text, re.M)
    output = "{type: duckdb, path: net.duckdb, threads: 1}"
    name_of_profile = profile.group(1) if profile else "default"
    (project / "profiles.yml").write_text(f"{name_of_profile}: {{target: dev, outputs: {{dev: {output}}}}}\n")
    return project


def see(name: str, source: Path | None, tool: list[str], folder: Path) -> dict[str, str]:
    """What the project shows, by the name of the file that stores it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DBT_", "STRATA_"))} | {"NO_COLOR": "1"}
    project = prepare(name, source, tool, folder, environment)
    environment |= {"DBT_PROFILES_DIR": str(project), "DBT_TARGET_PATH": "target"}
    console = []

    def run(*args: str) -> str:
        done = subprocess.run([*tool, *args], cwd=project, env=environment, capture_output=True, text=True)
        shown = "" if "--json" in args else done.stdout
        console.append(f"$ strata {' '.join(args)}\n{shown}{done.stderr}-> {done.returncode}\n")
        return done.stdout

    plan = run("plan", "--json", "--threads", "1")
    run("build", "--threads", "1")
    run("build", "--threads", "1")
    run("ls", "--output", "name")
    artifact = {file: json.loads((project / "target" / file).read_text()) for file in ("manifest.json", "run_results.json")}
    manifest, results = (normal_json(value, project) for value in artifact.values())
    return {
        "plan.json": normal_text(plan, project),
        "console.txt": normal_text("\n".join(console), project),
        "manifest.txt": manifest_lines(manifest),
        "run_results.txt": normal_text(result_lines(results), project),
    }


def compare(stored: Path, text: str) -> list[str]:
    before = stored.read_text().splitlines(keepends=True) if stored.exists() else []
    return list(difflib.unified_diff(before, text.splitlines(keepends=True), str(stored), "now"))


def main() -> None:
    arguments = argparse.ArgumentParser(prog="scripts/test-net")
    arguments.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--tool", required=True, help="the command to look at")
    arguments.add_argument("--update", action="store_true", help="store what is seen now")
    arguments.add_argument("projects", nargs="*")
    given = arguments.parse_args()
    unknown = [name for name in given.projects if name not in PROJECTS]
    if unknown:
        arguments.error(f"there is no project {unknown[0]}: {', '.join(PROJECTS)}")
    failed = False
    for name in given.projects or PROJECTS:
        path = PROJECTS[name]
        source = None if path is None else given.cache / path
        if source is not None and not source.is_dir():
            print(f"Skipped {name}: it could not be downloaded", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            seen = see(name, source, shlex.split(given.tool), Path(folder).resolve())
        home = given.root / "tests" / "net" / name
        differences = []
        for file, text in seen.items():
            if given.update:
                home.mkdir(parents=True, exist_ok=True)
                (home / file).write_text(text)
            else:
                differences += compare(home / file, text)
        sys.stdout.writelines(differences)
        failed |= bool(differences)
        print(f"{name}: {'stored' if given.update else 'differs' if differences else 'as stored'}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
