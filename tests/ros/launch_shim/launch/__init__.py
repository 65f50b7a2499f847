"""A shim of ROS 2's `launch`: only what our launch files use, no launch semantics. See launch_file.py beside this folder."""
from .substitutions import LaunchConfiguration, PathJoinSubstitution

__all__ = ['LaunchConfiguration', 'LaunchDescription', 'PathJoinSubstitution']


class LaunchDescription:
    def __init__(self, entities):
        self.entities = entities
