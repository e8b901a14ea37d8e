import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# Some names have moved between Airflow 2 and 3.
try:
    from airflow.sdk import DAG, Asset, TaskGroup
except ImportError:
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.utils.task_group import TaskGroup
try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:
    from airflow.timetables.interval import CronDataIntervalTimetable
try:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator
