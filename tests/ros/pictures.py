"""The annotated picture and the mask, for whoever listens."""
from graph import *
from sensor_msgs.msg import CompressedImage

p = Peer()
p.ready()
annotated, compressed, masks = [], [], []
subscriptions = [p.hear(Image, '/grounding/image_annotated', annotated), p.hear(Image, '/grounding/mask', masks),
                 p.hear(CompressedImage, '/grounding/image_annotated/compressed', compressed)]
p.until(lambda: all(p.node.count_publishers(s.topic_name) for s in subscriptions), 'the publishers of the pictures')


def pictures():
    """Asks until all three came of one answer: what is said before discovery is gone."""
    for pile in (annotated, compressed, masks):
        pile.clear()
    answer = p.ask('what is <obj>?', visual_prompts=[prompt_box(10, 10, 20, 20)])
    p.spin(0.3)
    return annotated and compressed and masks and answer


answer = p.until(pictures, 'pictures of an answer')
at = nanos(answer.header.stamp)
for message in (annotated[-1], compressed[-1], masks[-1]):
    assert nanos(message.header.stamp) == at and message.header.frame_id == 'camera_optical'
drawn, mask = annotated[-1], masks[-1]
assert drawn.encoding == 'rgb8' and drawn.width >= 64 and drawn.height >= 48
assert len(drawn.data) == drawn.step * drawn.height
assert (mask.encoding, mask.width, mask.height, mask.step) == ('mono8', 64, 48, 64)
assert bytes(compressed[-1].data[:3]) == b'\xff\xd8\xff' and 'jpeg' in compressed[-1].format

# Value = index + 1 of an object that covers the pixel; 0 elsewhere.
covered = np.zeros((48, 64, len(answer.objects) + 1), bool)
for index, found in enumerate(answer.objects):
    roi = found.mask_roi
    pixels = np.frombuffer(bytes(found.mask.data), np.uint8).reshape(roi.height, roi.width)
    covered[roi.y_offset:roi.y_offset + roi.height, roi.x_offset:roi.x_offset + roi.width, index + 1] = pixels == 255
labels = np.frombuffer(bytes(mask.data), np.uint8).reshape(48, 64)
covered[:, :, 0] = ~covered[:, :, 1:].any(axis=-1)
assert np.take_along_axis(covered, labels[:, :, None].astype(int), axis=2).all()
p.check_all()
p.close()
