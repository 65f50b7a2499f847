//! The six standard parameter services and /parameter_events over our table: r2r's own know no ranges, lists, refusals.

use futures::FutureExt;
use futures::Stream;
use futures::StreamExt;
use r2r::Node;
use r2r::QosProfile;
use r2r::ServiceRequest;
use r2r::WrappedServiceTypeSupport;
use r2r::rcl_interfaces::msg;
use r2r::rcl_interfaces::srv::DescribeParameters;
use r2r::rcl_interfaces::srv::GetParameterTypes;
use r2r::rcl_interfaces::srv::GetParameters;
use r2r::rcl_interfaces::srv::ListParameters;
use r2r::rcl_interfaces::srv::SetParameters;
use r2r::rcl_interfaces::srv::SetParametersAtomically;
use tracing::info;
use tracing::warn;

use crate::params::Allowed;
use crate::params::Live;
use crate::params::ParamError;
use crate::params::Spec;
use crate::params::Tunables;
use crate::params::Value;
use crate::params::Values;
use crate::ports::Clock;
use crate::wire::cdr;
use crate::wire::msgs;

type Requests<T> = Box<dyn Stream<Item = ServiceRequest<T>> + Unpin + Send>;

/// Puts what rcl read from files and `-p` into `values`; returns the warnings about names that nobody knows.
pub fn start(node: &Node, values: &mut Values) -> Result<Vec<String>, ParamError> {
    let given = node.params.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut warnings = Vec::new();
    for (name, parameter) in given.iter() {
        let is_list = values.row(name).is_some_and(|(spec, _)| matches!(spec.default, Value::Texts(_)));
        let value = match value_of(&parameter.value) {
            // rcl hands an empty list over without a type, or with any.
            None if is_list => Some(Value::Texts(Vec::new())),
            other => other,
        };
        let set = match value {
            Some(value) => values.start(name, value),
            None => values.start(name, Value::Text(format!("{:?}", parameter.value))),
        };
        match set {
            Ok(()) => {}
            Err(unknown @ ParamError::Unknown { .. }) => warnings.push(unknown.to_string()),
            Err(wrong) => return Err(wrong),
        }
    }
    Ok(warnings)
}

fn value_of(value: &r2r::ParameterValue) -> Option<Value> {
    use r2r::ParameterValue as V;
    match value {
        V::Bool(b) => Some(Value::Bool(*b)),
        V::Integer(i) => Some(Value::Int(*i)),
        V::Double(d) => Some(Value::Double(*d)),
        V::String(s) => Some(Value::Text(s.clone())),
        V::StringArray(list) => Some(Value::Texts(list.clone())),
        V::NotSet | V::BoolArray(_) | V::ByteArray(_) | V::IntegerArray(_) | V::DoubleArray(_) => None,
    }
}

/// The services, their values, and who is told about changes.
pub struct Server {
    values: Values,
    live: Live,
    clock: Clock,
    node: String,
    events: r2r::PublisherUntyped,
    list: Requests<ListParameters::Service>,
    get: Requests<GetParameters::Service>,
    types: Requests<GetParameterTypes::Service>,
    describe: Requests<DescribeParameters::Service>,
    set: Requests<SetParameters::Service>,
    set_atomically: Requests<SetParametersAtomically::Service>,
}

impl Server {
    /// Creates the services under their standard names and announces the parameters.
    pub fn new(
        node: &mut Node,
        values: Values,
        live: Live,
        clock: Clock,
        events: r2r::PublisherUntyped,
    ) -> r2r::Result<Self> {
        let server = Self {
            list: service(node, "list_parameters")?,
            get: service(node, "get_parameters")?,
            types: service(node, "get_parameter_types")?,
            describe: service(node, "describe_parameters")?,
            set: service(node, "set_parameters")?,
            set_atomically: service(node, "set_parameters_atomically")?,
            node: node.fully_qualified_name()?,
            values,
            live,
            clock,
            events,
        };
        let all = server.values.rows().map(|(spec, value)| parameter_event(&spec.name, value)).collect();
        server.tell(msgs::ParameterEvent { new_parameters: all, ..Default::default() });
        Ok(server)
    }

    /// Answers the requests that are there.
    pub fn serve(&mut self) {
        while let Some(request) = next(&mut self.list) {
            let result = list(&self.values, &request.message);
            respond(request, ListParameters::Response { result });
        }
        while let Some(request) = next(&mut self.get) {
            let values = request.message.names.iter().map(|name| self.value_msg(name)).collect();
            respond(request, GetParameters::Response { values });
        }
        while let Some(request) = next(&mut self.types) {
            let types = request.message.names.iter().map(|name| self.value_msg(name).type_).collect();
            respond(request, GetParameterTypes::Response { types });
        }
        while let Some(request) = next(&mut self.describe) {
            let describe = |name: &String| match self.values.row(name) {
                Some((spec, _)) => descriptor(spec),
                None => msg::ParameterDescriptor { name: name.clone(), ..Default::default() },
            };
            let descriptors = request.message.names.iter().map(describe).collect();
            respond(request, DescribeParameters::Response { descriptors });
        }
        while let Some(request) = next(&mut self.set) {
            let results = request.message.parameters.iter().map(|p| self.set_all(std::slice::from_ref(p))).collect();
            respond(request, SetParameters::Response { results });
        }
        while let Some(request) = next(&mut self.set_atomically) {
            let result = self.set_all(&request.message.parameters);
            respond(request, SetParametersAtomically::Response { result });
        }
    }

    /// Sets all of `parameters`, or none and says why.
    fn set_all(&mut self, parameters: &[msg::Parameter]) -> msg::SetParametersResult {
        let mut values = self.values.clone();
        for parameter in parameters {
            let Some(value) = value_from_msg(&parameter.value) else {
                let reason = format!("parameter {:?} cannot be unset or take a list of numbers", parameter.name);
                return msg::SetParametersResult { successful: false, reason };
            };
            if let Err(error) = values.set(&parameter.name, value) {
                return msg::SetParametersResult { successful: false, reason: error.to_string() };
            }
        }
        self.values = values;
        self.live.replace(Tunables::from(&self.values));
        let changed = parameters.iter().filter_map(|p| self.values.row(&p.name));
        let changed = changed.inspect(|(spec, value)| info!("parameter {} is now {value}", spec.name));
        let changed = changed.map(|(spec, value)| parameter_event(&spec.name, value)).collect();
        self.tell(msgs::ParameterEvent { changed_parameters: changed, ..Default::default() });
        msg::SetParametersResult { successful: true, reason: String::new() }
    }

    fn tell(&self, event: msgs::ParameterEvent) {
        let event = msgs::ParameterEvent { stamp: (self.clock)().into(), node: self.node.clone(), ..event };
        if let Err(error) = self.events.publish_raw(&cdr::encode(&event)) {
            warn!("parameter event not published: {error}");
        }
    }

    fn value_msg(&self, name: &str) -> msg::ParameterValue {
        self.values.row(name).map_or_else(msg::ParameterValue::default, |(_, value)| value_to_msg(value))
    }
}

fn service<T>(node: &mut Node, name: &str) -> r2r::Result<Requests<T>>
where
    T: WrappedServiceTypeSupport + 'static,
    ServiceRequest<T>: Send,
{
    let name = format!("~/{name}");
    Ok(Box::new(node.create_service::<T>(&name, QosProfile::parameters())?))
}

fn next<T: WrappedServiceTypeSupport>(requests: &mut Requests<T>) -> Option<ServiceRequest<T>> {
    requests.next().now_or_never().flatten()
}

fn respond<T: WrappedServiceTypeSupport + 'static>(request: ServiceRequest<T>, response: T::Response) {
    if let Err(error) = request.respond(response) {
        warn!("a parameter request could not be answered: {error}");
    }
}

/// As rclcpp: `depth` 0 means all levels, counted from the prefix when there is one.
fn list(values: &Values, request: &ListParameters::Request) -> msg::ListParametersResult {
    let depth = usize::try_from(request.depth).unwrap_or(0);
    let shallow = |rest: &str| depth == 0 || rest.matches('.').count() < depth;
    let under = |name: &str, prefix: &String| {
        name == prefix
            || name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.') && shallow(&rest[1..]))
    };
    let names = values.rows().map(|(spec, _)| &spec.name).filter(|name| match request.prefixes.as_slice() {
        [] => shallow(name),
        prefixes => prefixes.iter().any(|prefix| under(name, prefix)),
    });
    let names: Vec<String> = names.cloned().collect();
    let mut prefixes: Vec<String> =
        names.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_string())).collect();
    prefixes.dedup();
    msg::ListParametersResult { names, prefixes }
}

fn descriptor(spec: &Spec) -> msg::ParameterDescriptor {
    let double = |from_value, to_value| vec![msg::FloatingPointRange { from_value, to_value, step: 0.0 }];
    let mut descriptor = msg::ParameterDescriptor {
        name: spec.name.clone(),
        type_: value_to_msg(&spec.default).type_,
        description: spec.description(),
        read_only: !spec.live,
        ..Default::default()
    };
    match &spec.allowed {
        Allowed::Any => {}
        Allowed::Ints(from_value, to_value) => {
            let range = msg::IntegerRange { from_value: *from_value, to_value: *to_value, step: 0 };
            descriptor.integer_range = vec![range];
        }
        Allowed::Doubles(low, high) => descriptor.floating_point_range = double(*low, *high),
        Allowed::DoublesOrMinusOne(high) => {
            descriptor.floating_point_range = double(-1.0, *high);
            descriptor.additional_constraints = spec.allowed.wanted();
        }
        Allowed::OneOf(_) | Allowed::Device | Allowed::TopicWords => {
            descriptor.additional_constraints = spec.allowed.wanted();
        }
    }
    descriptor
}

fn value_to_msg(value: &Value) -> msg::ParameterValue {
    let unset = msg::ParameterValue::default();
    match value.clone() {
        Value::Bool(bool_value) => msg::ParameterValue { type_: 1, bool_value, ..unset },
        Value::Int(integer_value) => msg::ParameterValue { type_: 2, integer_value, ..unset },
        Value::Double(double_value) => msg::ParameterValue { type_: 3, double_value, ..unset },
        Value::Text(string_value) => msg::ParameterValue { type_: 4, string_value, ..unset },
        Value::Texts(string_array_value) => msg::ParameterValue { type_: 9, string_array_value, ..unset },
    }
}

/// None: not set, or a type that no parameter has.
fn value_from_msg(value: &msg::ParameterValue) -> Option<Value> {
    match value.type_ {
        1 => Some(Value::Bool(value.bool_value)),
        2 => Some(Value::Int(value.integer_value)),
        3 => Some(Value::Double(value.double_value)),
        4 => Some(Value::Text(value.string_value.clone())),
        9 => Some(Value::Texts(value.string_array_value.clone())),
        _ => None,
    }
}

fn parameter_event(name: &str, value: &Value) -> msgs::Parameter {
    let msg = value_to_msg(value);
    let value = msgs::ParameterValue {
        r#type: msg.type_,
        bool_value: msg.bool_value,
        integer_value: msg.integer_value,
        double_value: msg.double_value,
        string_value: msg.string_value,
        string_array_value: msg.string_array_value,
        ..Default::default()
    };
    msgs::Parameter { name: name.to_string(), value }
}
