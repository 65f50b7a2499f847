"""Texts that are known only when the launch arguments are."""
import os


class LaunchConfiguration:
    def __init__(self, name):
        self.name = name

    def perform(self, arguments):
        return arguments[self.name]


class PathJoinSubstitution:
    def __init__(self, parts):
        self.parts = parts

    def perform(self, arguments):
        return os.path.join(*(perform(part, arguments) for part in self.parts))


def perform(value, arguments):
    """The text of a string, a substitution or a list of both."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ''.join(perform(part, arguments) for part in value)
    return value.perform(arguments)
