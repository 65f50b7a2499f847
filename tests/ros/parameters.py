"""The six parameter services and /parameter_events, as any ROS tool uses them."""
from graph import *
from rcl_interfaces.msg import ParameterEvent, ParameterType as T

p = Peer(camera=False)
events = []
p.hear(ParameterEvent, '/parameter_events', events, 1000)
p.until(lambda: p.node.count_publishers('/parameter_events') > 1, 'the publisher of parameter events')

listed = p.call(ListParameters, 'list_parameters', ListParameters.Request()).result
assert {'timeout', 'cameras', 'auto.polite', 'use_sim_time', 'matching_threshold'} <= set(listed.names), listed.names
assert 'qos_overrides./image.subscription.reliability' in listed.names
top = p.call(ListParameters, 'list_parameters', ListParameters.Request(depth=1)).result
assert 'timeout' in top.names and 'auto.polite' not in top.names
auto = p.call(ListParameters, 'list_parameters', ListParameters.Request(prefixes=['auto'])).result
assert sorted(auto.names) == ['auto.polite', 'auto.refer_verbs'] and auto.prefixes == ['auto'], auto

timeout, cameras, device, sim, queue, nothing = p.get('timeout', 'cameras', 'device', 'use_sim_time', 'queue_size', 'x')
assert (timeout.type, timeout.double_value) == (T.PARAMETER_DOUBLE, 10.0)
assert (cameras.type, list(cameras.string_array_value)) == (T.PARAMETER_STRING_ARRAY, [])
assert (device.type, device.string_value) == (T.PARAMETER_STRING, 'cpu')
assert (sim.type, sim.bool_value) == (T.PARAMETER_BOOL, False)
assert (queue.type, queue.integer_value) == (T.PARAMETER_INTEGER, 4)
assert nothing.type == T.PARAMETER_NOT_SET
types = p.call(GetParameterTypes, 'get_parameter_types', GetParameterTypes.Request(names=['timeout', 'x'])).types
assert list(types) == [T.PARAMETER_DOUBLE, T.PARAMETER_NOT_SET]

names = ['timeout', 'queue_size', 'image_transport', 'nms_iou']
timeout, queue, transport, nms = p.call(DescribeParameters, 'describe_parameters',
                                        DescribeParameters.Request(names=names)).descriptors
assert timeout.name == 'timeout' and '[s]' in timeout.description and not timeout.read_only
assert timeout.floating_point_range[0].from_value == 0.001 and timeout.floating_point_range[0].to_value == 86400.0
assert queue.read_only and (queue.integer_range[0].from_value, queue.integer_range[0].to_value) == (1, 100)
assert '"compressed"' in transport.additional_constraints
assert nms.floating_point_range[0].to_value == 1.0

# Live ones change, and everybody is told; a whole number is a double too.
assert [r.successful for r in p.set(timeout=3, nms_iou=0.5)] == [True, True]
assert [v.double_value for v in p.get('timeout', 'nms_iou')] == [3.0, 0.5]
changed = p.until(lambda: [c for e in events if e.node == '/grounding' for c in e.changed_parameters if c.name == 'nms_iou'],
                  'the event of a parameter that changed')
assert changed[-1].value.double_value == 0.5

# Refusals name the reason.
for name, value, reason in [('nms_iou', 1.5, 'must be 0.0 to 1.0, found 1.5'), ('timeout', 'soon', 'must be of type double'),
                            ('queue_size', 7, 'read-only'), ('use_sim_time', True, 'read-only'),
                            ('time_out', 1.0, 'did you mean "timeout"?'), ('auto__polite', ['x'], 'read-only')]:
    result, = p.set(**{name: value})
    assert not result.successful and reason in result.reason, (name, result)
result, = p.call(SetParameters, 'set_parameters', SetParameters.Request(
    parameters=[Parameter('timeout').to_parameter_msg()])).results
assert not result.successful and 'unset' in result.reason, result


# All or nothing.
def atomically(**values):
    request = SetParametersAtomically.Request(
        parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()])
    return p.call(SetParametersAtomically, 'set_parameters_atomically', request).result


result = atomically(timeout=5.0, nms_iou=7.0)
assert not result.successful and 'nms_iou' in result.reason
assert p.get('timeout')[0].double_value == 3.0
assert atomically(timeout=5.0, nms_iou=0.7).successful
assert [v.double_value for v in p.get('timeout', 'nms_iou')] == [5.0, 0.7]

# What changed holds for the next command: no frame ever comes, so this one ends at its timeout.
p.set(timeout=0.5)
answer = p.until(lambda: [a for a in [p.ask('the mug')] if 'loaded' not in a.message], 'the model to be loaded')[0]
assert '500ms' in answer.message, answer.message
p.close()
