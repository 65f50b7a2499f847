"""The service and the action: one answer each, the same as on ~/answer; pictures that come along; cancel and preempt."""
from action_msgs.msg import GoalStatus
from graph import *
from llava_grounding.action import Ground
from llava_grounding.srv import GroundImage
from rclpy.action import ActionClient
from builtin_interfaces.msg import Duration

p = Peer()
p.ready()
SUCCEEDED, ABORTED, GOAL_CANCELED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED


def call(**fields):
    return p.call(GroundImage, 'ground_image', GroundImage.Request(**fields))


def command(text, **fields):
    return GroundingCommand(text=text, **fields)


# --- service
response = call(command=command('the mug', id='served'))
assert response.success == (response.answer.status not in (FAILED, CANCELED)), response.message
assert nanos(response.answer.header.stamp) in p.sent and response.answer.command_id == 'served'
heard = p.answer('served')
assert (heard.status, heard.text, heard.header) == (response.answer.status, response.answer.text, response.answer.header)

mine = image(picture(80, 60), at=stamp(12345))
response = call(command=command('the mug'), image=mine)
assert (response.answer.image_width, response.answer.image_height) == (80, 60) and response.success
assert nanos(response.answer.image_header.stamp) == 12345

bad = image(picture())
bad.encoding = 'yuv9'
response = call(command=command('the mug'), image=bad)
assert not response.success and "image: image encoding" in response.message and 'yuv9' in response.message, response.message
response = call(command=command(''))
assert not response.success and 'empty' in response.message, response.message
response = call(command=command('the mug', camera='rear'))
assert not response.success and 'rear' in response.message, response.message
long = command('what is on the table?', mode=GroundingCommand.MODE_CHAT)
response = call(command=long, timeout=Duration(nanosec=1000))
assert not response.success and 'timeout' in response.message, response.message

# --- action
client = ActionClient(p.node, Ground, '/grounding/ground')
p.until(client.server_is_ready, 'the action server')
feedback = []


def goal(text, **fields):
    sent = client.send_goal_async(Ground.Goal(command=command(text, **fields)), lambda m: feedback.append(m.feedback))
    p.until(sent.done, 'the goal to be taken up')
    return sent.result()


def result(handle):
    future = handle.get_result_async()
    p.until(future.done, 'the result of the goal')
    return future.result().status, future.result().result.answer


handle = goal('the mug', id='a-goal')
assert handle.accepted
status, answer = result(handle)
assert status == SUCCEEDED and answer.status in (FINAL, NO_REFERENT) and answer.command_id == 'a-goal'
assert p.answer('a-goal').text == answer.text

assert not goal('').accepted, 'nothing is asked'
status, answer = result(goal('the mug', camera='rear'))
assert status == ABORTED and answer.status == FAILED and 'rear' in answer.message

# It talks on and on: feedback grows, cancel ends it.
p.set(max_new_tokens=4096, timeout=100.0)
feedback.clear()
handle = goal('what is on the table?', mode=GroundingCommand.MODE_CHAT)
p.until(lambda: len(feedback) > 2, 'feedback')
assert all(b.text_so_far.startswith(a.text_so_far[:5]) for a, b in zip(feedback, feedback[1:]))
assert feedback[-1].provisional.status == GroundingAnswer.STATUS_PROVISIONAL
assert nanos(feedback[-1].provisional.header.stamp) in p.sent
ended = handle.cancel_goal_async()
p.until(ended.done, 'the cancel to be taken up')
assert len(ended.result().goals_canceling) == 1
status, answer = result(handle)
assert status == GOAL_CANCELED and answer.status == CANCELED, (status, answer.message)

# A second goal waits; with preempt it takes over, and the first is aborted, for its client did not end it.
first = goal('what is on the table?', mode=GroundingCommand.MODE_CHAT)
second = goal('what is there?', mode=GroundingCommand.MODE_CHAT)
p.spin(0.3)
assert p.cancel().message == '2 commands canceled'
assert [result(h)[0] for h in (first, second)] == [ABORTED, ABORTED]
p.set(preempt=True)
first = goal('what is on the table?', mode=GroundingCommand.MODE_CHAT)
feedback.clear()
p.until(lambda: feedback, 'the first goal to run')
second = goal('what is there?', mode=GroundingCommand.MODE_CHAT)
status, answer = result(first)
assert status == ABORTED and answer.status == CANCELED and 'replaced' in answer.message, answer.message
p.set(max_new_tokens=4)
assert p.cancel().success
result(second)

# A cancel of everything by the service aborts a goal.
p.set(max_new_tokens=4096)
feedback.clear()
handle = goal('what is on the table?', mode=GroundingCommand.MODE_CHAT)
p.until(lambda: feedback, 'the goal to run')
assert p.cancel().success
status, answer = result(handle)
assert status == ABORTED and answer.status == CANCELED
p.close()
