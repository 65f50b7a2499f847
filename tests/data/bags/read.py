#!/usr/bin/env python3
"""Reads a bag with the PyPI package `rosbags`, by the definitions in the bag, and prints topic, type, count, text."""

import sys
from collections import Counter
from pathlib import Path

from rosbags.highlevel import AnyReader


def main():
    counts, texts = Counter(), {}
    with AnyReader([Path(sys.argv[1])]) as reader:
        for connection, _, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            counts[connection.topic, connection.msgtype] += 1
            texts[connection.topic] = getattr(message, "text", "")
    for (topic, kind), count in sorted(counts.items()):
        print(topic, kind, count, texts[topic])


main()
