"""A long answer and a command behind it; then the node is told to stop: both are CANCELED."""
from graph import *

p = Peer()
p.ready()
p.texts.clear()
running = p.send('what is on the table?', mode=GroundingCommand.MODE_CHAT)
waiting = p.send('the mug')
p.until(lambda: [t for t in p.texts if t.data], 'the answer to begin')
assert not p.answers_to(running)
print('ANSWERING', flush=True)
for command in (running, waiting):
    answer = p.answer(command)
    assert answer.status == CANCELED, (answer.status, answer.message)
p.close()
