//! The program: arguments in; the command line ends the process.
#![expect(clippy::disallowed_methods, reason = "the door to the process")]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Deep Jinja recursion and large SQL need room on the first thread, too.
const STACK: usize = 16 << 20;

fn main() -> ExitCode {
    // It comes back only if the thread could not be started, or has panicked.
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run_program);
    let _ = thread.map(std::thread::JoinHandle::join);
    ExitCode::from(2)
}

fn run_program() {
    let _ = rayon::ThreadPoolBuilder::new().stack_size(STACK).build_global();
    strata::run_command_line(std::env::args().collect())
}
