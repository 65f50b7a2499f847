//! The program: parse, set up logs, dispatch, exit code.

fn main() {}
