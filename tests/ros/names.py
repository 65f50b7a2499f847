"""Namespace, node name, remaps, a params file and two cameras: /arm/eyes with front/image on /camera/image."""
from graph import *
from rclpy.qos import QoSReliabilityPolicy

# The params file makes the node's reader reliable: it hears a reliable camera only.
p = Peer(grounding='/arm/eyes', image_topic='/camera/image', camera_qos=5)
wrist = p.node.create_publisher(Image, '/arm/wrist/image', qos_profile_sensor_data)
p.until(lambda: wrist.get_subscription_count(), 'the node to listen to the wrist')
reliabilities = lambda: [i.qos_profile.reliability for i in p.node.get_subscriptions_info_by_topic('/camera/image')]
p.until(lambda: reliabilities() == [QoSReliabilityPolicy.RELIABLE], 'the reliable reader that the params file asks for')

assert p.ready().camera == 'front'
timeout, cameras, polite, queue, seed, reliability = p.get(
    'timeout', 'cameras', 'auto.polite', 'queue_size', 'seed', 'qos_overrides./camera/image.subscription.reliability')
assert timeout.double_value == 4.5 and queue.integer_value == 2 and seed.integer_value == 7
assert list(cameras.string_array_value) == ['front', 'wrist'] and list(polite.string_array_value) == ['dear robot']
assert reliability.string_value == 'reliable'

# The wrist sees another size; it is asked by its name.
wide = picture(90, 30)


def shoot():
    message = image(wide)
    p.sent[nanos(message.header.stamp)] = (90, 30)
    wrist.publish(message)


p.node.create_timer(0.05, shoot)
answer = p.ask('the mug', camera='wrist')
assert (answer.camera, answer.image_width) == ('wrist', 90), answer.message
answer = p.ask('the mug', camera='rear')
assert answer.status == FAILED and 'front, wrist' in answer.message
p.check_all()
p.close()
