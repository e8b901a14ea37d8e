"""What others make of Strata's artifacts, for `scripts/test-readers`.

In: the tool, projects, interpreters that have the readers. Out: a line a project and reader; exit code 1 if one of them
refuses an artifact, or reads another thing than what is there. This script itself runs with dbt's interpreter.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import yaml
from dbt.artifacts.schemas.catalog import CatalogArtifact
from dbt.artifacts.schemas.freshness import FreshnessExecutionResultArtifact
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.artifacts.schemas.run import RunResultsArtifact
from dbt_semantic_interfaces.implementations.semantic_manifest import PydanticSemanticManifest

DAGSTER = "dagster-dbt-0.29.27/dagster_dbt_tests/dbt_projects/"
PROJECTS = {
    "sample": None,
    "everything": None,
    "jaffle_shop": DAGSTER + "jaffle_shop",
    "model_versions": DAGSTER + "test_dagster_dbt_model_versions",
    "snapshot": DAGSTER + "test_dagster_dbt_snapshot",
    "source_freshness": DAGSTER + "test_dagster_dbt_source_freshness",
    "functions": DAGSTER + "test_dagster_dbt_functions",
    "unit_tests": DAGSTER + "test_dagster_dbt_unit_tests",
    "meta_config": DAGSTER + "test_dagster_meta_config",
    "sushi": "sqlmesh-0.236.4/examples/sushi_dbt",
    "osmosis_demo": "dbt-osmosis-1.5.0/demo_duckdb",
    "mf_tutorial": "dbt-metricflow-0.15.0/dbt_metricflow/cli/mf_tutorial_project",
}
# What dbt cannot build: functions on DuckDB, which are an extension of ours; a microbatch model with a parse that is not its
# own, since `begin` is a text in each manifest and it wants a date.
OURS_ALONE = {"everything": ["twice+", "batched"], "functions": ["resource_type:function"]}
ARTIFACTS = {
    "manifest.json": WritableManifest,
    "run_results.json": RunResultsArtifact,
    "catalog.json": CatalogArtifact,
    "sources.json": FreshnessExecutionResultArtifact,
}
# Run with the interpreter of dbt-artifacts-parser: each artifact of a folder is read into its typed form.
PARSE = """
import json, pathlib, sys
from dbt_artifacts_parser import parser
folder = pathlib.Path(sys.argv[1])
for name in ("manifest", "run_results", "catalog", "sources"):
    path = folder / f"{name}.json"
    if path.exists():
        getattr(parser, f"parse_{name}")(json.loads(path.read_text()))
"""
# Run with Cosmos' interpreter: the nodes that it makes tasks of.
COSMOS = """
import json, pathlib, sys
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import LoadMode
from cosmos.dbt.graph import DbtGraph
project, manifest, profile, target = sys.argv[1:5]
graph = DbtGraph(
    project=ProjectConfig(manifest_path=manifest, project_name=profile),
    render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST, source_rendering_behavior="all"),
    execution_config=ExecutionConfig(dbt_project_path=project),
    profile_config=ProfileConfig(
        profile_name=profile, target_name=target, profiles_yml_filepath=pathlib.Path(project, "profiles.yml")
    ),
)
graph.load(method=LoadMode.DBT_MANIFEST)
print(json.dumps(sorted(graph.nodes)))
"""


# The project that elementary's command line brings along reads the graph. Its hub package is not to be had everywhere: what
# it calls of it, and reads, is stood in for.
ELEMENTARY = "elementary-0.26.1/elementary/monitor/dbt_project"
ELEMENTARY_READS = [
    "alerts_anomaly_detection", "alerts_dbt_models", "alerts_dbt_source_freshness", "alerts_dbt_tests", "alerts_schema_changes",
    "dbt_exposures", "snapshot_run_results", "test_result_rows",
]  # fmt: skip
# What dbt makes of a project's files, apart from what differs from run to run.
OF_A_NODE = (
    "depends_on", "config", "unrendered_config", "fqn", "relation_name", "checksum", "columns", "refs", "sources", "tags", "meta", "docs",
    "description", "constraints", "path", "original_file_path", "raw_code", "group", "version", "access", "source_meta", "freshness",
)  # fmt: skip


def stand_in_for_elementary(folder: Path) -> None:
    sources = "".join(path.read_text() for part in ("models", "macros") for path in (folder / part).rglob("*.sql"))
    packages = folder / "dbt_packages"
    for name, version in (("elementary", "0.26.1"), ("dbt_utils", "0.8.6")):
        (packages / name / "macros").mkdir(parents=True)
        (packages / name / "dbt_project.yml").write_text(f"name: {name}\nversion: {version}\n")
    macros = []
    for name in sorted(set(re.findall(r"elementary\.([a-z_]+)\(", sources))):
        value = "none" if name == "get_config_var" else "'1'"
        macros.append(f"{{% macro {name}() %}}{{% set given = [varargs, kwargs] %}}{{{{ return({value}) }}}}{{% endmacro %}}\n")
    (packages / "elementary/macros/all.sql").write_text("".join(macros))
    (packages / "dbt_utils/macros/star.sql").write_text("{% macro star(from, except=[]) %}*{% endmacro %}\n")
    read = re.findall(r"ref\(\s*['\"]elementary['\"],\s*['\"]([a-z_]+)", sources)
    (packages / "elementary/models").mkdir()
    for name in {*read, *ELEMENTARY_READS}:
        (packages / f"elementary/models/{name}.sql").write_text("select 1 as unique_id, '[]' as depends_on_nodes, 1 as id\n")
    (folder / "profiles.yml").write_text("elementary: {target: dev, outputs: {dev: {type: duckdb, path: elementary.duckdb}}}\n")


class Refused(Exception):
    """A reader does not take an artifact, or takes it for something else."""


class Trial:
    """A project in a folder of its own, and what strata and the readers make of it."""

    def __init__(self, arguments: argparse.Namespace, name: str, folder: Path):
        self.arguments, self.name, self.folder = arguments, name, folder
        self.target = folder / "target"
        self.environment = {
            **os.environ,
            "DBT_PROFILES_DIR": str(folder),
            "DAGSTER_DBT_PYTEST_XDIST_DUCKDB_DBFILE_PATH": str(folder / "trial.duckdb"),
            "DAGSTER_DBT_PYTEST_XDIST_DUCKDB_DBFILE_NAME": "trial",
            "DBT_TARGET_PATH": "target",
            "NO_COLOR": "1",
        }

    def run(self, *command: str, may_fail: bool = False) -> str:
        ran = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if ran.returncode != 0 and not may_fail:
            raise Refused(f"{' '.join(command[:4])} ended with {ran.returncode}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}")
        return ran.stdout

    def build(self) -> None:
        tool = self.arguments.tool
        if (self.folder / "packages.yml").exists() or (self.folder / "dependencies.yml").exists():
            self.run(tool, "deps")
        # What fails is in the artifacts as well.
        said = self.run(tool, "build", "--no-audit", "--log-level-file", "none", may_fail=True)
        if not (self.target / "run_results.json").exists():
            raise Refused(f"it is not built:\n{said[-3000:]}")
        results = (self.target / "run_results.json").read_text()
        self.run(tool, "docs", "generate", may_fail=True)
        self.run(tool, "source", "freshness", may_fail=True)
        (self.target / "run_results.json").write_text(results)

    def manifest(self) -> dict:
        return json.loads((self.target / "manifest.json").read_text())

    def check_dbt(self) -> str:
        """dbt's own schemas and its own reader."""
        found = []
        for name, artifact in ARTIFACTS.items():
            path = self.target / name
            if not path.exists():
                continue
            found.append(name.removesuffix(".json"))
            validator = jsonschema.Draft202012Validator(artifact.json_schema())
            errors = [f"{name}: {e.json_path}: {e.message[:300]}" for e in validator.iter_errors(json.loads(path.read_text()))]
            if errors:
                raise Refused("\n".join(errors[:10]))
            artifact.read_and_check_versions(str(path))
        PydanticSemanticManifest.parse_raw((self.target / "semantic_manifest.json").read_text())
        return ", ".join([*found, "semantic_manifest"])

    def check_parser(self) -> str:
        """dbt-artifacts-parser."""
        self.run(self.arguments.readers, "-c", PARSE, str(self.target))
        return "read"

    def check_dbterd(self) -> str:
        """dbterd draws each model."""
        out = self.folder / "erd"
        out.mkdir()
        self.run(str(Path(self.arguments.readers).parent / "dbterd"), "run", "-ad", str(self.target), "-o", str(out))
        drawn = (out / "output.dbml").read_text()
        models = [node for node in self.manifest()["nodes"] if node.startswith("model.")]
        catalog = json.loads((self.target / "catalog.json").read_text())["nodes"]
        # It leaves versions out of names.
        name = lambda node: ".".join(node.split(".")[:3])  # noqa: E731
        missing = [node for node in models if node in catalog and f'"{name(node)}"' not in drawn]
        if missing:
            raise Refused(f"not drawn: {missing}")
        return f"{drawn.count('Table ')} tables, {drawn.count('Ref:')} references"

    def check_cosmos(self) -> str:
        """Cosmos finds what it makes tasks of."""
        profile = self.manifest()["metadata"]["project_name"]
        nodes = json.loads(
            self.run(
                self.arguments.cosmos, "-c", COSMOS, str(self.folder), str(self.target / "manifest.json"), profile, "dev"
            ).splitlines()[-1]
        )
        manifest = self.manifest()
        wanted = [id for id in manifest["nodes"] if id.split(".")[0] in ("model", "seed", "snapshot", "test")]
        missing = set(wanted) - set(nodes)
        if missing:
            raise Refused(f"not found: {sorted(missing)}")
        return f"{len(nodes)} nodes"

    def check_newer(self) -> str:
        """dbt 1.12 builds with our parse, and gets what we get."""
        without = [word for name in OURS_ALONE.get(self.name, []) for word in ("--exclude", name)]
        self.forget()
        self.run(self.arguments.tool, "build", "--no-audit", *without, may_fail=True)
        ours = self.results()
        self.forget()
        dbt = str(Path(self.arguments.newer).parent / "dbt")
        parser = f"{self.arguments.tool} parse"
        said = self.run(dbt, "--use-v2-parser", "--v2-parser", parser, "build", *without, may_fail=True)
        if not (self.target / "run_results.json").exists():
            raise Refused(f"dbt 1.12 does not build with our parse:\n{said[-3000:]}")
        # To dbt our exports are exposures, which have results of their own.
        exports = {id for id, node in self.manifest()["exposures"].items() if "strata_export" in node["meta"]}
        theirs = {id: status for id, status in self.results().items() if id not in exports}
        different = {id: (ours.get(id), theirs.get(id)) for id in ours | theirs if ours.get(id) != theirs.get(id)}
        if different:
            raise Refused(f"dbt 1.12 with our parse gets other results: {different}")
        return f"{len(theirs)} results"

    def check_parse(self) -> str:
        """Our parse is dbt's, as far as others look."""
        self.run(self.arguments.tool, "parse")
        ours = self.manifest()
        shutil.rmtree(self.target)
        self.run(str(Path(sys.executable).parent / "dbt"), "parse")
        theirs = self.manifest()
        count, wrong = 0, []
        for section in ("nodes", "sources", "exposures"):
            if ours[section].keys() != theirs[section].keys():
                raise Refused(f"other {section}: {sorted(ours[section].keys() ^ theirs[section].keys())}")
            for id, node in theirs[section].items():
                mine = ours[section][id]
                for call in [*mine.get("refs", []), *node.get("refs", [])]:
                    # dbt keeps whether a version was written as a text.
                    call["version"] = None if call["version"] is None else str(call["version"])
                different = [key for key in OF_A_NODE if key in node and mine.get(key) != node[key]]
                wrong += [f"{id}: {key}" for key in different]
                count += 1
        if wrong:
            raise Refused(f"{len(wrong)} values differ from dbt's: {', '.join(wrong[:10])}")
        return f"{count} nodes are those of dbt"

    def forget(self) -> None:
        """Removes what was built, and its artifacts: dbt 1.12 wants a folder where 1.11 has a file."""
        shutil.rmtree(self.target, ignore_errors=True)
        for path in self.folder.glob("*.duckdb*"):
            path.unlink()

    def results(self) -> dict:
        results = json.loads((self.target / "run_results.json").read_text())["results"]
        return {result["unique_id"]: result["status"] for result in results}


def prepare(arguments: argparse.Namespace, name: str, folder: Path) -> None:
    root = Path(arguments.root)
    if name == "sample":
        for part in ("models", "macros", "seeds", "project.yml", "profiles.yml", "tests/data"):
            source = root / part
            if source.is_dir():
                shutil.copytree(source, folder / part)
            elif source.exists():
                shutil.copy(source, folder / part)
        # dbt knows this name only, and none of our own keys.
        project = yaml.safe_load((folder / "project.yml").read_text())
        project.pop("airflow", None)
        (folder / "dbt_project.yml").write_text(yaml.safe_dump(project, sort_keys=False))
        (folder / "project.yml").unlink()
        return
    source = root / "tests/readers/everything" if name == "everything" else Path(arguments.cache, PROJECTS[name])
    shutil.copytree(source, folder, dirs_exist_ok=True)


def report(name: str, check: Callable[[], str]) -> bool:
    """Prints what a reader makes of a project; false if it refuses it."""
    reader = check.__name__.removeprefix("check_")
    try:
        print(f"{name:<18}{reader:<12}{check()}", flush=True)
    except Refused as problem:
        print(f"{name:<18}{reader:<12}REFUSED: {problem}", flush=True)
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser()
    for flag in ("--root", "--cache", "--tool", "--readers", "--newer"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--cosmos", default="")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.names or PROJECTS:
        if PROJECTS[name] and not Path(arguments.cache, PROJECTS[name]).exists():
            print(f"{name}: not there, skipped")
            continue
        with tempfile.TemporaryDirectory(prefix="strata-readers-") as folder:
            trial = Trial(arguments, name, Path(folder))
            prepare(arguments, name, trial.folder)
            trial.build()
            checks = [trial.check_dbt, trial.check_parser, trial.check_dbterd, trial.check_cosmos, trial.check_newer]
            # To dbt, our exports are exposures in their files only.
            if name != "sample":
                checks.append(trial.check_parse)
            if not arguments.cosmos:
                checks.remove(trial.check_cosmos)
            failed += sum(not report(name, check) for check in checks)
    if not arguments.names and Path(arguments.cache, ELEMENTARY).exists():
        with tempfile.TemporaryDirectory(prefix="strata-readers-") as folder:
            trial = Trial(arguments, "elementary", Path(folder))
            shutil.copytree(Path(arguments.cache, ELEMENTARY), trial.folder, dirs_exist_ok=True)
            stand_in_for_elementary(trial.folder)
            failed += not report("elementary", trial.check_parse)
    print(f"{failed} refused" if failed else "all read")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
