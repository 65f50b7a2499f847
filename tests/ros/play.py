"""A bag is played into the node: its clock, its images, its spoken commands, and the answers that come back."""
from graph import *
from rosgraph_msgs.msg import Clock

rclpy.init()
p = Peer.__new__(Peer)
p.node, p.grounding = rclpy.create_node('listener'), '/grounding'
images, words, clocks, p.answers = [], [], [], []
p.hear(Image, '/camera/image_raw', images)
p.hear(String, '/grounding/command', words)
p.hear(Clock, '/clock', clocks, 100)
p.hear(GroundingAnswer, '/grounding/answer', p.answers)
p.until(lambda: p.node.count_publishers('/grounding/answer'), 'the node')
print('LISTENING', flush=True)
start = 1_700_000_000 * 10**9

p.until(lambda: len(images) >= 9 and len(words) >= 3, 'nine images and three commands')
assert [nanos(i.header.stamp) for i in images] == [start + n * 10**8 for n in range(12) if n % 4 != 3]
assert all(bytes(i.data) == bytes([10 * n]) * 144 for i, n in zip(images, (n for n in range(12) if n % 4 != 3)))
assert [w.data for w in words] == [f'the red mug {n}' for n in (3, 7, 11)]
ticks = [nanos(c.clock) for c in clocks]
assert ticks == sorted(ticks) and start <= ticks[0] and ticks[-1] <= start + 12 * 10**8 and len(ticks) > 10

p.until(lambda: len(p.answers) == 3, 'three answers')
for answer, n in zip(p.answers, (3, 7, 11)):
    assert answer.command == f'the red mug {n}' and answer.status in (FINAL, NO_REFERENT), (answer.status, answer.message)
    assert nanos(answer.header.stamp) == start + (n - 1) * 10**8, 'the newest image when the command came'
p.close()
