#!/usr/bin/env python3
"""Checks DAG files as Airflow reads them: `check_import.py DAGFILE...`, in an environment with Airflow.

Each file must be imported without an error, survive being written to Airflow's database and read again, and be one
that the web pages can draw. Exits with 1 when something is wrong, where `airflow dags reserialize` exits with 0.
"""

import ast
import json
import sys

import common


def rows(path):
    """The list TASKS of a file, read without running it."""
    for item in ast.parse(open(path).read()).body:
        if isinstance(item, ast.Assign) and item.targets[0].id == "TASKS":
            return ast.literal_eval(item.value)
    raise AssertionError("there is no TASKS")


def top_level(path):
    """What runs when the file is read must touch neither Airflow's database nor files nor programs."""
    tree = ast.parse(open(path).read())
    body = [n for n in tree.body if not isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    called = {ast.unparse(n.func) for part in body for n in ast.walk(part) if isinstance(n, ast.Call)}
    imported = {alias.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for alias in n.names}
    for name in ("open", "exec", "eval", "import_module", "os.getenv", "os.system", "os.path.realpath"):
        assert name not in called, f"{name} is called at the top level"
    for name in ("Variable", "Connection", "BaseHook", "subprocess", "pathlib"):
        assert name not in imported, f"{name} is imported"


def groups(group):
    yield group
    for child in group.children.values():
        if hasattr(child, "children"):
            yield from groups(child)


def edges(dag):
    return {(up, task.task_id) for task in dag.tasks for up in task.upstream_task_ids}


def no_cycle(pairs, nodes):
    left, pairs = set(nodes), set(pairs)
    while left:
        free = {n for n in left if not any(b == n for _, b in pairs)}
        assert free, f"these wait for each other: {', '.join(sorted(left))}"
        left -= free
        pairs = {(a, b) for a, b in pairs if a not in free}


def check(path):
    top_level(path)
    bag = common.load(path)
    for problem in bag.import_errors.values():
        raise AssertionError(problem)
    assert len(bag.dags) == 1, f"{len(bag.dags)} DAGs"
    warnings = getattr(bag, "captured_warnings", None)
    assert not warnings, f"warnings: {warnings}"
    (dag,) = bag.dags.values()

    wanted = rows(path)
    names = {row["task"] for row in wanted}
    assert len(names) == len(wanted), "two tasks have the same id"
    assert set(dag.task_ids) == names, f"tasks differ: {set(dag.task_ids) ^ names}"
    drawn = {(up, row["task"]) for row in wanted for up in row["after"]}
    assert edges(dag) == drawn, f"edges differ: {edges(dag) ^ drawn}"
    no_cycle(drawn, names)
    assert dag.catchup is False and dag.max_active_runs == 1
    for row in wanted:
        task = dag.get_task(row["task"])
        for kept, key in ((task.outlets, "writes"), (task.inlets, "reads")):
            uris = [asset.uri for asset in kept]
            assert uris == row.get(key, []), f"{row['task']} {key} {uris}"
        assert task.template_fields == ("strata_vars",), "Airflow renders more than the window"

    # The whole must be JSON. What Airflow's scheduler and pages know is what is read back.
    serialized = common.serialization()
    read = serialized.from_dict(json.loads(json.dumps(serialized.to_dict(dag))))
    assert set(read.task_ids) == names and edges(read) == drawn, "the serialized DAG differs"
    for row in wanted:
        assert read.get_task(row["task"]).retries == dag.get_task(row["task"]).retries
    # The pages sort each group. Airflow 3 cannot when groups wait for each other, and answers with an error.
    for each in (dag, read):
        for group in groups(each.task_group):
            group.topological_sort()
    # The same on every version: with each group seen as one node there is no circle.
    node = {}
    for task_id in names:
        home = dag.get_task(task_id).task_group
        node[task_id] = getattr(home, "group_id", None) or task_id
    no_cycle({(node[a], node[b]) for a, b in drawn if node[a] != node[b]}, node.values())
    count = len(set(node.values()) - names)
    print(f"{path}: {dag.dag_id}, {len(names)} tasks, {len(drawn)} edges, {count} groups: no errors")


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    common.own_airflow()
    print(f"Airflow {common.airflow_version()}")
    failed = 0
    for path in sys.argv[1:]:
        try:
            check(path)
        except Exception as problem:
            failed = 1
            print(f"{path}: {type(problem).__name__}: {problem}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
