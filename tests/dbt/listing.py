"""Writes listing.json: what `dbt ls` prints of one project for many selections.

Usage: python listing.py [output file]
Needs dbt-core 1.11.16 and dbt-duckdb 1.10.1; uses no network and no database.
"""

import contextlib
import io
import json
import os
import sys
import tempfile

from dbt.cli.main import dbtRunner

HERE = os.path.dirname(os.path.abspath(__file__))

FILES = {
    'analyses/an.sql': "select 1 from {{ ref('top') }}\n",
    'dbt_project.yml': "name: shop\nprofile: shop\nversion: '1.0'\nmodels:\n  shop:\n    staging: {+tags: [stg, nightly], +materialized: view}\n    marts: {+materialized: table, +meta: {owner: me, level: 1}}\nseeds: {+tags: raw}\n",
    'models/marts/dim_v1.sql': 'select 1 as id\n',
    'models/marts/dim_v2.sql': 'select 1 as id, 2 as b\n',
    'models/marts/fct.sql': "{{ config(materialized='incremental', unique_key='id', tags=['big']) }} select c.id, o.amount from {{ ref('stg_customers') }} c join {{ ref('stg_orders') }} o using (id)\n",
    'models/marts/off1.sql': '{{ config(enabled=false) }} select 1\n',
    'models/marts/top.sql': "select * from {{ ref('dim') }}\n",
    'models/p.yml': "groups: [{name: fin, owner: {name: me}}]\nsources: [{name: ext, tags: [outer], tables: [{name: events, columns: [{name: id, data_tests: [not_null]}]}, {name: other}]}]\nmodels:\n  - name: fct\n    config: {group: fin, access: public, contract: {enforced: false}}\n    columns: [{name: id, data_tests: [unique, {not_null: {config: {tags: [slow], severity: warn}}}]}]\n    data_tests: [{relationships: {arguments: {to: ref('stg_customers'), field: id}, column_name: id}}]\n  - name: dim\n    latest_version: 2\n    versions: [{v: 1}, {v: 2}]\n    columns: [{name: id, data_tests: [unique]}]\n  - name: stg_customers\n    columns: [{name: id, data_tests: [unique, not_null]}]\nexposures: [{name: dash, type: dashboard, owner: {name: me}, depends_on: [ref('fct'), ref('top')], tags: [exp], maturity: high}]\nunit_tests: [{name: u1, model: fct, config: {tags: [ut]}, given: [{input: ref('stg_customers'), rows: [{id: 1}]}, {input: ref('stg_orders'), rows: [{id: 1, amount: 2}]}], expect: {rows: [{id: 1, amount: 2}]}}]\n",
    'models/staging/stg_customers.sql': "select * from {{ ref('customers') }}\n",
    'models/staging/stg_events.sql': "select * from {{ source('ext', 'events') }}\n",
    'models/staging/stg_orders.sql': "select * from {{ ref('orders') }}\n",
    'profiles.yml': 'shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n',
    'seeds/customers.csv': 'id,name\n1,a\n',
    'seeds/orders.csv': 'id,amount\n1,5\n',
    'selectors.yml': "selectors:\n  - {name: one, definition: {method: tag, value: stg}}\n  - {name: two, definition: {union: [{method: fqn, value: fct, parents: true}, {exclude: [{method: tag, value: raw}]}]}}\n  - {name: three, definition: {intersection: [{method: path, value: models/staging}, 'tag:nightly']}}\n  - {name: four, definition: {method: selector, value: one}}\n",
    'snapshots/s.yml': "snapshots: [{name: snap, relation: ref('orders'), config: {unique_key: id, strategy: check, check_cols: all}}]\n",
    'tests/singular.sql': "select * from {{ ref('fct') }} where id is null\n",
}

# Each is one selection; words are united.
SELECTIONS = [
    'fct',
    '+fct',
    'fct+',
    '+fct+',
    '1+fct',
    'fct+1',
    '2+top+1',
    '@stg_customers',
    'stg_*',
    'tag:stg',
    'tag:nightly,stg_orders',
    'tag:raw+',
    'path:models/marts',
    'path:models/staging/stg_orders.sql',
    'models/marts',
    'file:fct.sql',
    'file:fct',
    'fqn:shop.staging',
    'fqn:*fct',
    'shop',
    'shop.staging',
    'shop.staging.*',
    'package:shop',
    'package:this',
    'source:ext',
    'source:ext.events',
    'source:ext.events+',
    'source:*',
    'exposure:dash',
    '+exposure:dash',
    'exposure:*',
    'config.materialized:table',
    'config.materialized:incremental',
    'config.tags:big',
    'config.meta.owner:me',
    'config.meta.level:1',
    'config.group:fin',
    'config.severity:warn',
    'config.unique_key:id',
    'resource_type:model',
    'resource_type:seed',
    'resource_type:snapshot',
    'resource_type:unit_test',
    'resource_type:source',
    'resource_type:exposure',
    'test_type:generic',
    'test_type:singular',
    'test_type:unit',
    'test_type:data',
    'test_name:unique',
    'test_name:not_null',
    'unit_test:u1',
    'unit_test:*',
    'group:fin',
    'access:public',
    'access:protected',
    'version:latest',
    'version:old',
    'version:none',
    'version:prerelease',
    'dim',
    'dim.v1',
    'dim_v1',
    'dim.v2+',
    'singular',
    'snap',
    '+snap',
    'an',
    'off1',
    'u1',
    'unique_fct_id',
    'stg_customers stg_orders',
    'stg_customers,tag:stg',
    'tag:stg,tag:nightly',
    '+tag:big,tag:stg',
    'tag:none',
    'nope',
    'config.enabled:true',
    'config.contract.enforced:false',
    'state:x',
    'saved_query:*',
    'metric:*',
    'semantic_model:*',
    'config.maturity:high',
    '+stg_events',
    'ext.events',
    'file:p.yml',
    'path:models/p.yml',
    'path:tests',
    'path:seeds/orders.csv',
    'test_type:x',
    'tag:s*',
    'config.materialized:view+1',
    '@fct',
    '@tag:raw',
    '3+exposure:dash',
]

CASES = [
    [],
    *[["--select", *selection.split()] for selection in SELECTIONS],
    ["--exclude", "fct"],
    ["--select", "+fct", "--exclude", "tag:stg"],
    ["--select", "tag:stg", "--exclude", "stg_o*"],
    ["--select", "resource_type:model", "--exclude", "path:models/marts"],
    ["--exclude", "resource_type:test"],
    ["--select", "fct", "--exclude", "test_type:unit"],
    ["--select", "+fct", "--exclude", "tag:raw+"],
    ["--exclude", "package:shop"],
    *[["--selector", name] for name in ("one", "two", "three", "four")],
    *[["--select", "stg_customers", "--indirect-selection", word] for word in ("eager", "cautious", "buildable", "empty")],
    *[["--output", word] for word in ("json", "name", "path", "selector")],
    ["--output", "json", "--select", "fct", "dash", "snap"],
    ["--output", "json", "--output-keys", "name", "tags", "config.materialized", "--select", "fct"],
    ["--output", "json", "--output-keys", "unique_id", "depends_on", "fqn"],
    ["--resource-type", "model"],
    ["--resource-type", "all"],
    ["--exclude-resource-type", "test"],
    ["--resource-type", "unit_test", "--resource-type", "exposure"],
    ["--models", "stg_*"],
]


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "listing.json")
    os.environ["DO_NOT_TRACK"] = "1"
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for path, text in FILES.items():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        runner = dbtRunner()
        for args in CASES:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                ran = runner.invoke(["--quiet", "ls", *args])
            lines = sorted(ran.result or [])
            cases.append({"args": args, "succeeds": ran.success, "lines": lines})
        os.chdir(HERE)
    assert sum(case["succeeds"] and bool(case["lines"]) for case in cases) > len(cases) / 2, "the project has errors"
    with open(output, "w") as file:
        rows = ",\n".join(json.dumps(case) for case in cases)
        file.write(f'{{"files": {json.dumps(FILES)},\n"cases": [\n{rows}\n]}}\n')
    print(f"{len(cases)} selections")


if __name__ == "__main__":
    main()
