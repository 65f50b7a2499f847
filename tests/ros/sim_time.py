"""use_sim_time: ages are by /clock; a clock that is ahead makes frames old."""
from graph import *
from rosgraph_msgs.msg import Clock

p = Peer()
clock = p.node.create_publisher(Clock, '/clock', 10)
p.until(lambda: clock.get_subscription_count(), 'the node to listen to /clock')
began, offset = time.monotonic(), [1000.0]


def now():
    return int((offset[0] + time.monotonic() - began) * 1e9)


p.frame = lambda: image(picture(), at=stamp(now()))
p.node.create_timer(0.01, lambda: clock.publish(Clock(clock=stamp(now()))))
answer = p.ready()
assert 1000 <= answer.header.stamp.sec < 1200
age = nanos(answer.age_at_publish)
assert 0 <= age < 20 * 10**9, 'age by the clock of the simulation'

# The clock runs 50 s ahead of the camera.
p.frame = lambda: image(picture(), at=stamp(now() - 50 * 10**9))
p.spin(0.8)
answer = p.ask('the mug')
assert answer.status == FAILED and 'use_sim_time (here: true)' in answer.message, answer.message
p.close()
