#!/usr/bin/env python3
"""Asks for an object by words and prints how to pinch it, in the base frame of the robot.

    ros2 run llava_grounding llava_grounding --ros-args -p target_frame:=base_link   # and a camera with depth
    python3 examples/grasp_planner.py the red mug

A planner takes `pose` as the goal of its tool centre point: z is the approach, y the way in which the fingers close.
It comes from `approach_distance` before the pose along z, opens to `width`, and closes at the pose.
"""
import argparse
import sys

import rclpy
from llava_grounding.action import Ground
from llava_grounding.msg import GroundedObject, GroundingAnswer, GroundingCommand
from rclpy.action import ActionClient

# Why an object has no pose: the names of GroundedObject.POSE_*.
REASONS = {getattr(GroundedObject, name): name[5:].lower().replace('_', ' ')
           for name in dir(GroundedObject) if name.startswith('POSE_')}


def ask(node, client, words, patience):
    """The answer to a goal, or None: nobody answered in time."""
    if not client.wait_for_server(timeout_sec=patience):
        return None
    goal = Ground.Goal(command=GroundingCommand(text=words))
    sent = client.send_goal_async(goal, lambda message: print(f'... {message.feedback.text_so_far}'))
    rclpy.spin_until_future_complete(node, sent, timeout_sec=patience)
    if not sent.done() or not sent.result().accepted:
        return None
    result = sent.result().get_result_async()
    rclpy.spin_until_future_complete(node, result, timeout_sec=patience)
    return result.result().result.answer if result.done() else None


def show(answer):
    """Prints the best pinch of the best object; False: there is none."""
    if answer.status != GroundingAnswer.STATUS_FINAL:
        print(f'no object: {answer.message or answer.text}')
        return False
    for found in sorted(answer.objects, key=lambda o: -o.score):
        if found.pose_status != GroundedObject.POSE_OK:
            print(f'"{found.phrase}": no pose: {REASONS.get(found.pose_status, found.pose_status)}')
            continue
        if not found.grasps:
            print(f'"{found.phrase}": no pinch fits: too wide for the gripper, or no room for its fingers')
            continue
        grasp = found.grasps[0]
        at, turn = grasp.pose.position, grasp.pose.orientation
        print(f'"{found.phrase}" in {answer.header.frame_id} at {answer.header.stamp.sec}.{answer.header.stamp.nanosec:09}')
        print(f'  position          {at.x:+.3f} {at.y:+.3f} {at.z:+.3f} m')
        print(f'  orientation xyzw  {turn.x:+.3f} {turn.y:+.3f} {turn.z:+.3f} {turn.w:+.3f}')
        print(f'  opening {grasp.width * 100:.1f} cm, approach {grasp.approach_distance * 100:.1f} cm, '
              f'quality {grasp.quality:.2f}')
        return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('words', nargs='+', help='what to take, as one would say it')
    parser.add_argument('--node', default='/grounding', help='full name of the node that grounds')
    parser.add_argument('--patience', type=float, default=20.0, help='longest wait (s)')
    arguments = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node('grasp_planner')
    client = ActionClient(node, Ground, f'{arguments.node}/ground')
    answer = ask(node, client, ' '.join(arguments.words), arguments.patience)
    if answer is None:
        print(f'{arguments.node} did not answer within {arguments.patience} s: is it there and active?')
    content = answer is not None and show(answer)
    node.destroy_node()
    rclpy.shutdown()
    return 0 if content else 1


if __name__ == '__main__':
    sys.exit(main())
