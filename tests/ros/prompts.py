"""Pointing: clicks and boxes on the newest frame and on one that is named; prompts that do not fit are refused."""
from graph import *

CHAT = GroundingCommand.MODE_CHAT
p = Peer()
p.ready()


def pointed(answer, count):
    assert answer.status == FINAL, (answer.status, answer.message)
    objects = [o for o in answer.objects if o.source == o.SOURCE_PROMPT]
    assert len(objects) == count, [o.phrase for o in answer.objects]
    assert all((o.phrase, o.phrase_begin, o.phrase_end) == ('<obj>', 0, 0) for o in objects)
    return answer


pointed(p.ask('what is <obj>?', mode=CHAT, visual_prompts=[prompt_click(20, 30)]), 1)
pointed(p.ask('what is <obj>?', mode=CHAT, visual_prompts=[prompt_box(10, 5, 30, 20)]), 1)
pointed(p.ask('hand me this', visual_prompts=[prompt_click(20, 30)]), 1)
pointed(p.ask('is <obj> on <obj>?', visual_prompts=[prompt_click(20, 30), prompt_box(1, 1, 8, 8)]), 2)

# Drawn in a picture of another size than the camera's.
pointed(p.ask('what is <obj>?', visual_prompts=[prompt_click(100, 90)], image_width=128, image_height=96), 1)

# A frame that is named, by its stamp: kept, gone, still to come.
named = next(reversed(p.sent))
header = image(picture(), at=stamp(named)).header
p.spin(0.1)
answer = pointed(p.ask('what is <obj>?', mode=CHAT, visual_prompts=[prompt_click(5, 5)], image_header=header), 1)
assert nanos(answer.image_header.stamp) == named
oldest = next(iter(p.sent))
p.until(lambda: len(p.sent) > 20, 'the first frame to leave the history')
answer = p.ask('this', visual_prompts=[prompt_click(5, 5)], image_header=image(picture(), at=stamp(oldest)).header)
assert answer.status == FAILED and 'kept are' in answer.message, answer.message

for prompts, text, reason in [
    ([VisualPrompt()], 'what is <obj>?', 'kind'),
    ([VisualPrompt(kind=77)], 'what is <obj>?', '77'),
    ([prompt_click(1000, 5)], 'what is <obj>?', '1000'),
    ([prompt_click(-3, 5)], 'what is <obj>?', '-3'),
    ([prompt_click(float('nan'), 5)], 'what is <obj>?', 'NaN'),
    ([prompt_box(60, 5, 30, 20)], 'what is <obj>?', '64'),
    ([prompt_box(5, 5, 0, 20)], 'what is <obj>?', ''),
    ([VisualPrompt(kind=VisualPrompt.KIND_CLICK)], 'what is <obj>?', 'point'),
    ([prompt_click(5, 5)], 'is <obj> left of <obj>?', '2'),
    ([], 'what is <obj>?', '1'),
]:
    answer = p.ask(text, visual_prompts=prompts)
    assert answer.status == FAILED and reason in answer.message, (reason, answer.status, answer.message)

p.check_all()
p.close()
