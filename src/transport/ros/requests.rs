//! `~/ground_image` and `~/ground`: whoever calls, or sends a goal, gets the one answer to it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::Stream;
use futures::StreamExt;
use r2r::ActionServerCancelRequest;
use r2r::ActionServerGoal;
use r2r::ActionServerGoalRequest;
use r2r::Node;
use r2r::QosProfile;
use r2r::ServiceRequest;
use r2r::WrappedTypesupport;
use r2r::llava_grounding::action::Ground;
use r2r::llava_grounding::msg::GroundingAnswer;
use r2r::llava_grounding::srv::GroundImage;
use tracing::info;
use tracing::warn;

use super::RosError;
use super::ros;
use crate::ports::Admission;
use crate::ports::Ask;
use crate::ports::Client;
use crate::ports::Feedback;
use crate::ports::Input;
use crate::ports::Refused;
use crate::ports::Reply;
use crate::ports::Ticket;
use crate::ports::Who;
use crate::types::Answer;
use crate::types::Command;
use crate::types::Frame;
use crate::types::Sight;
use crate::types::Status;
use crate::types::whole;
use crate::wire;
use crate::wire::Role;
use crate::wire::cdr;
use crate::wire::commands;
use crate::wire::convert;

type Calls = Box<dyn Stream<Item = ServiceRequest<GroundImage::Service>> + Unpin + Send>;
type Goals = Box<dyn Stream<Item = ActionServerGoalRequest<Ground::Action>> + Unpin + Send>;
type Cancels = Box<dyn Stream<Item = ActionServerCancelRequest> + Unpin + Send>;

/// Calls and goals that come in.
pub struct Requests {
    calls: Calls,
    goals: Goals,
    live: Arc<Mutex<Vec<Live>>>,
    tickets: Ticket,
    /// A step of 16-bit depth (m).
    depth_unit: f32,
}

/// A goal in work.
struct Live {
    ticket: Ticket,
    cancels: Cancels,
    state: Arc<GoalState>,
}

#[derive(Default)]
struct GoalState {
    /// There once it was accepted.
    goal: Mutex<Option<ActionServerGoal<Ground::Action>>>,
    /// Its own client ended it.
    canceled: AtomicBool,
    /// It has its result.
    done: AtomicBool,
}

impl Requests {
    /// Creates service and action.
    pub fn new(node: &mut Node, depth_unit: f32) -> Result<Self, RosError> {
        let calls = node.create_service::<GroundImage::Service>("~/ground_image", QosProfile::services_default());
        let goals = node.create_action_server::<Ground::Action>("~/ground");
        Ok(Self {
            calls: Box::new(ros("~/ground_image", calls)?),
            goals: Box::new(ros("~/ground", goals)?),
            live: Arc::default(),
            tickets: 0,
            depth_unit,
        })
    }

    /// The next input, if there is one.
    pub fn next(&mut self) -> Option<Input> {
        if let Some(Some(call)) = self.calls.next().now_or_never() {
            return Some(self.call(call));
        }
        if let Some(Some(goal)) = self.goals.next().now_or_never() {
            match self.goal(goal) {
                Some(ask) => return Some(ask),
                None => return self.next(),
            }
        }
        self.canceled()
    }

    fn call(&mut self, call: ServiceRequest<GroundImage::Service>) -> Input {
        let (command, given) = (command(&call.message.command), self.given(&call.message));
        let timeout = &call.message.timeout;
        let timeout = Duration::new(timeout.sec.max(0) as u64, timeout.nanosec.min(999_999_999));
        let reply = Some(Reply::new(move |answer: Arc<Answer>| respond(call, &answer)));
        match (command, given) {
            (Err(refused), _) => Input::Refused(Refused { reply, ..*refused }),
            (Ok(command), Err(why)) => Input::Refused(Refused { command, why, reply }),
            (Ok(command), Ok(given)) => {
                let timeout = (!timeout.is_zero()).then_some(timeout);
                Input::Ask(Ask { command, client: Client { reply, timeout, given, ..Client::default() } })
            }
        }
    }

    /// The picture that came with a call, and what came with it; none: the newest frame is wanted.
    fn given(&self, request: &GroundImage::Request) -> Result<Option<(Frame, Sight)>, String> {
        if request.image.width == 0 && request.image.data.is_empty() {
            return Ok(None);
        }
        let mut sight = Sight::default();
        if request.depth.width > 0 {
            match self.decoded(Role::Depth, &request.depth).map_err(|why| format!("depth: {why}"))? {
                Input::Depth(depth) => sight.depth = Some(depth),
                other => unreachable!("depth was decoded as {other:?}"),
            }
        }
        if request.camera_info.width > 0 {
            match self.decoded(Role::CameraInfo, &request.camera_info).map_err(|why| format!("camera_info: {why}"))? {
                Input::CameraInfo(info) => sight.camera_info = Some(info),
                other => unreachable!("camera_info was decoded as {other:?}"),
            }
        }
        match self.decoded(Role::Image, &request.image).map_err(|why| format!("image: {why}"))? {
            Input::Color(frame) => Ok(Some((frame, sight))),
            other => unreachable!("a picture was decoded as {other:?}"),
        }
    }

    fn decoded<T: WrappedTypesupport>(&self, role: Role, message: &T) -> Result<Input, String> {
        let bytes = message.to_serialized_bytes().map_err(|e| e.to_string())?;
        match wire::decode(role, "", &bytes, self.depth_unit) {
            Input::Unreadable(bad) => Err(bad.why),
            input => Ok(input),
        }
    }

    /// None: the goal was rejected.
    fn goal(&mut self, request: ActionServerGoalRequest<Ground::Action>) -> Option<Input> {
        let command = match command(&request.goal.command) {
            Ok(command) => command,
            Err(refused) => {
                reject(request, &refused.why);
                return None;
            }
        };
        self.tickets += 1;
        let (ticket, live, state) = (self.tickets, Arc::clone(&self.live), Arc::<GoalState>::default());
        let (growing, ended) = (Arc::clone(&state), Arc::clone(&state));
        let client = Client {
            ticket,
            admission: Some(Reply::new(move |verdict| admit(request, verdict, ticket, &live, state))),
            feedback: Some(Feedback::new(move |text, provisional| growing.grow(text, provisional))),
            reply: Some(Reply::new(move |answer: Arc<Answer>| ended.end(&answer))),
            ..Client::default()
        };
        Some(Input::Ask(Ask { command, client }))
    }

    /// The next goal that its client ends.
    fn canceled(&mut self) -> Option<Input> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|goal| !goal.state.done.load(Ordering::Acquire));
        for goal in live.iter_mut() {
            if let Some(Some(cancel)) = goal.cancels.next().now_or_never() {
                goal.state.canceled.store(true, Ordering::Release);
                cancel.accept();
                return Some(Input::Cancel(Who::One(goal.ticket)));
            }
        }
        None
    }
}

/// The command of a request, or why it is none.
fn command(message: &impl WrappedTypesupport) -> Result<Command, Box<Refused>> {
    let refused = |command, why| Box::new(Refused { command, why, reply: None });
    let bytes = message.to_serialized_bytes().map_err(|e| refused(Command::default(), e.to_string()))?;
    commands::command_from_bytes(&bytes).map_err(|bad| {
        let why = whole(&bad.why);
        refused(bad.command, why)
    })
}

fn reject(request: ActionServerGoalRequest<Ground::Action>, why: &str) {
    info!("goal rejected: {why}");
    if let Err(error) = request.reject() {
        warn!("a goal could not be rejected: {error}");
    }
}

fn admit(
    request: ActionServerGoalRequest<Ground::Action>,
    verdict: Admission,
    ticket: Ticket,
    live: &Mutex<Vec<Live>>,
    state: Arc<GoalState>,
) {
    if let Err(why) = verdict {
        return reject(request, &why);
    }
    match request.accept() {
        Ok((goal, cancels)) => {
            *state.goal.lock().unwrap_or_else(PoisonError::into_inner) = Some(goal);
            let live = &mut live.lock().unwrap_or_else(PoisonError::into_inner);
            live.push(Live { ticket, cancels: Box::new(cancels), state });
        }
        Err(error) => warn!("a goal could not be accepted: {error}"),
    }
}

/// The answer as r2r's message.
fn message(answer: &Answer) -> Result<GroundingAnswer, r2r::Error> {
    GroundingAnswer::from_serialized_bytes(&cdr::encode(&convert::msg_from_answer(answer)))
}

fn succeeded(answer: &Answer) -> bool {
    !matches!(answer.status, Status::Failed | Status::Canceled)
}

fn respond(call: ServiceRequest<GroundImage::Service>, answer: &Answer) {
    let (success, text) = (succeeded(answer), answer.message.clone());
    let sent =
        message(answer).and_then(|answer| call.respond(GroundImage::Response { success, message: text, answer }));
    if let Err(error) = sent {
        warn!(command = %answer.command_id, "~/ground_image could not be answered: {error}");
    }
}

impl GoalState {
    fn grow(&self, text: &str, provisional: &Answer) {
        let goal = self.goal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(goal) = goal.as_ref() else { return };
        let sent = message(provisional).and_then(|provisional| {
            goal.publish_feedback(Ground::Feedback { text_so_far: text.to_string(), provisional })
        });
        if let Err(error) = sent {
            warn!("no feedback on ~/ground: {error}");
        }
    }

    /// Whoever ends a goal but its client aborts it.
    fn end(&self, answer: &Answer) {
        self.done.store(true, Ordering::Release);
        let Some(mut goal) = self.goal.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let canceled = self.canceled.load(Ordering::Acquire);
        let sent = message(answer).map(|answer| Ground::Result { answer }).and_then(|result| match canceled {
            true => goal.cancel(result),
            false if succeeded(answer) => goal.succeed(result),
            false => goal.abort(result),
        });
        if let Err(error) = sent {
            warn!(command = %answer.command_id, "~/ground could not be answered: {error}");
        }
    }
}
