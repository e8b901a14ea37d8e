"""What the checks share: an Airflow of their own, how to load a DAG file, small projects."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def settings(home, dags=None):
    """The environment of an Airflow that keeps everything in `home`, on SQLite, and tells nobody of it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "STRATA_", "DBT_"))}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags or home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "SCARF_ANALYTICS": "false",
        "NO_COLOR": "1",
        "PYTHONWARNINGS": "ignore",
    }
    return env


def own_airflow():
    """Starts this program again in an Airflow of its own: the settings count from the first import on."""
    if os.environ.get("STRATA_TEST_AIRFLOW"):
        return
    with tempfile.TemporaryDirectory(prefix="strata-airflow-") as home:
        env = settings(home) | {"STRATA_TEST_AIRFLOW": "1", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=env).returncode)


def load(path):
    """A DagBag of one file."""
    try:
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(path))
    except ImportError:
        from airflow.models.dagbag import DagBag

        return DagBag(str(path), include_examples=False)


def serialization():
    """The class that writes a DAG to Airflow's database and reads it again."""
    from airflow.serialization import serialized_objects

    return getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG


def airflow_version():
    from airflow.version import version

    return version


def export(tool, project, *more):
    """Writes the project's DAG file and gives its path."""
    run([pathlib.Path(tool).resolve(), "export", "airflow", *more], cwd=project)
    (path,) = (project / "dags").glob("*.py")
    return path


def run(command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def profile(name, output):
    return f"{name}: {{target: dev, outputs: {{dev: {json.dumps(output)}}}}}\n"


def copy_sample(folder):
    """The sample project, which is the root of this repository."""
    for name in ("models", "seeds", "macros", "tests/data"):
        shutil.copytree(REPOSITORY / name, folder / name)
    for name in ("project.yml", "profiles.yml"):
        shutil.copy(REPOSITORY / name, folder / name)
