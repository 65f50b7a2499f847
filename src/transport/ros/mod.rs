//! The node on a ROS 2 graph: creates, forwards, publishes; decides nothing. The only files that name r2r.
//!
//! r2r keeps ten messages per subscription and then drops the newest. So the spin thread takes every message out at once,
//! decodes it and hands it on; when the pipeline is not ready for more, it waits and DDS keeps the messages.

mod diagnostics;
mod lifecycle;
mod log;
mod mismatch;
mod names;
mod params;
mod player;
mod publish;
mod requests;
mod topics;

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::FutureExt;
use futures::SinkExt;
use futures::Stream;
use futures::StreamExt;
use futures::channel::mpsc;
use r2r::QosProfile;
use r2r::ServiceRequest;
use r2r::std_srvs::srv::Trigger;
use thiserror::Error;
use tracing::debug;
use tracing::warn;

use crate::params::Live;
use crate::params::ParamError;
use crate::params::Params;
use crate::params::Tunables;
use crate::params::Value;
use crate::params::Values;
use crate::ports::Clock;
use crate::ports::Event;
use crate::ports::Input;
use crate::ports::Reply;
use crate::ports::Who;
use crate::telemetry;
use crate::types::Stamp;
use crate::wire;
use crate::wire::Role;
use mismatch::Ear;
use names::Names;
pub use player::Player;
use publish::Publishers;
use topics::Direction;
use topics::Says;
use topics::TOPICS;

/// Name of the node unless remapped.
pub const NODE_NAME: &str = "grounding";
/// Inputs on their way to the pipeline, which stores them at once.
const INPUTS: usize = 16;
/// The spin thread looks this often whether it shall stop.
const SPIN: Duration = Duration::from_millis(10);
/// How long the node stays on the graph after its last answer, so that it arrives.
const LINGER: Duration = Duration::from_millis(100);

/// Why there is no node.
#[derive(Debug, Error)]
pub enum RosError {
    /// ROS says no.
    #[error("{what}: {source}")]
    Ros {
        /// What was being done.
        what: String,
        /// Its answer.
        source: r2r::Error,
    },
    /// A parameter was given a wrong value.
    #[error(transparent)]
    Parameter(#[from] ParamError),
    /// What follows `--ros-args` is wrong, or a file that it names.
    #[error("ROS arguments: {0}")]
    Arguments(String),
    /// No thread.
    #[error("cannot start the spin thread")]
    Thread(#[from] std::io::Error),
    /// The thread that owns the node.
    #[error("the spin thread died: {0}")]
    Died(String),
}

fn ros<T>(what: impl Into<String>, result: r2r::Result<T>) -> Result<T, RosError> {
    result.map_err(|source| RosError::Ros { what: what.into(), source })
}

/// Creates the node as the ROS arguments of the program say. r2r panics when rcl refuses them: an error is made of that.
fn create_node(name: &str) -> Result<r2r::Node, RosError> {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let context = std::panic::catch_unwind(r2r::Context::create);
    std::panic::set_hook(silent);
    let context = context.map_err(|panic| RosError::Arguments(panic_text(panic.as_ref())))?;
    ros("node", r2r::Node::create(ros("ROS arguments", context)?, name, ""))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic without a text".to_string())
}

/// A node on the graph.
pub struct Node {
    /// What it was started with.
    pub params: Params,
    /// What may change while it runs; the parameter services change it.
    pub live: Live,
    /// Its clock.
    pub clock: Clock,
    inputs: mpsc::Receiver<Input>,
    publishers: Publishers,
    stop: Arc<AtomicBool>,
    spin: JoinHandle<()>,
}

/// The two sides of a node and the way to end it.
pub struct Edges<I, P> {
    /// What comes in.
    pub inputs: I,
    /// Takes what goes out.
    pub publish: P,
    /// Ends the node.
    pub end: End,
}

/// Ends the node.
pub struct End {
    stop: Arc<AtomicBool>,
    spin: JoinHandle<()>,
}

/// Puts the node on the graph as the ROS arguments of the program say; text parameters in `said` win over those, unless
/// they are empty.
pub fn open(said: &[(&str, &str)]) -> Result<Node, RosError> {
    let mut node = create_node(NODE_NAME)?;
    let (namespace, name) = (ros("namespace", node.namespace())?, ros("node name", node.name())?);
    let names = Names::new(&namespace, &name, std::env::args());
    let (mut values, unknown) = start_values(&node, &names)?;
    for (parameter, value) in said.iter().filter(|(_, value)| !value.is_empty()) {
        values.start(parameter, Value::Text((*value).to_string()))?;
    }
    unknown.iter().for_each(|warning| warn!("{warning}"));

    let params = Params::from(&values);
    let live = Live::new(Tunables::from(&values));
    let clock = clock(&mut node, params.use_sim_time)?;
    let (sources, ears) = subscribe(&mut node, &names, &params, &values)?;
    let (watch, not_heard) = mismatch::Watch::new(ears);
    let mut topics = publishers(&mut node, &names, &values)?;
    let mut take = |says: Says| {
        let at = topics.iter().position(|(topic, _)| *topic == says).expect("every row of the table was made");
        topics.swap_remove(at).1
    };
    log::publish(take(Says::Log), Arc::clone(&clock), node.logger().to_string());
    let events = take(Says::ParameterEvents);
    let server = params::Server::new(&mut node, values, live.clone(), Arc::clone(&clock), events);
    let cancel = node.create_service::<Trigger::Service>("~/cancel", QosProfile::services_default());
    let lifecycle = lifecycle::Server::new(&mut node)?;
    let requests = requests::Requests::new(&mut node, params.depth_unit)?;
    let diagnostics = diagnostics::Diagnostics::new(&params, &names, &unknown, not_heard);

    let (inputs_in, inputs) = mpsc::channel(INPUTS);
    let spinner = Spinner {
        node,
        sources,
        server: ros("parameter services", server)?,
        cancel: Box::new(ros("~/cancel", cancel)?),
        requests,
        lifecycle,
        watch,
        inputs: inputs_in,
        depth_unit: params.depth_unit,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let spin = std::thread::Builder::new().name("ros-spin".into()).spawn(move || spinner.run(&stopped))?;
    let publishers = Publishers { topics, diagnostics, clock: Arc::clone(&clock), live: live.clone() };
    Ok(Node { params, live, clock, inputs, publishers, stop, spin })
}

impl Node {
    /// Takes the node apart for the pipeline.
    pub fn edges(self) -> Edges<impl Stream<Item = Input> + Unpin, impl FnMut(Event) + Send> {
        let publishers = self.publishers;
        let publish = move |event| publishers.publish(&event);
        Edges { inputs: self.inputs, publish, end: End { stop: self.stop, spin: self.spin } }
    }
}

impl End {
    /// Leaves the graph, after a moment for what was said last. An error if the node had died before.
    pub fn leave(self) -> Result<(), RosError> {
        std::thread::sleep(LINGER);
        telemetry::stop_listening();
        self.stop.store(true, Ordering::Relaxed);
        self.spin.join().map_err(|panic| RosError::Died(panic_text(panic.as_ref())))
    }
}

/// The table's parameters and those of QoS, which depend on the cameras.
fn start_values(node: &r2r::Node, names: &Names) -> Result<(Values, Vec<String>), RosError> {
    let mut values = Values::default();
    params::start(node, &mut values)?;
    let mut values = Values::with(topics::qos_overrides(&Params::from(&values), names));
    let unknown = params::start(node, &mut values)?;
    Ok((values, unknown))
}

fn clock(node: &mut r2r::Node, use_sim_time: bool) -> Result<Clock, RosError> {
    if use_sim_time {
        let source = node.get_time_source();
        ros("/clock", source.enable_sim_time(node))?;
    }
    let clock = node.get_ros_clock();
    Ok(Arc::new(move || {
        let now = clock.lock().unwrap_or_else(PoisonError::into_inner).get_now();
        let nanos = now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        Stamp::from_nanos(nanos)
    }))
}

/// One subscription.
struct Source {
    role: Role,
    camera: String,
    bytes: Box<dyn Stream<Item = Vec<u8>> + Unpin + Send>,
}

fn subscribe(
    node: &mut r2r::Node,
    names: &Names,
    params: &Params,
    values: &Values,
) -> Result<(Vec<Source>, Vec<Ear>), RosError> {
    let (mut sources, mut ears) = (Vec::new(), Vec::new());
    for topic in TOPICS.iter().filter(|topic| topic.wanted(params)) {
        let Direction::In(role) = topic.direction else { continue };
        for (camera, name) in topic.instances(&params.cameras) {
            let full = names.resolve(&name);
            let qos = topic.qos(&full, values);
            let bytes = Box::new(ros(&name, node.subscribe_raw(&name, topic.ty, qos.clone()))?);
            sources.push(Source { role, camera, bytes });
            ears.push(Ear { topic: full, ty: topic.ty, qos });
        }
    }
    Ok((sources, ears))
}

fn publishers(
    node: &mut r2r::Node,
    names: &Names,
    values: &Values,
) -> Result<Vec<(Says, r2r::PublisherUntyped)>, RosError> {
    let mut publishers = Vec::new();
    for topic in TOPICS {
        let Direction::Out(says) = topic.direction else { continue };
        let qos = topic.qos(&names.resolve(topic.name), values);
        match node.create_publisher_untyped(topic.name, topic.ty, qos) {
            // r2r knows the messages that were there when it was built, and not everybody has these.
            Err(r2r::Error::InvalidMessageType { .. }) if topic.ty.starts_with("vision_msgs/") => {
                debug!("no {}: this build is without vision_msgs", topic.name);
            }
            publisher => publishers.push((says, ros(topic.name, publisher)?)),
        }
    }
    Ok(publishers)
}

/// The spin thread: the only owner of the node.
struct Spinner {
    node: r2r::Node,
    sources: Vec<Source>,
    server: params::Server,
    cancel: Box<dyn Stream<Item = ServiceRequest<Trigger::Service>> + Unpin + Send>,
    requests: requests::Requests,
    lifecycle: lifecycle::Server,
    watch: mismatch::Watch,
    inputs: mpsc::Sender<Input>,
    /// A step of 16-bit depth (m).
    depth_unit: f32,
}

impl Spinner {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.node.spin_once(SPIN);
            self.server.serve();
            self.watch.look(&self.node);
            if self.forward().is_err() {
                // The pipeline has ended: parameters are served until the node leaves.
                self.sources.clear();
            }
        }
    }

    /// Hands on what came. Waits while the pipeline is not ready for more; an error: it never will be.
    fn forward(&mut self) -> Result<(), mpsc::SendError> {
        for source in &mut self.sources {
            while let Some(Some(bytes)) = source.bytes.next().now_or_never() {
                let input = wire::decode(source.role, &source.camera, &bytes, self.depth_unit);
                futures::executor::block_on(self.inputs.send(input))?;
            }
        }
        while let Some(Some(request)) = self.cancel.next().now_or_never() {
            futures::executor::block_on(
                self.inputs.send(Input::Cancel(Who::All(Reply::new(|ended| canceled(request, ended))))),
            )?;
        }
        while let Some(input) = self.lifecycle.next().or_else(|| self.requests.next()) {
            futures::executor::block_on(self.inputs.send(input))?;
        }
        Ok(())
    }
}

fn canceled(request: ServiceRequest<Trigger::Service>, ended: usize) {
    let message = match ended {
        0 => "nothing to cancel".to_string(),
        1 => "1 command canceled".to_string(),
        n => format!("{n} commands canceled"),
    };
    if let Err(error) = request.respond(Trigger::Response { success: true, message }) {
        warn!("~/cancel could not be answered: {error}");
    }
}
