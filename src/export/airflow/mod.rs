//! The DAG file: one static Python file that runs the project on Airflow 2.10, 2.11 and 3.
//!
//! In: a `Plan` of everything (made with `ExistingRelations::Unknown`), options. Out: `Dag`, the
//! graph of tasks, which `file` prints and whose hash each task carries. `drift` says what differs
//! between a file and the project. Must not know: how Airflow is installed, the values that a run
//! has.

mod drift;
mod file;
mod hash;
mod python;
mod tasks;

pub(crate) use drift::find_drift;
pub(crate) use file::{DagFileRequest, dag_file};
pub(crate) use tasks::{Dag, DagRequest, Granularity, build_dag, layer_of};
