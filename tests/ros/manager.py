"""A lifecycle manager as nav2's: services only, no bond. It brings the node up and down CYCLES times; the memory of the
WEIGHTS comes back, and no cycle leaves any behind."""
import os

from graph import *
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

PID, CYCLES, WEIGHTS = os.environ['NODE_PID'], int(os.environ['CYCLES']), int(os.environ['WEIGHTS'])  # MB
UP = [(Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE), (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE)]
DOWN = [(Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE), (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED)]


class Manager:
    """Two clients for the node, as nav2_util::LifecycleServiceClient has them, kept over all changes."""

    def __init__(self, node, name):
        self.change = node.create_client(ChangeState, f'{name}/change_state')
        self.state = node.create_client(GetState, f'{name}/get_state')

    def call(self, client, request):
        p.until(client.service_is_ready, client.srv_name)
        future = client.call_async(request)
        p.until(future.done, f'the answer of {client.srv_name}')
        return future.result()

    def move(self, steps):
        for transition, wanted in steps:
            done = self.call(self.change, ChangeState.Request(transition=Transition(id=transition)))
            assert done.success, f'transition {transition}'
            assert self.call(self.state, GetState.Request()).current_state.id == wanted


def memory():
    """Resident, in MB."""
    with open(f'/proc/{PID}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS')) / 1024


p = Peer()
manager = Manager(p.node, p.grounding)
held, freed = [], []
for _ in range(CYCLES):
    manager.move(UP)
    assert p.ask('the mug').status in (FINAL, NO_REFERENT)
    held.append(memory())
    manager.move(DOWN)
    freed.append(memory())
print('RSS in MB, active / unconfigured:', ' '.join(f'{a:.0f}/{b:.0f}' for a, b in zip(held, freed)))
# What the network library itself keeps from the first answers on is not the model's.
assert not WEIGHTS or min(held) - max(freed) > 0.8 * WEIGHTS, 'cleanup gives memory back'
early, late = slice(CYCLES // 4, CYCLES // 2), slice(CYCLES // 2, None)
if CYCLES > 10:
    assert max(freed[late]) < 1.02 * max(freed[early]) and max(held[late]) < 1.02 * max(held[early]), 'it grows'
manager.move([(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, State.PRIMARY_STATE_FINALIZED)])
p.close()
