"""/diagnostics once a second, /rosout: an operator learns within two seconds what is wrong."""
import subprocess
import sys

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from graph import *
from rcl_interfaces.msg import Log

p = Peer(camera=False)
health, lines = [], []
p.hear(DiagnosticArray, '/diagnostics', health)
p.hear(Log, '/rosout', lines, LATCHED)


def part(name):
    return next(s for s in health[-1].status if s.name == f'/grounding: {name}')


def told(name, words, seconds=PATIENCE):
    return p.until(lambda: health and words in part(name).message and part(name), f'diagnostics of {name}: {words}', seconds)


inputs = told('inputs', 'nothing received yet on /image')
assert inputs.level == DiagnosticStatus.WARN
model = told('model', 'RANDOM WEIGHTS')
assert model.level == DiagnosticStatus.WARN and model.hardware_id == 'cpu'
assert {v.key: v.value for v in model.values}['device'] == 'cpu'

# Once a second.
p.spin(0.2)
count = len(health)
p.spin(3.0)
assert 2 <= len(health) - count <= 4, len(health) - count

# Frames, then none.
timer = p.node.create_timer(0.05, p.shoot)
told('inputs', 'receiving')
assert p.ask('the mug').status in (FINAL, NO_REFERENT)
p.node.destroy_timer(timer)
stopped = time.monotonic()
told('inputs', 'stale')
assert time.monotonic() - stopped < 3.5

# Publishers that the node cannot hear are named within two seconds, and forgotten when they are gone.
# In one process Fast DDS allows one type a topic: another process publishes the wrong one.
OTHER = """
import rclpy
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('wrong')
kept = [node.create_publisher(String, '/image', 10), node.create_publisher(String, '/grounding/command', qos_profile_sensor_data)]
rclpy.spin(node)
"""
other = subprocess.Popen([sys.executable, '-c', OTHER], stderr=subprocess.DEVNULL)
try:
    told('inputs', '/image of /wrong is not heard: it publishes std_msgs/msg/String')
    told('inputs', '/grounding/command of /wrong is not heard: it publishes best effort')
finally:
    other.kill()
    other.wait()
p.until(lambda: 'not heard' not in part('inputs').message, 'the publishers to be forgotten')

# Images that cannot be read are named within two seconds.
bad = image(picture())
bad.encoding = 'rgb9'
p.camera.publish(bad)
told('inputs', 'rgb9', 3.0)
assert {v.key: v.value for v in part('inputs').values}['default: unreadable'] == '1'
pipeline = part('pipeline')
assert {v.key: v.value for v in pipeline.values}['state'] == 'idle'
# The node was started with `time_out`, which nobody knows.
assert pipeline.level == DiagnosticStatus.WARN and 'did you mean "timeout"?' in pipeline.message, pipeline.message

# The log is on /rosout, also what was said before anybody listened.
p.until(lambda: [line for line in lines if line.name == 'grounding' and 'ready' in line.msg], 'the line "ready" on /rosout')
skipped = p.until(lambda: [line for line in lines if 'rgb9' in line.msg], 'the warning on /rosout')[0]
assert skipped.level == 30 and skipped.file and nanos(skipped.stamp)
p.close()
