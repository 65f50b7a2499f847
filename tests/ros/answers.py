"""Words in, one sound answer out: spoken, by message, in every mode, and when they make no sense."""
from graph import *

p = Peer()
p.ready()

# Spoken words: the node makes an id.
p.command.publish(String(data='please pick up the red mug'))
spoken = p.until(lambda: [a for a in p.answers if a.command == 'please pick up the red mug'], 'the spoken command')[0]
assert spoken.command_id and spoken.status in (FINAL, NO_REFERENT), spoken
assert spoken.mode == GroundingCommand.MODE_REFER
assert spoken.camera == 'default' and spoken.device == 'cpu' and spoken.model
assert list(spoken.stage_names) and len(spoken.stage_names) == len(spoken.stage_ms)
assert 0 <= nanos(spoken.age_at_start) <= nanos(spoken.age_at_publish) < 20 * 10**9

# Each mode; AUTO says what it became.
for mode in (GroundingCommand.MODE_REFER, GroundingCommand.MODE_CHAT, GroundingCommand.MODE_DESCRIBE):
    answer = p.ask('the green bowl', mode=mode)
    assert (answer.mode, answer.status in (FINAL, NO_REFERENT)) == (mode, True), answer
assert p.ask('what is on the table?').mode == GroundingCommand.MODE_CHAT
assert p.ask('describe the table').mode == GroundingCommand.MODE_DESCRIBE

# The text grows: empty, then each one begins with the one before, and the last is the answer's.
p.spin(0.3)  # what was said before has come
p.texts.clear()
p.ask('the mug', mode=GroundingCommand.MODE_REFER)
p.spin(0.2)
assert not p.texts, 'only CHAT and DESCRIBE speak while they are answered'
answer = p.ask('what is on the table?', mode=GroundingCommand.MODE_CHAT)
p.until(lambda: p.texts and p.texts[-1].data == answer.text, f'the whole text {answer.text!r}')
texts = [t.data for t in p.texts]
assert texts[0] == '' and len(texts) > 2 and len(texts) == len(set(texts)), texts

# What cannot be served is answered FAILED with the reason.
for fields, reason in [
    (dict(text=''), 'empty'),
    (dict(text='   '), 'empty'),
    (dict(text='a' * 100_000), '100000'),
    (dict(text='the mug', mode=9), '9'),
    (dict(text='the mug', camera='rear'), 'known: default'),
    (dict(text='the mug', follow=True), 'follow needs continuous'),
]:
    answer = p.ask(**fields)
    assert answer.status == FAILED and reason in answer.message, (reason, answer.status, answer.message)

# A dialogue goes on until the context is full; then its oldest turns are left out, and it says so.
def turn():
    answer = p.ask('what is on the table?', mode=GroundingCommand.MODE_CHAT, dialogue_id='d')
    assert answer.status == FINAL, answer.message
    return 'turns were left out' in answer.message


turns = 0
while not turn():
    turns += 1
    assert turns < 200, 'the context is never full'
assert turns > 1, 'the first turns fit'
alone = p.ask('what is on the table?', mode=GroundingCommand.MODE_CHAT)
assert 'left out' not in alone.message, 'a command without an id stands alone'

# Text that is no UTF-8, as bytes that no client library would send.
before = len(p.answers)
p.command.publish(bytes([0, 1, 0, 0, 5, 0, 0, 0]) + b'm\xff\xfeg\0')
bad = p.until(lambda: p.answers[before:], 'the answer to invalid UTF-8')[0]
assert bad.status == FAILED and 'utf' in bad.message.lower(), bad.message

# A continuous command: one answer per frame, closed by the next command.
following = p.send('the mug', continuous=True)
p.until(lambda: len(p.answers_to(following)) >= 3, 'three answers to a continuous command')
p.answer(p.send('the bowl'))
p.until(lambda: p.answers_to(following)[-1].status == CANCELED, 'the continuous command to be closed')
stamps = [nanos(a.image_header.stamp) for a in p.answers_to(following)[:-1]]
assert len(stamps) == len(set(stamps)), 'a frame was used twice'

# Followed: one full answer, then looks on new frames without the language model.
following = p.send('the mug', continuous=True, follow=True)
p.until(lambda: len(p.answers_to(following)) >= 3, 'three answers to a command that follows')
first = p.answers_to(following)[0]
if first.status == FINAL:
    found = p.answers_to(following)[1]
    assert found.status == GroundingAnswer.STATUS_FOLLOWED and 'generate' not in found.stage_names, found.stage_names
    assert all(o.tracked for o in found.objects + first.objects), 'objects have their numbers'
assert p.cancel().success
p.until(lambda: p.answers_to(following)[-1].status == CANCELED, 'the following to be closed')

p.check_all()

# Two commands with one id are two commands.
p.send('the mug', id='twin')
p.send('the bowl', id='twin')
p.until(lambda: len(p.answers_to('twin')) == 2, 'two answers to two commands of one id')
p.spin(0.3)
assert [a.command for a in p.answers_to('twin')] == ['the mug', 'the bowl']
p.close()
