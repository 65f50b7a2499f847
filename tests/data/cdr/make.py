#!/usr/bin/env python3
"""Writes one file of CDR bytes per message type and byte order, with the PyPI package `rosbags` (0.11.9) as the judge.

Standard messages are rosbags' own definitions of Jazzy; ours are read from msg/, vision_msgs from tools/. Every field gets the next number of a
counter (see `value`), which tests/it/wire.rs does too, field by field in the order of the definitions.
Run it from the root of the repository after a change in msg/: `.deps/venv/bin/python tests/data/cdr/make.py`.
"""

from pathlib import Path

import numpy
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.interfaces import Nodetype

HERE = Path(__file__).parent
TYPES = """
std_msgs/msg/Header std_msgs/msg/String rosgraph_msgs/msg/Clock builtin_interfaces/msg/Duration
diagnostic_msgs/msg/DiagnosticArray rcl_interfaces/msg/Log rcl_interfaces/msg/ParameterEvent
geometry_msgs/msg/PoseWithCovariance geometry_msgs/msg/Point32 tf2_msgs/msg/TFMessage
sensor_msgs/msg/RegionOfInterest sensor_msgs/msg/CameraInfo sensor_msgs/msg/Image sensor_msgs/msg/CompressedImage
sensor_msgs/msg/PointCloud2 visualization_msgs/msg/MarkerArray lifecycle_msgs/msg/TransitionEvent
vision_msgs/msg/Detection2DArray vision_msgs/msg/Detection3DArray
llava_grounding/msg/VisualPrompt llava_grounding/msg/GroundingCommand llava_grounding/msg/GraspCandidate
llava_grounding/msg/GroundedObject llava_grounding/msg/GroundingAnswer
""".split()


class Filler:
    """Builds messages whose fields count up."""

    def __init__(self, store):
        self.store = store
        self.count = 0

    def scalar(self, name):
        self.count += 1
        if name == "bool":
            return self.count % 2 == 1
        if name == "string":
            return f"s{self.count}"
        if name.startswith("float"):
            return self.count + 0.5
        return self.count % 100

    def several(self, kind, length):
        node, arg = kind
        if node == Nodetype.BASE and arg[0] != "string":
            dtype = {"byte": "uint8", "octet": "uint8", "char": "uint8"}.get(arg[0], arg[0])
            return numpy.array([self.scalar(arg[0]) for _ in range(length)], dtype=dtype)
        return [self.value(kind) for _ in range(length)]

    def value(self, kind):
        node, arg = kind
        if node == Nodetype.BASE:
            return self.scalar(arg[0])
        if node == Nodetype.NAME:
            return self.message(arg)
        element, length = arg
        return self.several(element, 2 if node == Nodetype.SEQUENCE else length)

    def message(self, name):
        _, fields = self.store.fielddefs[name]
        return self.store.types[name](**{field: self.value(kind) for field, kind in fields})


def main():
    store = get_typestore(Stores.ROS2_JAZZY)
    ours = {}
    for package, folder in [("llava_grounding", "msg"), ("vision_msgs", "tools/vision_msgs/msg")]:
        for path in sorted(Path(folder).glob("*.msg")):
            ours.update(get_types_from_msg(path.read_text(), f"{package}/msg/{path.stem}"))
    store.register(ours)
    for name in TYPES:
        message = Filler(store).message(name)
        for suffix, little in (("le", True), ("be", False)):
            data = bytes(store.serialize_cdr(message, name, little_endian=little))
            (HERE / f"{name.replace('/msg/', '.')}.{suffix}").write_bytes(data)
            print(f"{name} {suffix} {len(data)} bytes")


main()
