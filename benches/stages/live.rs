//! What the node adds around the model: a frame and a command in, an answer as bytes out, with a model that takes no time.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use futures::SinkExt;
use futures::channel::mpsc as stream;
use llava_grounding::params::Live;
use llava_grounding::params::Params;
use llava_grounding::params::Tunables;
use llava_grounding::pipeline;
use llava_grounding::pipeline::Settings;
use llava_grounding::ports::Ask;
use llava_grounding::ports::Client;
use llava_grounding::ports::Event;
use llava_grounding::ports::Input;
use llava_grounding::ports::ModelInfo;
use llava_grounding::types::Answer;
use llava_grounding::types::Command;
use llava_grounding::types::Flow;
use llava_grounding::types::Frame;
use llava_grounding::types::Status;
use llava_grounding::types::Step;
use llava_grounding::wire;
use llava_grounding::wire::Role;
use llava_grounding::wire::cdr;
use llava_grounding::wire::convert::msg_from_answer;

use crate::stages;
use crate::table::Row;

const RUNS: usize = 1000;
/// Longest wait for one answer before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an image and a command in, bytes of the answer out.
pub fn overhead() -> Result<Row, Box<dyn Error>> {
    let (mut inputs, inputs_out) = stream::channel(4);
    let (answered, answers) = mpsc::channel();
    let node = std::thread::spawn(move || -> Result<(), pipeline::PipelineError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The stamp of the picture is long ago.
        let tunables = Tunables { max_frame_age: Duration::ZERO, ..Tunables::default() };
        let clock = Arc::new(|| stages::header().stamp);
        let settings = Settings { params: Params::default(), live: Live::new(tunables), clock };
        let publish = move |event| {
            if let Event::Answer { answer, .. } = event {
                let bytes = cdr::encode(&msg_from_answer(&answer));
                let _ = answered.send((answer.status, bytes.len()));
            }
        };
        let load = || Ok((ModelInfo::default(), instant));
        runtime.block_on(pipeline::run(inputs_out, publish, load, settings, std::future::pending()))?;
        Ok(())
    });
    let bytes = stages::picture_bytes();
    let mut times = vec![];
    for run in 0..RUNS + 20 {
        let start = Instant::now();
        let command = Command { id: run.to_string(), text: "the mug".into(), ..Command::default() };
        let ask = Input::Ask(Ask { command, client: Client::default() });
        futures::executor::block_on(async {
            inputs.send(wire::decode(Role::Image, "default", &bytes, 0.001)).await?;
            inputs.send(ask).await
        })?;
        let (status, _) = answers.recv_timeout(PATIENCE)?;
        // The first ones wait for threads to start and are answered FAILED.
        if run >= 20 {
            times.push(start.elapsed());
            if status != Status::Final {
                return Err(format!("run {run}: {status:?} instead of Final").into());
            }
        }
    }
    drop(inputs);
    node.join().map_err(|_| "the node panicked")??;
    Ok(Row::new("node without model", times, "image and command off the graph to answer bytes; limit 5 ms p99"))
}

fn instant(frame: &Frame, command: &Command, _: &Tunables, _: &mut dyn FnMut(Step) -> Flow) -> Answer {
    Answer::new(command, Some(frame), Status::Final, String::new())
}
