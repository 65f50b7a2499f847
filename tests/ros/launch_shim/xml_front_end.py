"""launch.xml files into the shim's objects; a tag or attribute that our files do not use is an error."""
import re
import xml.etree.ElementTree as ElementTree

from launch import LaunchConfiguration, LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SUBSTITUTION = re.compile(r'\$\((var|find-pkg-share) ([^()]+)\)')


def text(value):
    """`a$(var x)b` as a list of strings and substitutions."""
    parts, end = [], 0
    for found in SUBSTITUTION.finditer(value):
        kind = LaunchConfiguration if found[1] == 'var' else FindPackageShare
        parts += [value[end:found.start()], kind(found[2])]
        end = found.end()
    parts.append(value[end:])
    assert '$(' not in ''.join(part for part in parts if isinstance(part, str)), f'the shim cannot read {value}'
    return parts


def take(element, *names):
    """The attributes by name; others than these are not known here."""
    unknown = set(element.attrib) - set(names)
    assert not unknown, f'<{element.tag}> has attributes that the shim does not know: {unknown}'
    return [element.attrib.get(name) for name in names]


def node(element):
    package, executable, name, namespace, arguments, output = take(
        element, 'pkg', 'exec', 'name', 'namespace', 'args', 'output')
    parameters, remappings = [], []
    for child in element:
        if child.tag == 'param':
            parameters.append(text(take(child, 'from')[0]))
        elif child.tag == 'remap':
            remappings.append(tuple(text(value) for value in take(child, 'from', 'to')))
        else:
            raise ValueError(f'<node> has a <{child.tag}>, which the shim does not know')
    # As in launch: words are split before substitution, so that an empty value or one with spaces stays one word.
    words = [text(word) for word in re.findall(r'(?:\$\([^()]*\)|\S)+', arguments)]
    return Node(package=package, executable=executable, name=name, namespace=text(namespace), arguments=words,
                parameters=parameters, remappings=remappings, output=output)


def load(path):
    entities = []
    for element in ElementTree.parse(path).getroot():
        if element.tag == 'arg':
            name, default, description = take(element, 'name', 'default', 'description')
            entities.append(DeclareLaunchArgument(name, default_value=text(default), description=description))
        elif element.tag == 'node':
            entities.append(node(element))
        else:
            raise ValueError(f'<{element.tag}> is not known to the shim')
    return LaunchDescription(entities)
