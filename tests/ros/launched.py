"""The node as a launch file started it: /robot/grounding on /cam/rgb, with the parameters of the arguments and the file."""
from graph import *

p = Peer(grounding='/robot/grounding', image_topic='/cam/rgb')
p.until(lambda: ('grounding', '/robot') in p.node.get_node_names_and_namespaces(), 'the name of the node')
device, timeout, model = p.get('device', 'timeout', 'model')
assert device.string_value == 'cpu', 'the argument wins over the params file'
assert timeout.double_value == 7.5, 'what is no argument comes from the params file'
assert model.string_value == '', 'an empty argument changes nothing'
assert p.ready().camera == 'default'
p.check_all()
p.close()
