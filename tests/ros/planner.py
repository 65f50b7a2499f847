"""A planner asks for objects by words on a simulated table: objects in the feedback before the result, pinches where the
objects are. Usage: planner.py FOLDER with truth.jsonl and frames.jsonl of the bag that is being played."""
import json
import os
import pathlib
import re
import subprocess
import sys

from graph import *
from llava_grounding.action import Ground
from rclpy.action import ActionClient
from vision_msgs.msg import Detection2DArray, Detection3DArray

folder = pathlib.Path(os.environ['SCENE'])
objects = json.loads((folder / 'frames.jsonl').read_text().splitlines()[0])['objects']
p = Peer(image_topic='/camera/color/image_raw', camera=False)
flat, space = [], []
p.hear(Detection2DArray, '/grounding/detections', flat)
p.hear(Detection3DArray, '/grounding/detections_3d', space)
print('LISTENING', flush=True)
p.ready()

# --- objects come as soon as their phrases end
client = ActionClient(p.node, Ground, '/grounding/ground')
p.until(client.server_is_ready, 'the action server')
feedback = []
sent = client.send_goal_async(Ground.Goal(command=GroundingCommand(text='describe the scene')),
                              lambda m: feedback.append(m.feedback))
p.until(sent.done, 'the goal to be taken up')
result = sent.result().get_result_async()
p.until(result.done, 'the result')
answer = result.result().result.answer
assert answer.status == FINAL and len(answer.objects) > 1, (answer.status, answer.text, answer.message)
seen = [f for f in feedback if f.provisional.objects]
assert seen, f'no objects in {len(feedback)} feedbacks: {[f.text_so_far for f in feedback]}'
first = seen[0]
assert len(first.provisional.objects) < len(answer.objects), 'before the whole answer'
assert first.provisional.status == GroundingAnswer.STATUS_PROVISIONAL
for found, final in zip(seen[-1].provisional.objects, answer.objects):
    words = seen[-1].text_so_far.encode()[found.phrase_begin:found.phrase_end].decode()
    assert words == found.phrase == final.phrase and found.mask_roi.width > 0, (words, found.phrase, final.phrase)
    assert found.pose_status == 0, 'where it is in space is found for the final answer'

# --- the same as others read it
p.until(lambda: any(len(d.detections) == len(answer.objects) for d in flat), 'detections of the description')
drawn = next(d for d in flat if len(d.detections) == len(answer.objects))
assert [d.results[0].hypothesis.class_id for d in drawn.detections] == [o.phrase for o in answer.objects]
assert drawn.header.frame_id == answer.image_header.frame_id
placed = [o for o in answer.objects if o.pose_status == o.POSE_OK]
assert placed, [o.pose_status for o in answer.objects]
p.until(lambda: any(len(d.detections) == len(placed) for d in space), 'detections in space')
solid = next(d for d in space if len(d.detections) == len(placed))
assert solid.header.frame_id == 'map' and solid.detections[0].bbox.center == placed[0].pose.pose

# --- pinches by words
near, told = [], []
for thing in objects:
    name = f'the {thing["color"]} {thing["shape"]}'
    plan = subprocess.run([sys.executable, 'examples/grasp_planner.py', *name.split()], capture_output=True, text=True, timeout=60)
    told.append(f'{name}: {plan.stdout.strip()} {plan.stderr.strip()}')
    at = re.search(r'position +(\S+) (\S+) (\S+) m', plan.stdout)
    if plan.returncode == 0 and at:
        off = np.array([float(v) for v in at.groups()]) - np.array(thing['map_from_object']['position'])
        near.append(np.linalg.norm(off[:2]) < 0.04 and abs(off[2]) < 0.06)
print('\n'.join(told))
assert sum(near) >= 1, 'no object was found and pinched where it is:\n' + '\n'.join(told)
plan = subprocess.run([sys.executable, 'examples/grasp_planner.py', '--node', '/nobody', '--patience', '1', 'x'],
                      capture_output=True, text=True, timeout=60)
assert plan.returncode == 1 and '/nobody did not answer' in plan.stdout, plan
p.close()
