"""No frame, old frames, a full queue, cancel: every command is closed, in time. The node has timeout 2 s, queue_size 3."""
from graph import *

p = Peer(camera=False)


def loaded():
    answer = p.ask('the mug')
    return not answer.message.startswith('the node is') and answer


# Without any frame: FAILED at the timeout.
answer = p.until(loaded, 'the model to be loaded')
assert answer.status == FAILED and 'none ever came' in answer.message, answer.message
assert nanos(answer.header.stamp) == 0

# The queue holds three; a fourth is busy at once, while the others still wait.
began = time.monotonic()
ids = [p.send(f'command {n}') for n in range(4)]
busy = p.answer(ids[3])
assert busy.status == FAILED and busy.message.startswith('busy'), busy.message
assert not any(p.answers_to(i) for i in ids[:3])
for i in ids[:3]:
    assert p.answer(i).status == FAILED
assert 1.9 < time.monotonic() - began < 10, 'the timeout counts from reception'

# Cancel ends everything and says how much that was; with nothing to end it succeeds all the same.
ids = [p.send(f'command {n}') for n in range(2)]
p.spin(0.3)
result = p.cancel()
assert result.success and result.message == '2 commands canceled', result
assert [p.answer(i).status for i in ids] == [CANCELED, CANCELED]
result = p.cancel()
assert result.success and result.message == 'nothing to cancel', result

# Frames come, but their stamps are of another time.
p.frame = lambda: image(picture(), at=stamp(time.time_ns() - 100 * 10**9))
p.node.create_timer(0.05, p.shoot)
answer = p.ask('the mug')
assert answer.status == FAILED and 's old' in answer.message and 'use_sim_time' in answer.message, answer.message

# Fresh frames: answered.
p.frame = lambda: image(picture())
answer = p.ask('the mug')
assert answer.status in (FINAL, NO_REFERENT), answer.message

# Time ends in the middle of an answer: what was said so far comes with FAILED.
p.set(max_new_tokens=4096, timeout=0.4)
answer = p.ask('what is on the table?', mode=GroundingCommand.MODE_CHAT)
assert answer.status == FAILED and 'timeout' in answer.message, (answer.status, answer.message, answer.text[:80])
assert answer.text and nanos(answer.header.stamp) in p.sent

# Cancel in the middle of an answer.
p.set(timeout=100.0)
p.texts.clear()
running = p.send('what is on the table?', mode=GroundingCommand.MODE_CHAT)
waiting = p.send('the mug')
p.until(lambda: p.texts, 'the answer to begin')
assert p.cancel().success
assert p.answer(running, 5).status == p.answer(waiting, 5).status == CANCELED

p.check_all()
p.close()
