"""An independent peer on the ROS graph: camera, speaker and listener in one, for the tests of the node.

Everything waits in deadline loops that say what they waited for.
"""
import collections
import time

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from llava_grounding.msg import GroundingAnswer, GroundingCommand, VisualPrompt
from rcl_interfaces.srv import (DescribeParameters, GetParameters, GetParameterTypes, ListParameters, SetParameters,
                                SetParametersAtomically)
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import String
from std_srvs.srv import Trigger

PATIENCE = 30.0  # seconds until a wait is given up: longer than any machine needs
ASK_AGAIN = 5.0
FINAL, NO_REFERENT, FAILED, CANCELED = (GroundingAnswer.STATUS_FINAL, GroundingAnswer.STATUS_NO_REFERENT,
                                        GroundingAnswer.STATUS_FAILED, GroundingAnswer.STATUS_CANCELED)
CLOSING = {FINAL, NO_REFERENT, FAILED, CANCELED}


def nanos(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def stamp(nanoseconds):
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def picture(width=64, height=48):
    """Pixels that differ everywhere, [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 3 % 256], axis=-1).astype(np.uint8)


def image(pixels, encoding='rgb8', at=None):
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.header.frame_id = 'camera_optical'
    message.header.stamp = at if at is not None else stamp(time.time_ns())
    message.step = int(pixels.strides[0])
    message.data = np.ascontiguousarray(pixels).tobytes()
    return message


def prompt_click(x, y):
    from geometry_msgs.msg import Point32
    return VisualPrompt(kind=VisualPrompt.KIND_CLICK, points=[Point32(x=float(x), y=float(y))])


def prompt_box(x, y, width, height):
    box = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    return VisualPrompt(kind=VisualPrompt.KIND_BOX, box=box)


class Peer:
    def __init__(self, grounding='/grounding', image_topic='/image', image_type=Image, camera=True,
                 camera_qos=qos_profile_sensor_data):
        rclpy.init()
        self.node = rclpy.create_node('peer')
        self.grounding = grounding
        self.answers, self.texts, self.ids, self.continuous = [], [], 0, set()
        self.sent = collections.OrderedDict()  # stamp -> (width, height)
        self.frame = lambda: image(picture())
        self.command = self.node.create_publisher(String, f'{grounding}/command', 100)
        self.prompt = self.node.create_publisher(GroundingCommand, f'{grounding}/prompt', 100)
        self.camera = self.node.create_publisher(image_type, image_topic, camera_qos)
        self.hear(GroundingAnswer, f'{grounding}/answer', self.answers, 100)
        self.hear(String, f'{grounding}/text', self.texts, 100)
        self.cancel_client = self.node.create_client(Trigger, f'{grounding}/cancel')
        self.until(lambda: self.command.get_subscription_count() and self.prompt.get_subscription_count()
                   and self.node.count_publishers(f'{grounding}/answer')
                   and self.node.count_publishers(f'{grounding}/text'), f'the node {grounding} on the graph')
        if camera:
            self.until(lambda: self.camera.get_subscription_count(), f'the node to listen to {image_topic}')
            self.node.create_timer(0.05, self.shoot)

    def hear(self, kind, topic, into, qos=10):
        return self.node.create_subscription(kind, topic, into.append, qos)

    def shoot(self):
        message = self.frame()
        if message is not None:
            self.sent[nanos(message.header.stamp)] = (getattr(message, 'width', 0), getattr(message, 'height', 0))
            self.camera.publish(message)

    def until(self, happened, what, seconds=PATIENCE):
        """Spins until `happened()` is true and returns that."""
        end = time.monotonic() + seconds
        while True:
            found = happened()
            if found:
                return found
            assert time.monotonic() < end, f'waited {seconds} s for {what}'
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.02)

    def ready(self):
        """Waits until the model is loaded and frames arrive: asks until the node is active.

        Of two that find each other one knows it first: an answer may be sent before the node knows that somebody listens.
        """
        def loaded():
            asked, again = self.send('the mug'), time.monotonic() + ASK_AGAIN
            self.until(lambda: self.answers_to(asked) or time.monotonic() > again, 'an answer, or the time to ask again')
            answer = next(iter(self.answers_to(asked)), None)
            return answer and not answer.message.startswith('the node is') and answer
        answer = self.until(loaded, 'the node to be active')
        assert answer.status in (FINAL, NO_REFERENT), answer.message
        return answer

    def send(self, text='', **fields):
        """Sends a GroundingCommand, returns its id."""
        self.ids += 1
        fields.setdefault('id', f'test-{self.ids}')
        if fields.get('continuous'):
            self.continuous.add(fields['id'])
        command = GroundingCommand(text=text, **fields)
        self.prompt.publish(command)
        return command.id

    def answers_to(self, command_id):
        return [a for a in self.answers if a.command_id == command_id]

    def answer(self, command_id, seconds=PATIENCE):
        return self.until(lambda: self.answers_to(command_id), f'the answer to {command_id}', seconds)[-1]

    def ask(self, text='', seconds=PATIENCE, **fields):
        return self.answer(self.send(text, **fields), seconds)

    def call(self, kind, name, request, seconds=PATIENCE):
        client = self.node.create_client(kind, f'{self.grounding}/{name}')
        self.until(client.service_is_ready, f'the service {name}', seconds)
        future = client.call_async(request)
        self.until(future.done, f'the answer of {name}', seconds)
        self.node.destroy_client(client)
        return future.result()

    def cancel(self):
        return self.call(Trigger, 'cancel', Trigger.Request())

    # --- parameters
    def get(self, *names):
        return self.call(GetParameters, 'get_parameters', GetParameters.Request(names=list(names))).values

    def set(self, **values):
        parameters = [Parameter(k.replace('__', '.'), value=v).to_parameter_msg() for k, v in values.items()]
        return self.call(SetParameters, 'set_parameters', SetParameters.Request(parameters=parameters)).results

    # --- what every answer must hold
    def check(self, answer):
        at = nanos(answer.image_header.stamp)
        assert nanos(answer.header.stamp) == at
        if at == 0:
            assert answer.status in (FAILED, CANCELED), answer
            return answer
        assert at in self.sent, f'stamp {at} is none of an image that was sent'
        width, height = answer.image_width, answer.image_height
        if self.sent[at] != (0, 0):
            assert (width, height) == self.sent[at]
        assert answer.image_header.frame_id == answer.header.frame_id == 'camera_optical'
        for found in answer.objects:
            for roi in (found.box, found.mask_roi):
                assert roi.x_offset + roi.width <= width and roi.y_offset + roi.height <= height, roi
            assert (found.mask.width, found.mask.height) == (found.mask_roi.width, found.mask_roi.height)
            assert found.mask.encoding == 'mono8' and len(found.mask.data) == found.mask.step * found.mask.height
            assert set(bytes(found.mask.data)) <= {0, 255}
            assert 0.0 <= found.score <= 1.0
            if found.source == found.SOURCE_WORDS and answer.mode != GroundingCommand.MODE_REFER:
                # Random weights may mark a phrase of no words.
                assert found.phrase == answer.text.encode()[found.phrase_begin:found.phrase_end].decode()
            else:
                assert found.phrase
        return answer

    def check_all(self):
        """One closing answer per command, and each one sound."""
        self.spin(0.3)
        closing = [a for a in self.answers if a.status in ({FAILED, CANCELED} if a.command_id in self.continuous else CLOSING)]
        closed = collections.Counter(a.command_id for a in closing)
        assert set(closed) == {a.command_id for a in self.answers}
        assert all(n == 1 for n in closed.values()), closed
        for answer in self.answers:
            self.check(answer)

    def close(self):
        self.node.destroy_node()
        rclpy.shutdown()


LATCHED = QoSProfile(depth=1000, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
__all__ = [n for n in dir() if not n.startswith('_')]
