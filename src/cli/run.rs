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
    use crate::web::Web;

    let node = ros::open(&[("model", &args.model), ("device", &args.device)])?;
    // A folder that is not there is a wrong parameter; one that cannot be loaded fails when the node is configured.
    if let Some(folder) = node.params.model.as_deref().filter(|folder| !folder.is_dir()) {
        anyhow::bail!("model folder {} does not exist", folder.display());
    }
    let settings =
        pipeline::Settings { params: node.params.clone(), live: node.live.clone(), clock: node.clock.clone() };
    let load = node::load(&node.params);
    let ros::Edges { inputs, publish, end } = node.edges();
    let (asked, questions) = futures::channel::mpsc::channel(4);
    let web = settings.params.web.as_ref().map(|(address, port)| Web::open(address, *port, asked)).transpose()?;
    let inputs = futures::stream::select(inputs, questions);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let stop = stopped()?;
        anyhow::Ok(pipeline::run(inputs, publish, load, settings, stop).await?)
    });
    drop(web);
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
    use std::sync::Arc;

    use crate::grounder::Grounder;
    use crate::memory;
    use crate::params::Params;
    use crate::params::Tunables;
    use crate::perceive::Perceiver;
    use crate::perceive::perceive;
    use crate::pipeline::LoadError;
    use crate::ports::ModelInfo;
    use crate::types::Answer;
    use crate::types::Command;
    use crate::types::Flow;
    use crate::types::Frame;
    use crate::types::Header;
    use crate::types::Mode;
    use crate::types::RgbImage;
    use crate::types::Status;
    use crate::types::Step;

    /// What answers one command on one frame.
    type Answerer = Box<dyn FnMut(&Frame, &Command, &Tunables, &mut dyn FnMut(Step) -> Flow) -> Answer>;

    /// What loads the model on the inference thread, and gives what answers there; any number of times.
    pub fn load(params: &Params) -> impl FnMut() -> Result<(ModelInfo, Answerer), LoadError> + Send + 'static {
        let Params { model, device, dtype, .. } = params.clone();
        move || {
            let grounder = Grounder::load(model.as_deref(), &device, &dtype)?;
            warm_up(&grounder)?;
            let info = ModelInfo {
                model: grounder.name().to_string(),
                device: grounder.device(),
                warnings: grounder.warnings().to_vec(),
            };
            let mut loaded = Loaded { perceiver: Perceiver::new(grounder), _give_back: GiveBack };
            let answer: Answerer = Box::new(move |frame, command, tunables, watch| {
                let whole = &mut loaded; // the closure would take the model alone, and leave what gives its memory back
                whole.perceiver.answer(frame, command, tunables, watch)
            });
            Ok((info, answer))
        }
    }

    /// One answer that nobody hears: libtorch prepares much at the first one.
    fn warm_up(grounder: &Grounder) -> Result<(), LoadError> {
        let grey = RgbImage { width: 64, height: 48, data: vec![128; 64 * 48 * 3] };
        let frame = Frame { camera: String::new(), header: Header::default(), image: Arc::new(grey) };
        let command = Command { text: "the mug".into(), mode: Mode::Refer, ..Command::default() };
        let tunables = Tunables { max_new_tokens: 2, refer_force: true, ..Tunables::default() };
        match perceive(grounder, &frame, &command, &tunables, &mut |_| Flow::Continue) {
            answer if answer.status == Status::Failed && answer.text.is_empty() => Err(answer.message.into()),
            _ => Ok(()),
        }
    }

    /// A model whose memory goes back to the system when it goes.
    struct Loaded {
        perceiver: Perceiver,
        /// Dropped after the model.
        _give_back: GiveBack,
    }

    struct GiveBack;

    impl Drop for GiveBack {
        fn drop(&mut self) {
            memory::give_back();
        }
    }

    /// Ends the process although the inference thread is inside the model: no destructor may run under its feet.
    #[allow(unsafe_code)]
    pub fn exit_now() -> ! {
        // SAFETY: everything is answered, published and logged; the process has nothing left to save.
        unsafe { libc::_exit(0) }
    }
}
