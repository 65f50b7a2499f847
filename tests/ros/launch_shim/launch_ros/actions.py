"""A node as the command line that launch_ros would start."""
import os

from ament_index_python.packages import get_package_prefix

from launch.substitutions import perform


class Node:
    def __init__(self, *, package, executable, name, namespace='', arguments=(), parameters=(), remappings=(), output='log',
                 condition=None):
        self.package, self.executable, self.name, self.namespace = package, executable, name, namespace
        self.arguments, self.parameters, self.remappings, self.output = arguments, parameters, remappings, output
        self.condition = condition

    def argv(self, values):
        """`values`: the launch arguments."""
        program = os.path.join(get_package_prefix(self.package), 'lib', self.package, self.executable)
        rules = ['__node:=' + self.name, '__ns:=/' + perform(self.namespace, values).lstrip('/')]
        rules += [perform(old, values) + ':=' + perform(new, values) for old, new in self.remappings]
        argv = [program, *(perform(argument, values) for argument in self.arguments), '--ros-args']
        for given in self.parameters:
            if isinstance(given, dict):
                argv += [word for name, value in given.items() for word in ('-p', f'{name}:={str(value).lower()}')]
            else:
                argv += ['--params-file', perform(given, values)]
        for rule in rules:
            argv += ['-r', rule]
        return argv


class LifecycleNode(Node):
    """Its node has the standard services; who calls them is not the shim's business."""
