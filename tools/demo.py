"""The demo's audience: starts the node, plays the bag into it, prints every answer, keeps pictures and a bag of them.

Usage: demo.py PROGRAM OUT, where OUT holds scenes.mcap and truth.jsonl as `simulate` wrote them. Ends with 1 if an
answer is missing.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from llava_grounding.msg import GroundingAnswer
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CompressedImage

LOADING = 120.0  # seconds until the model must be there
LAST_ANSWER = 30.0  # seconds from the end of the bag to the last answer
COLOR = '/camera/color/image_raw'
# A camera's best effort is right on a robot; here every frame is asked about, so none may be lost.
PARAMETERS = ['use_sim_time:=true', f'qos_overrides.{COLOR}.subscription.reliability:=reliable']
STATUS = {value: name.removeprefix('STATUS_') for name, value in
          ((n, getattr(GroundingAnswer, n)) for n in dir(GroundingAnswer) if n.startswith('STATUS_'))}
REMAPS = [f'image:={COLOR}', 'depth:=/camera/aligned_depth_to_color/image_raw', 'camera_info:=/camera/color/camera_info']


def width():
    """Columns of the terminal, or of a file."""
    return max(shutil.get_terminal_size((120, 24)).columns, 90)


class Bag:
    """The answers and their pictures, as an mcap in a rosbag2 folder."""

    def __init__(self, path):
        store = get_typestore(Stores.ROS2_JAZZY)
        for file in sorted(pathlib.Path('msg').glob('*.msg')):
            store.register(get_types_from_msg(file.read_text(), f'llava_grounding/msg/{file.stem}'))
        self.writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self.writer.open()
        self.topics = {
            topic: self.writer.add_connection(topic, kind, typestore=store)
            for topic, kind in (('/grounding/answer', 'llava_grounding/msg/GroundingAnswer'),
                                ('/grounding/image_annotated/compressed', 'sensor_msgs/msg/CompressedImage'))
        }

    def write(self, topic, message, raw):
        self.writer.write(self.topics[topic], nanos(message.header.stamp), raw)


class Table:
    """Prints rows as they come."""

    def __init__(self):
        words = (width() - 46) // 2
        self.columns = (('#', 3), ('said', words), ('answer', words), ('status', 12), ('found', 5), ('IoU', 5), ('ms', 6))
        self.row([name for name, _ in self.columns])
        self.row(['-' * columns for _, columns in self.columns])

    def row(self, cells):
        wrapped = [textwrap.wrap(str(cell), columns)[:3] or [''] for cell, (_, columns) in zip(cells, self.columns)]
        for i in range(max(map(len, wrapped))):
            line = [(lines[i] if i < len(lines) else '').ljust(columns)
                    for lines, (_, columns) in zip(wrapped, self.columns)]
            print('  '.join(line).rstrip(), flush=True)


class Audience:
    """Hears the node."""

    def __init__(self, out):
        self.pictures, self.bag, self.table = out / 'answers', Bag(out / 'answers_bag'), None
        self.pictures.mkdir()
        # Commands that are said are answered in their order.
        self.truth = [json.loads(line) for line in (out / 'truth.jsonl').read_text().splitlines()]
        self.answers, self.drawn, self.model = [], {}, ''
        self.node = rclpy.create_node('demo')
        self.hear('/grounding/answer', GroundingAnswer, self.answer)
        self.hear('/grounding/image_annotated/compressed', CompressedImage, self.picture)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self.health, 10)

    def hear(self, topic, kind, then):
        def raw(data):
            message = deserialize_message(data, kind)
            self.bag.write(topic, message, data)
            then(message)
        self.node.create_subscription(kind, topic, raw, 100, raw=True)

    def health(self, message):
        for status in message.status:
            if status.name == '/grounding: model' and not status.message.startswith(('loading', 'not loaded')):
                self.model = status.message

    def answer(self, answer):
        self.table = self.table or Table()
        self.answers.append(answer)
        number = len(self.answers)
        truth = self.truth[number - 1] if number <= len(self.truth) else None
        words = answer.text if answer.text else answer.message
        if answer.mode == 1 and answer.objects:
            words = answer.objects[0].phrase
        overlap = iou(answer, truth) if truth else ''
        took = f'{sum(answer.stage_ms):.0f}'
        self.table.row([number, answer.command, words, STATUS.get(answer.status, '?'), len(answer.objects), overlap, took])

    def picture(self, message):
        self.drawn[nanos(message.header.stamp)] = message

    def save_pictures(self):
        """One file an answer, named after its number and what was said."""
        for number, answer in enumerate(self.answers, 1):
            message = self.drawn.get(nanos(answer.header.stamp))
            if message:
                suffix = 'png' if 'png' in message.format else 'jpg'
                said = re.sub('[^a-z0-9]+', '_', answer.command.lower()).strip('_')
                (self.pictures / f'{number:02}_{said[:60]}.{suffix}').write_bytes(bytes(message.data))
        return len(list(self.pictures.iterdir()))

    def until(self, happened, seconds, process=None):
        """Spins until `happened()`; False when the time is over or `process` ended before."""
        end = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > end or (process and process.poll() is not None):
                return bool(happened())
            rclpy.spin_once(self.node, timeout_sec=0.05)
        return True


def nanos(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def iou(answer, truth):
    """Overlap of the best-scored box with the nearest box asked for; "-" if there is none to compare."""
    if not truth['referents'] or not answer.objects:
        return '-'
    best = max(answer.objects, key=lambda found: found.score).box
    found = (best.x_offset, best.y_offset, best.x_offset + best.width, best.y_offset + best.height)
    return f"{max(overlap(found, referent['box']) for referent in truth['referents']):.2f}"


def is_right(answer, truth):
    """None if there is nothing to compare. What is not there must not be found; else the best box must hit one asked for."""
    if truth['absent']:
        return not answer.objects
    value = iou(answer, truth)
    return None if not truth['referents'] else value != '-' and float(value) >= 0.5


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both, 1)


def stop(process):
    """Ends a child that this script started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def show(program, out, audience, node):
    """Plays the bag. Gives what went wrong, or nothing."""
    if not audience.until(lambda: audience.model, LOADING, node):
        ended = node.poll()
        return f'the node ended with {ended}' if ended is not None else f'no model after {LOADING:.0f} s'
    print(textwrap.fill(f'model: {audience.model}', width(), subsequent_indent='       '))
    print()
    play = subprocess.Popen([program, 'play', str(out / 'scenes.mcap'), '--wait', '20'], stdout=subprocess.DEVNULL)
    try:
        if not audience.until(lambda: play.poll() is not None, 3600, node):
            return 'the node ended while the bag was played'
        if play.returncode:
            return f'playing the bag failed with {play.returncode}'
        if not audience.until(lambda: len(audience.answers) >= len(audience.truth), LAST_ANSWER, node):
            return f'{len(audience.answers)} of {len(audience.truth)} commands were answered'
    finally:
        stop(play)
    audience.until(lambda: False, 1.0, node)  # the last picture is drawn after its answer
    failed = [a for a in audience.answers if a.status not in (GroundingAnswer.STATUS_FINAL, GroundingAnswer.STATUS_NO_REFERENT)]
    return f'{len(failed)} answers are neither FINAL nor NO_REFERENT' if failed else ''


def main():
    program, out = sys.argv[1], pathlib.Path(sys.argv[2])
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    print(f'starting the node on ROS domain {domain}, log in {out / "node.log"}')
    rclpy.init()
    with open(out / 'node.log', 'w') as log:
        arguments = [word for p in PARAMETERS for word in ('-p', p)] + [word for r in REMAPS for word in ('-r', r)]
        node = subprocess.Popen([program, 'run', '--ros-args', *arguments], stdout=log, stderr=log)
        audience = Audience(out)
        try:
            wrong = show(program, out, audience, node)
        finally:
            stop(node)
            audience.bag.writer.close()
    audience.node.destroy_node()
    rclpy.shutdown()
    print()
    if wrong:
        print(f'demo failed: {wrong}; the end of {out / "node.log"}:', file=sys.stderr)
        print('\n'.join((out / 'node.log').read_text().splitlines()[-12:]), file=sys.stderr)
        return 1
    marks = [is_right(answer, truth) for answer, truth in zip(audience.answers, audience.truth)]
    marks = [mark for mark in marks if mark is not None]
    print(f'{sum(marks)} of {len(marks)} are right: IoU of 0.5 or more, or nothing found where nothing is\n')
    print(f'annotated pictures   {audience.pictures}/ ({audience.save_pictures()})')
    print(f'bag of the answers   {out / "answers_bag"}/ (mcap: ros2 bag play, Foxglove)')
    print(f'the camera bag       {out / "scenes.mcap"}, truth in {out / "truth.jsonl"}, all scenes in {out / "sheet.png"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
