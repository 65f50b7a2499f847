"""JPEG and PNG on image/compressed; broken files are survived."""
import struct
import zlib

from graph import *
from sensor_msgs.msg import CompressedImage


def png(pixels):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    height, width, _ = pixels.shape
    rows = b''.join(b'\0' + row.tobytes() for row in pixels)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def message(data, form='png'):
    compressed = CompressedImage(format=form, data=data)
    compressed.header.frame_id = 'camera_optical'
    compressed.header.stamp = stamp(time.time_ns())
    return compressed


good = png(picture())
p = Peer(image_topic='/image/compressed', image_type=CompressedImage)
assert not p.node.get_subscriptions_info_by_topic('/image'), 'only the transport that is set is listened to'
p.frame = lambda: message(good)
answer = p.ready()
assert (answer.image_width, answer.image_height) == (64, 48)
p.frame = lambda: message(good, 'rgb8; png compressed bgr8')
assert p.ask('the mug').status in (FINAL, NO_REFERENT)

p.set(timeout=1.5)
for data in (good[:200], b'', b'GIF89a' + bytes(50), b'\xff\xd8\xff' + bytes(300)):
    p.frame = lambda: message(data, 'jpeg')
    p.spin(0.7)
    assert p.ask('the mug').status == FAILED, data[:8]
p.frame = lambda: message(good)
p.set(timeout=10.0)
assert p.ask('the mug').status in (FINAL, NO_REFERENT)
p.check_all()
p.close()
