"""Every kind of picture that sensor_msgs/Image carries, and those that are broken: the node lives on and says why."""
from diagnostic_msgs.msg import DiagnosticArray
from graph import *

p = Peer()
p.ready()
rgb = picture()
grey = rgb[:, :, 1].copy()
yuv = np.dstack([grey, np.full_like(grey, 128)]).reshape(48, 128)


def padded(pixels):
    """Rows with eight bytes behind each."""
    message = image(pixels)
    rows = pixels.reshape(pixels.shape[0], -1)
    message.step = rows.shape[1] + 8
    message.data = np.pad(rows, ((0, 0), (0, 8))).tobytes()
    return message


def grey16():
    message = image(grey.astype(np.uint16) * 256, 'mono16')
    return message


def two_bytes(pixels, encoding):
    message = image(pixels, encoding)
    message.width, message.step = 64, 128
    return message


good = {
    'rgb8': lambda: image(rgb),
    'rgb8 with padding': lambda: padded(rgb),
    'bgr8': lambda: image(rgb[:, :, ::-1].copy(), 'bgr8'),
    'rgba8': lambda: image(np.dstack([rgb, grey]), 'rgba8'),
    'bgra8': lambda: image(np.dstack([rgb[:, :, ::-1], grey]), 'bgra8'),
    'mono8': lambda: image(grey, 'mono8'),
    'mono16': grey16,
    'bayer_rggb8': lambda: image(grey, 'bayer_rggb8'),
    'bayer_bggr8': lambda: image(grey, 'bayer_bggr8'),
    'bayer_gbrg8': lambda: image(grey, 'bayer_gbrg8'),
    'bayer_grbg8': lambda: image(grey, 'bayer_grbg8'),
    'yuv422_yuy2': lambda: two_bytes(yuv, 'yuv422_yuy2'),
    '1x1': lambda: image(rgb[:1, :1].copy()),
    'portrait': lambda: image(picture(31, 77)),
}


def fresh(make):
    """From now on only pictures of `make`; those before are forgotten by their stamps."""
    p.frame = make
    p.sent.clear()
    p.spin(0.2)


for name, make in good.items():
    fresh(make)
    answer = p.ask('the mug')
    assert answer.status in (FINAL, NO_REFERENT), (name, answer.message)
    assert nanos(answer.image_header.stamp) in p.sent, name
    p.check(answer)


def broken(**fields):
    message = image(rgb)
    for field, value in fields.items():
        setattr(message, field, value)
    return message


bad = {
    'wrong step': (lambda: broken(step=100), 'step'),
    'huge step': (lambda: broken(step=2**32 - 1), 'step'),
    'unknown encoding': (lambda: broken(encoding='rgb9'), 'rgb9'),
    'depth as colour': (lambda: broken(encoding='32FC7'), '32FC7'),
    'no width': (lambda: broken(width=0, step=0), '0'),
    'no height': (lambda: broken(height=0), '0'),
    'truncated': (lambda: broken(data=rgb.tobytes()[:-5]), 'bytes'),
    'no data': (lambda: broken(data=b''), 'bytes'),
    'absurd size': (lambda: broken(width=2**31, height=2**31, step=2**31), str(2**31)),
}
health = []
p.hear(DiagnosticArray, '/diagnostics', health)
p.set(timeout=1.0)
for name, (make, reason) in bad.items():
    fresh(make)
    p.spin(0.5)  # older than max_frame_age: nothing is left to answer with
    answer = p.ask('the mug')
    assert answer.status == FAILED, (name, answer.message)
    health.clear()
    said = p.until(lambda: health and [s for s in health[-1].status if s.name.endswith(': inputs')][0].message, 'diagnostics')
    assert 'unreadable' in said and reason in said, (name, said)

# Bytes that are no image at all.
p.frame = lambda: None
for raw in (b'', b'\0', b'\0\1\0\0', b'\0\1\0\0' + b'\xff' * 40):
    p.camera.publish(raw) if raw else None
fresh(good['rgb8'])
p.set(timeout=10.0)
assert p.ask('the mug').status in (FINAL, NO_REFERENT)
p.close()
