"""Poses: depth, camera_info and TF come with the pictures, or not. The node has target_frame base, compressed depth off."""
from geometry_msgs.msg import TransformStamped
from graph import *
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

WIDTH, HEIGHT, FOCAL = 64, 48, 60.0
p = Peer()
depth = p.node.create_publisher(Image, '/depth', qos_profile_sensor_data)
info = p.node.create_publisher(CameraInfo, '/camera_info', qos_profile_sensor_data)
moving = p.node.create_publisher(TFMessage, '/tf', 100)
still = p.node.create_publisher(TFMessage, '/tf_static', QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL))
sent = {'depth': True, 'info': True, 'tf': True}
clouds, markers = [], []


def transform(parent, child, at, z=0.0):
    message = TransformStamped()
    message.header.stamp, message.header.frame_id, message.child_frame_id = at, parent, child
    message.transform.translation.z = z
    message.transform.rotation.x, message.transform.rotation.w = 1.0, 0.0  # looks down
    return message


def shot():
    """A picture with all that goes with it."""
    picture_of = image(picture(WIDTH, HEIGHT))
    at = picture_of.header.stamp
    if sent['tf']:
        moving.publish(TFMessage(transforms=[transform('base', 'camera_link', at, 2.0)]))
    if sent['info']:
        lens = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model='plumb_bob', d=[0.0] * 5)
        lens.k = [FOCAL, 0.0, WIDTH / 2, 0.0, FOCAL, HEIGHT / 2, 0.0, 0.0, 1.0]
        lens.header = picture_of.header
        info.publish(lens)
    if sent['depth']:
        depth.publish(image(np.full((HEIGHT, WIDTH), 1500, np.uint16), '16UC1', at))
    return picture_of


p.frame = shot
identity = transform('camera_link', 'camera_optical', stamp(1))
identity.transform.rotation.x, identity.transform.rotation.w = 0.0, 1.0
still.publish(TFMessage(transforms=[identity]))
p.hear(PointCloud2, '/grounding/cloud', clouds)
p.hear(MarkerArray, '/grounding/markers', markers)
p.until(lambda: depth.get_subscription_count() and info.get_subscription_count() and moving.get_subscription_count()
        and still.get_subscription_count(), 'the node to listen to depth, camera_info and TF')
p.ready()


def pointed(wanted):
    """Asks until the object under a box has the pose status that is wanted."""
    def asked():
        answer = p.ask('what is <obj>?', visual_prompts=[prompt_box(20, 12, 24, 24)])
        found = [o for o in answer.objects if o.source == o.SOURCE_PROMPT and o.mask_roi.width >= 8 and o.mask_roi.height >= 8]
        return found and found[-1].pose_status == wanted and (answer, found[-1])
    return p.until(asked, f'an object of pose status {wanted}')


answer, found = pointed(1)
assert answer.header.frame_id == 'base' and answer.image_header.frame_id == 'camera_optical'
assert answer.camera_info.width == WIDTH and answer.camera_transform.child_frame_id == 'camera_optical'
assert abs(answer.camera_transform.transform.translation.z - 2.0) < 1e-9
# A plane 1.5 m below a camera 2 m above the base, which looks down.
assert abs(found.pose.pose.position.z - 0.5) < 0.01, found.pose.pose
assert 0.05 < found.size.x < 1.7 and found.size.x >= found.size.y and found.size.z < 0.02, found.size
covariance = np.array(found.pose.covariance).reshape(6, 6)
assert np.allclose(covariance, covariance.T) and np.linalg.eigvalsh(covariance).min() > 0

def views():
    clouds.clear(), markers.clear()
    pointed(1)
    p.spin(0.3)
    return clouds and markers


p.until(views, 'cloud and markers of an answer')
cloud = clouds[-1]
assert [f.name for f in cloud.fields] == ['x', 'y', 'z', 'rgb', 'label'] and cloud.header.frame_id == 'base'
points = np.frombuffer(bytes(cloud.data), np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4'), ('label', '<u4')]))
assert len(points) == WIDTH * HEIGHT and np.allclose(points['z'], 0.5, atol=1e-3) and points['label'].max() >= 1
kinds = {(m.ns, m.type) for m in markers[-1].markers[1:]}
assert markers[-1].markers[0].action == Marker.DELETEALL and ('boxes', Marker.CUBE) in kinds and ('words', Marker.TEXT_VIEW_FACING) in kinds

sent['tf'] = False
pointed(8)
sent.update(tf=True, depth=False)
pointed(2)
sent.update(depth=True, info=False)
pointed(5)
p.close()
