"""20 000 frames as fast as they go, commands among them: the node's memory stays where it was after half of them."""
import os

from diagnostic_msgs.msg import DiagnosticArray
from graph import *
from rclpy.qos import QoSProfile as Qos

FRAMES, COMMAND_EVERY, PID = 20_000, 100, os.environ['NODE_PID']
health = []
p = Peer(camera_qos=Qos(depth=10), camera=False)  # reliable: every frame arrives
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


message, waiting, seen, closed, began = image(pixels), [], [], 0, time.monotonic()
for n in range(1, FRAMES + 1):
    message.header.stamp = stamp(time.time_ns())
    p.camera.publish(message)
    if n % COMMAND_EVERY == 0:
        p.answer(p.send(['the mug', 'describe the scene', 'what is there?'][n // COMMAND_EVERY % 3]))
        p.answers.clear(), p.texts.clear()
        closed += 1
    if n in (FRAMES // 4, FRAMES // 2, FRAMES * 3 // 4, FRAMES):
        seen.append(memory())
took = time.monotonic() - began
p.until(lambda: received() >= FRAMES, f'the node to have counted {FRAMES} frames, not {received()}')
print(f'{FRAMES} frames and {closed} answers in {took:.0f} s; RSS in MB after each quarter:', *(f'{m:.1f}' for m in seen))
assert seen[-1] < 1.01 * seen[1], f'memory grew from {seen[1]:.1f} to {seen[-1]:.1f} MB'
p.close()
