#!/usr/bin/env python3
"""Writes the small bags of the tests with the PyPI package `rosbags` (0.11.9): one scene in every kind of storage.

Two topics, 12 messages at 0.1 s; commands come between frames. `split` is one folder of two files.
Run it from the root of the repository: `.deps/venv/bin/python tests/data/bags/make.py`.
"""

import shutil
from pathlib import Path

import numpy
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

HERE = Path(__file__).parent
START = 1_700_000_000_000_000_000
STEP = 100_000_000


def messages(store):
    """(topic, type, log time, bytes) in the order of time."""
    image_type, text_type = "sensor_msgs/msg/Image", "std_msgs/msg/String"
    types = store.types
    for i in range(12):
        time = START + i * STEP
        stamp = types["builtin_interfaces/msg/Time"](sec=time // 10**9, nanosec=time % 10**9)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera_optical")
        if i % 4 == 3:
            text = types[text_type](data=f"the red mug {i}")
            yield "/grounding/command", text_type, time, store.serialize_cdr(text, text_type)
        else:
            pixels = numpy.full(8 * 6 * 3, 10 * i, dtype=numpy.uint8)
            image = types[image_type](header, 6, 8, "rgb8", 0, 24, pixels)
            yield "/camera/image_raw", image_type, time, store.serialize_cdr(image, image_type)


def write(name, plugin, mode=None, store=get_typestore(Stores.ROS2_JAZZY)):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if mode:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, time, data in messages(store):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], time, data)
    print(name, *(f"{path.name} {path.stat().st_size}" for path in sorted(folder.iterdir())))


def main():
    for plugin in (StoragePlugin.SQLITE3, StoragePlugin.MCAP):
        name = plugin.name.lower()
        write(f"{name}_plain", plugin)
        write(f"{name}_file", plugin, CompressionMode.FILE)
        write(f"{name}_message", plugin, CompressionMode.MESSAGE)
    write("mcap_storage", StoragePlugin.MCAP, CompressionMode.STORAGE)


main()
