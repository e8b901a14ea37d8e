#!/usr/bin/env python3
"""Writes projects with what a DAG file can hold, exports each, prints the files: `dag_files.py --tool PROGRAM FOLDER`.

The first is the sample, a task for each model.
"""

import argparse
import json
import pathlib
import re

import common

OPTIONS = {
    "dag_id": "every-option.1",
    "description": "Braces {{ ds }}, \"quotes\" and 'quotes', a \\ and a\nsecond line",
    "schedule": "30 6 * * 1-5",
    "timezone": "Europe/Berlin",
    "start_date": "2025-03-30",
    "owner": "the {% team %}",
    "tags": ["one", "two, and more"],
    "retries": {"models": 1, "tests": 3, "exports": 0},
    "retry_delay_seconds": 0,
    "pool": "warehouse",
    "max_active_tasks": 7,
    "callbacks": {
        "on_failure": "company.alerts.failed",
        "on_success": "company.alerts.done",
        "on_retry": "alerts.again",
    },
    "timeout_minutes": 180,
    "deadline": {"minutes": 90, "callback": "company.alerts.late"},
    "command": "/opt/{{ tools }}/strata",
    "project_dir": '/srv/{{ projects }}/it\'s "here"',
    "profiles_dir": "/srv/profiles",
    "asset_layers": ["marts", "staging"],
    "manual_interval_hours": 48,
}
MODEL = "select 1 as id{}\n"
FROM = MODEL.format(" from {{{{ ref('{}') }}}}")

PROJECTS = {
    # Every option, sources that name an asset, exports, a test that guards nothing, versions.
    "options": {
        "models/staging/first.sql": "select id from {{ source('raw', 'users') }}\n",
        "models/marts/second.sql": FROM.format("first"),
        "models/marts/versioned_v1.sql": FROM.format("second"),
        "models/marts/versioned_v2.sql": FROM.format("second"),
        "models/all.yml": """
sources: [{name: raw, schema: raw, tables: [{name: users, meta: {airflow_asset: warehouse/raw_users}}]}]
models:
  - {name: second, columns: [{name: id, data_tests: [unique, not_null]}]}
  - {name: versioned, latest_version: 2, versions: [{v: 1}, {v: 2}]}
exports:
  - {name: second_file, type: csv, model: "ref('second')"}
""",
        "tests/guards_nothing.sql": "select 1 where false\n",
        "airflow": OPTIONS,
    },
    # Layers that wait for each other, as tasks do not: Airflow 3 cannot draw groups in a circle.
    "circle": {
        "models/one/a.sql": MODEL.format(""),
        "models/two/b.sql": FROM.format("a"),
        "models/one/c.sql": FROM.format("b"),
        "models/three/d.sql": FROM.format("c"),
        "models/two/e.sql": FROM.format("d"),
        "models/four/f.sql": FROM.format("e"),
        "models/alone.sql": FROM.format("f"),
    },
    # Names that Airflow would not take, or takes for the same.
    "names": {
        "models/with space/a b.sql": MODEL.format(""),
        "models/dot.ted/c.d.sql": MODEL.format(""),
        "models/größe/maß.sql": MODEL.format(""),
        "models/marts/größe.sql": MODEL.format(""),
        "models/{{ ds }}/x.sql": MODEL.format(""),
        "models/marts/" + "long_" * 30 + ".sql": MODEL.format(""),
        "models/exports/y.sql": MODEL.format(""),
        "models/seeds/z.sql": MODEL.format(""),
        "seeds/seeds.csv": "id\n1\n",
    },
}


def plain(value):
    """The text of a value in a project file, where braces would be Jinja's."""
    return re.sub(r"\{[{%]|[}%]\}", lambda found: "{{ '" + found[0] + "' }}", json.dumps(value))


def project(folder, name, files):
    files = dict(files)
    options = files.pop("airflow", None)
    options = ", ".join(f"{key}: {plain(value)}" for key, value in (options or {}).items())
    block = f"\nairflow: {{{options}}}\n" if options else ""
    # Blanks in names, which the fixtures have, are refused without the flag.
    flags = "flags: {require_resource_names_without_spaces: false}\n"
    files["project.yml"] = f"name: {name}\nversion: '1.0'\nprofile: {name}\n{flags}{block}"
    files["profiles.yml"] = common.profile(name, {"type": "duckdb", "path": "data.duckdb"})
    common.write(folder, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    for by in ("model", "layer", "component", "project"):
        folder = arguments.folder / f"sample-by-{by}"
        common.copy_sample(folder)
        print(common.export(arguments.tool, folder, "--by", by))
    for name, files in PROJECTS.items():
        for by in ("model", "layer"):
            folder = arguments.folder / f"{name}-by-{by}"
            project(folder, name, files)
            print(common.export(arguments.tool, folder, "--by", by))


if __name__ == "__main__":
    main()
