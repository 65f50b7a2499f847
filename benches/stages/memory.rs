//! Memory of a long run: every frame is decoded, answered by the embedded model and encoded.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use llava_grounding::grounder::Grounder;
use llava_grounding::memory;
use llava_grounding::params::Tunables;
use llava_grounding::perceive::perceive;
use llava_grounding::ports::Input;
use llava_grounding::types::Command;
use llava_grounding::types::Flow;
use llava_grounding::types::Mode;
use llava_grounding::wire;
use llava_grounding::wire::Role;
use llava_grounding::wire::cdr;
use llava_grounding::wire::convert::msg_from_answer;

use crate::stages;

/// Prints the resident set at the start, in the middle and at the end of `frames` frames.
pub fn run(frames: usize) -> Result<(), Box<dyn Error>> {
    memory::give_back(); // what the rows before kept
    let grounder = Grounder::load(None, "cpu", "auto")?;
    let bytes = stages::picture_bytes();
    let command = Command { text: "the red mug".into(), mode: Mode::Refer, ..Command::default() };
    let tunables = Tunables { refer_force: true, ..Tunables::default() };
    let start = Instant::now();
    for i in 0..=frames {
        if i == frames / 100 || i == frames / 2 || i == frames {
            println!(
                "resident after {i:>6} frames: {:>7.1} MiB  ({:.0} s)",
                resident_mib()?,
                start.elapsed().as_secs_f64()
            );
        }
        let Input::Color(frame) = wire::decode(Role::Image, "default", &bytes, 0.001) else {
            return Err("the bench's own picture cannot be read".into());
        };
        let answer = perceive(&grounder, &frame, &command, &tunables, &mut |_| Flow::Continue);
        black_box(cdr::encode(&msg_from_answer(&answer)));
    }
    Ok(())
}

/// Resident memory of this process [MiB].
fn resident_mib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("/proc/self/status has no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
