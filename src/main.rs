//! The entry point of the program. The command line itself ends the process.
#![expect(clippy::disallowed_methods, reason = "the door to the process")]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stack size of the main and the worker threads, for deep Jinja recursion and large SQL.
const STACK: usize = 16 << 20;

fn main() -> ExitCode {
    // The thread never returns normally, so getting here means that it could not be started or has
    // panicked.
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run_program);
    let _ = thread.map(std::thread::JoinHandle::join);
    ExitCode::from(2)
}

fn run_program() {
    let _ = rayon::ThreadPoolBuilder::new().stack_size(STACK).build_global();
    strata::run_command_line(std::env::args().collect())
}
