//! The program: parse, set up logs, dispatch, exit code.

use std::process::ExitCode;

use llava_grounding::cli;
use llava_grounding::memory;
use llava_grounding::telemetry;
use llava_grounding::types::whole;

fn main() -> ExitCode {
    memory::keep();
    let args = cli::parse(std::env::args_os());
    telemetry::init();
    match cli::dispatch(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", whole(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
