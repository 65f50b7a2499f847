"""Starts a launch file: `launch_file.py [--print] FILE [NAME:=VALUE ...]`.

By the genuine launch_ros where it can be imported. The wheels have none; there the shim in launch_shim/ reads the file
and this process becomes the node with the same command line. That proves the files, not launch itself.
`--print`: the command lines as JSON instead, by the shim.
"""
import importlib.util
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def by_launch(path, given):
    from launch import LaunchDescription, LaunchService
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import AnyLaunchDescriptionSource
    service = LaunchService()
    source = AnyLaunchDescriptionSource(path)
    service.include_launch_description(LaunchDescription([
        IncludeLaunchDescription(source, launch_arguments=given.items())]))
    return service.run()


def argv(path, given):
    sys.path.insert(0, str(HERE / 'launch_shim'))
    if path.endswith('.xml'):
        import xml_front_end
        description = xml_front_end.load(path)
    else:
        spec = importlib.util.spec_from_file_location('launch_file', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        description = module.generate_launch_description()
    from launch.actions import DeclareLaunchArgument
    from launch.substitutions import perform
    declared = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    unknown = set(given) - {argument.name for argument in declared}
    assert not unknown, f'{path} has no arguments {unknown}'
    values = {}
    for argument in declared:
        default = argument.default_value
        assert argument.name in given or default is not None, f'{argument.name} must be given'
        values[argument.name] = given[argument.name] if argument.name in given else perform(default, values)
        assert argument.description, f'{argument.name} says nothing about itself'
    nodes = [entity for entity in description.entities if entity not in declared]
    nodes = [node for node in nodes if node.condition is None or node.condition.holds(values)]
    return [node.argv(values) for node in nodes]


def main():
    show = sys.argv[1] == '--print'
    path, *rules = sys.argv[2 if show else 1:]
    given = dict(rule.split(':=', 1) for rule in rules)
    if show:
        print(json.dumps(argv(path, given)))
    elif importlib.util.find_spec('launch_ros'):
        sys.exit(by_launch(path, given))
    else:
        commands = argv(path, given)
        assert len(commands) == 1, f'{path} starts {len(commands)} nodes: the shim can start one'
        os.execv(commands[0][0], commands[0])


if __name__ == '__main__':
    main()
