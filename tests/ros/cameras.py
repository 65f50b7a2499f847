"""Three cameras at 30 Hz, one model, 5 commands a second: every camera gets its share of fresh answers, nothing piles up."""
from diagnostic_msgs.msg import DiagnosticArray
from graph import *

CAMERAS, RATE, COMMANDS, SECONDS = ['left', 'right', 'wrist'], 30, 5, 12
p = Peer(camera=False)
health = []
p.hear(DiagnosticArray, '/diagnostics', health)
shots = {name: p.node.create_publisher(Image, f'/{name}/image', qos_profile_sensor_data) for name in CAMERAS}
p.until(lambda: all(s.get_subscription_count() for s in shots.values()), 'the node to listen to three cameras')
pixels = picture()


def shoot():
    for name, camera in shots.items():
        message = image(pixels)
        message.header.frame_id = f'{name}_optical'
        camera.publish(message)


def ask():
    name = CAMERAS[p.ids % len(CAMERAS)]
    asked[p.send('the mug', camera=name)] = name


asked = {}
p.node.create_timer(1 / RATE, shoot)
p.ready()
timer = p.node.create_timer(1 / COMMANDS, ask)
p.spin(SECONDS)
timer.cancel()
p.until(lambda: all(p.answers_to(i) for i in asked), 'all answers')

answers = {name: [p.answers_to(i)[-1] for i, of in asked.items() if of == name] for name in CAMERAS}
counts = {name: sum(a.status in (FINAL, NO_REFERENT) for a in all_) for name, all_ in answers.items()}
assert len(asked) > 0.8 * COMMANDS * SECONDS, f'the test itself is too slow: {len(asked)} commands'
assert min(counts.values()) > 0.8 * max(counts.values()), f'each gets its share within 20 %: {counts}'
# A machine that is slow refuses some of them, busy; none waits for ever.
refused = [a.message for all_ in answers.values() for a in all_ if a.status not in (FINAL, NO_REFERENT)]
assert sum(counts.values()) > 0.8 * len(asked) and all('busy' in why for why in refused), refused
for name, all_ in answers.items():
    assert all(a.camera == name and a.image_header.frame_id == f'{name}_optical' for a in all_)
    # Newest frame: not older than some periods of the camera, from the first answer to the last.
    ages = sorted(a.age_at_start.sec + a.age_at_start.nanosec * 1e-9 for a in all_ if a.status in (FINAL, NO_REFERENT))
    assert ages[len(ages) // 2] < 0.1 and ages[-1] < 0.5, f'{name}: {ages}'


def inputs():
    statuses = [s for message in health for s in message.status if s.name.endswith(': inputs')]
    return statuses and {v.key: v.value for v in statuses[-1].values}


values = p.until(inputs, 'diagnostics of the inputs')
assert all(any(name in key for key in values) for name in CAMERAS), values
print({name: f'{n} answers' for name, n in counts.items()})
p.close()
