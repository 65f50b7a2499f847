//! `run`: the node on a ROS 2 graph; also what the program does without a subcommand.

use std::process::ExitCode;

/// Arguments of `run`; all else is ROS's, after `--ros-args`. They are for launch files, whose arguments are empty when
/// nobody gave them: a ROS parameter in the launch file would win over the user's params file even then.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Model folder, over the parameter `model`; empty: as the parameter says
    #[arg(long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub model: String,
    /// Device, over the parameter `device`; empty: as the parameter says
    #[arg(long, value_name = "auto|cpu|cuda:N", default_value = "", hide_default_value = true)]
    pub device: String,
}

/// Runs the node until SIGINT or SIGTERM.
#[cfg(feature = "ros")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    use crate::pipeline;
    use crate::transport::ros;

    let node = ros::open(&[("model", &args.model), ("device", &args.device)])?;
    let settings =
        pipeline::Settings { params: node.params.clone(), live: node.live.clone(), clock: node.clock.clone() };
    let load = node::load(&node.params);
    let ros::Edges { inputs, publish, end } = node.edges();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let stop = stopped()?;
        anyhow::Ok(pipeline::run(inputs, publish, load, settings, stop).await?)
    });
    let left = end.leave();
    if ended?.worker_is_busy {
        node::exit_now();
    }
    left?;
    Ok(ExitCode::SUCCESS)
}

/// This build has no node.
#[cfg(not(feature = "ros"))]
pub fn run(_: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "this build has no ROS node; build it with `cargo build --features ros` (`./dev setup` provides ROS 2 where none \
         is sourced), or use `ground` and `replay`, which need no ROS"
    )
}

/// Completes at SIGINT or SIGTERM.
#[cfg(feature = "ros")]
pub fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let which = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!("{which}: shutting down");
    })
}

#[cfg(feature = "ros")]
mod node {

    use crate::grounder::Grounder;
    use crate::params::Params;
    use crate::params::Tunables;
    use crate::perceive::perceive;
    use crate::pipeline::LoadError;
    use crate::ports::ModelInfo;
    use crate::types::Answer;
    use crate::types::Command;
    use crate::types::Flow;
    use crate::types::Frame;
    use crate::types::Step;

    /// What answers one command on one frame.
    type Answerer = Box<dyn FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer>;

    /// What loads the model on the inference thread, and gives what answers there.
    pub fn load(params: &Params) -> impl FnOnce() -> Result<(ModelInfo, Answerer), LoadError> + Send + 'static {
        let Params { model, device, dtype, .. } = params.clone();
        move || {
            let grounder = Grounder::load(model.as_deref(), &device, &dtype)?;
            let info = ModelInfo {
                model: grounder.name().to_string(),
                device: grounder.device(),
                warnings: grounder.warnings().to_vec(),
            };
            let answer: Answerer =
                Box::new(move |frame, command, tunables, watch| perceive(&grounder, frame, command, tunables, watch));
            Ok((info, answer))
        }
    }

    /// Ends the process although the inference thread is inside the model: no destructor may run under its feet.
    #[allow(unsafe_code)]
    pub fn exit_now() -> ! {
        // SAFETY: everything is answered, published and logged; the process has nothing left to save.
        unsafe { libc::_exit(0) }
    }
}
