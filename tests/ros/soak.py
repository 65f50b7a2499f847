"""20 000 frames as fast as they go, commands among them: the node's memory stays where it was after half of them."""
import os

from diagnostic_msgs.msg import DiagnosticArray
from graph import *

FRAMES, COMMAND_EVERY, LONGEST, PID = 20_000, 100, 90, os.environ['NODE_PID']
health = []
p = Peer(camera_qos=QoSProfile(depth=10), camera=False)
p.hear(DiagnosticArray, '/diagnostics', health, 10)
p.until(lambda: p.camera.get_subscription_count(), 'the node to listen to /image')
pixels = picture(160, 120)
send = p.node.create_timer(0.05, lambda: p.camera.publish(image(pixels)))
p.ready()
send.cancel()


def memory():
    """Resident, in MB."""
    with open(f'/proc/{PID}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS')) / 1024


def received():
    """Pictures that the node has counted."""
    statuses = [s for message in health[-1:] for s in message.status if s.name.endswith(': inputs')]
    return sum(int(v.value) for s in statuses for v in s.values if v.key.endswith('received'))


message, marks, closed, sent, began = image(pixels), {}, 0, 0, time.monotonic()
while FRAMES not in marks:
    message.header.stamp = stamp(time.time_ns())
    p.camera.publish(message)
    sent += 1
    if sent % COMMAND_EVERY == 0:
        p.answer(p.send(['the mug', 'describe the scene', 'what is there?'][sent // COMMAND_EVERY % 3]))
        p.answers.clear(), p.texts.clear()
        closed += 1
        for quarter in (FRAMES // 4, FRAMES // 2, FRAMES * 3 // 4, FRAMES):
            if received() >= quarter:
                marks.setdefault(quarter, memory())
        assert time.monotonic() - began < LONGEST, f'{received()} frames of {FRAMES} in {LONGEST} s, {sent} were sent'
seen, took = list(marks.values()), time.monotonic() - began
print(f'{FRAMES} frames and {closed} answers in {took:.0f} s; RSS in MB after each quarter:', *(f'{m:.1f}' for m in seen))
assert seen[-1] < 1.01 * seen[1], f'memory grew from {seen[1]:.1f} to {seen[-1]:.1f} MB'
p.close()
