"""The bag of a real camera (tests/camera_bag) is played into the node: one sound answer for each of its three commands."""
from graph import *

rclpy.init()
p = Peer.__new__(Peer)
p.node, p.grounding, p.answers = rclpy.create_node('listener'), '/grounding', []
p.hear(GroundingAnswer, '/grounding/answer', p.answers, 100)
p.until(lambda: p.node.count_publishers('/grounding/answer'), 'the node')
print('LISTENING', flush=True)

p.until(lambda: len(p.answers) == 3, 'three answers')
start = 1_700_000_000 * 10**9
by_command = {answer.command: answer for answer in p.answers}
assert set(by_command) == {'the sofa', 'what is on the left?', 'x'}, set(by_command)
bad = by_command['x']
assert bad.command_id == 'bad-1' and bad.status == FAILED and 'mode 9' in bad.message, bad.message
for words, frame in (('the sofa', 1), ('what is on the left?', 0)):
    answer = by_command[words]
    assert answer.status in (FINAL, NO_REFERENT), (words, answer.status, answer.message)
    assert nanos(answer.header.stamp) == start + frame * 10**8, (words, 'the frame that was meant')
    assert (answer.image_width, answer.image_height) == (640, 480)
    for o in answer.objects:
        assert o.box.x_offset + o.box.width <= 640 and o.box.y_offset + o.box.height <= 480
        assert (o.mask.width, o.mask.height) == (o.mask_roi.width, o.mask_roi.height)
p.close()
