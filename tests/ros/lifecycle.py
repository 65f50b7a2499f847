"""A managed node: every transition, what it says of them, what happens to commands meanwhile. autostart is off."""
from graph import *
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState

p = Peer()
events = []
p.hear(TransitionEvent, '/grounding/transition_event', events)
p.until(lambda: p.node.count_publishers('/grounding/transition_event'), 'the publisher of transitions')


def state():
    return p.call(GetState, 'get_state', GetState.Request()).current_state.label


def change(transition_id, label=''):
    request = ChangeState.Request(transition=Transition(id=transition_id, label=label))
    return p.call(ChangeState, 'change_state', request).success


def open_ways():
    request = GetAvailableTransitions.Request()
    found = p.call(GetAvailableTransitions, 'get_available_transitions', request).available_transitions
    return {(t.transition.id, t.transition.label) for t in found}


def refused(reason):
    answer = p.ask('the mug')
    assert answer.status == FAILED and reason in answer.message, answer.message


states = p.call(GetAvailableStates, 'get_available_states', GetAvailableStates.Request()).available_states
assert {s.id: s.label for s in states}[State.PRIMARY_STATE_INACTIVE] == 'inactive' and len(states) == 10, states
graph = p.call(GetAvailableTransitions, 'get_transition_graph', GetAvailableTransitions.Request()).available_transitions
assert len(graph) == 7, graph

assert state() == 'unconfigured' and open_ways() == {(1, 'configure'), (5, 'shutdown')}
refused('unconfigured')
assert not change(Transition.TRANSITION_ACTIVATE), 'not from unconfigured'
assert change(Transition.TRANSITION_CONFIGURE) and state() == 'inactive'
assert open_ways() == {(2, 'cleanup'), (3, 'activate'), (6, 'shutdown')}
refused('inactive')
assert change(0, 'activate') and state() == 'active', 'by its name'
assert p.ask('the mug').status in (FINAL, NO_REFERENT)
p.until(lambda: len(events) >= 4, 'the events of configure and activate')
assert [(e.transition.id, e.start_state.label, e.goal_state.label) for e in events[:4]] == [
    (1, 'unconfigured', 'configuring'), (10, 'configuring', 'inactive'),
    (3, 'inactive', 'activating'), (30, 'activating', 'active')], events
assert all(e.timestamp for e in events)

running = p.send('the mug', continuous=True)
p.answer(running)
assert change(Transition.TRANSITION_DEACTIVATE)
closed = p.until(lambda: [a for a in p.answers_to(running) if a.status == CANCELED], 'the command to be canceled')[0]
assert 'deactivating' in closed.message, closed.message
assert state() == 'inactive'
assert change(Transition.TRANSITION_CLEANUP) and state() == 'unconfigured'
for _ in range(3):
    assert change(Transition.TRANSITION_CONFIGURE) and change(Transition.TRANSITION_ACTIVATE)
    assert p.ask('the mug').status in (FINAL, NO_REFERENT)
    assert change(Transition.TRANSITION_DEACTIVATE) and change(Transition.TRANSITION_CLEANUP)
assert not change(99)
assert change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN) and state() == 'finalized'
refused('finalized')
assert not change(Transition.TRANSITION_CONFIGURE) and open_ways() == set()
p.close()
