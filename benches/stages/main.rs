//! `./dev bench`: one row per stage of the walk, side by side in one run, then the memory of a long run. A program of its
//! own instead of criterion: what people ask for is one table, with memory beside time.
//!
//! `./dev bench -- --frames N --skip-full-head` shortens it.

mod live;
mod memory;
mod stages;
mod table;

use std::error::Error;

/// Frames of the memory run, unless `--frames N` says otherwise.
const FRAMES: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let frames = match args.iter().position(|a| a == "--frames") {
        Some(at) => args.get(at + 1).ok_or("--frames: a number is missing")?.parse()?,
        None => FRAMES,
    };
    llava_grounding::memory::keep(); // as the program does
    tch::set_num_threads(2);
    println!("CPU, 2 threads of libtorch; the model is the embedded one unless a row says otherwise");
    let mut rows = stages::edge();
    rows.extend(stages::model()?);
    rows.push(live::overhead()?);
    if !args.iter().any(|a| a == "--skip-full-head") {
        rows.push(stages::full_head());
    }
    table::print(&rows);
    memory::run(frames)
}
