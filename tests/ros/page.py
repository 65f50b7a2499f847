"""The node's page in a headless Chromium: live picture, words, click, box and scribble, the answer in colour on the picture.
The node has a web.port, which is in PAGE_PORT."""
import os
import shutil

from graph import *
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PORT = os.environ['PAGE_PORT']
p = Peer()
p.frame = lambda: image(picture(320, 240))
p.ready()

options = webdriver.ChromeOptions()
options.binary_location = next(b for b in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if b)
for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--window-size=1000,1000', '--disable-gpu'):
    options.add_argument(argument)
options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which('chromedriver')))
browser.set_script_timeout(PATIENCE)


def script(code, *arguments):
    return browser.execute_script(f'return {code}', *arguments)


def text(name):
    return browser.find_element(By.ID, name).text


def painted(canvas):
    """How many pixels of a canvas are not transparent."""
    return script('[...document.getElementById(arguments[0]).getContext("2d").getImageData(0, 0, 320, 240).data]'
                  '.filter((v, i) => i % 4 == 3 && v).length', canvas)


def ask(words):
    field = browser.find_element(By.ID, 'words')
    field.clear()
    field.send_keys(words, Keys.ENTER)
    done = p.until(lambda: script('document.getElementById("answer").dataset.done'), f'the answer to {words!r} on the page')
    return int(done)


def point(tool, *places):
    """Draws over places of the picture, in pixels of the picture."""
    browser.find_element(By.ID, 'clear').click()
    p.until(lambda: text('state') == 'live', 'the live picture')
    browser.find_element(By.CSS_SELECTOR, f'input[value={tool}]').click()
    canvas = browser.find_element(By.ID, 'marks')
    scale = canvas.size['width'] / 320
    spots = [(int((x - 160) * scale), int((y - 120) * scale)) for x, y in places]
    hand = ActionChains(browser).move_to_element_with_offset(canvas, *spots[0]).click_and_hold()
    for spot in spots[1:]:
        hand.move_to_element_with_offset(canvas, *spot)
    hand.release().perform()
    p.until(lambda: painted('marks'), f'the {tool} on the picture')
    assert text('state') == 'held', 'the picture stays while somebody points'


try:
    browser.get(f'http://127.0.0.1:{PORT}/')
    p.until(lambda: text('state') == 'live', 'the live picture')
    assert p.until(lambda: painted('picture'), 'pixels') == 320 * 240
    assert script('document.getElementById("picture").width') == 320

    assert ask('describe the scene') == FINAL
    assert text('answer'), 'words'
    heard = p.until(lambda: [a for a in p.answers if a.command == 'describe the scene'], 'the same answer on the graph')[-1]
    assert text('answer').split() == heard.text.split(), (text('answer'), heard.text)

    for tool, places in (('click', [(100, 80)]), ('box', [(60, 50), (160, 150)]), ('scribble', [(80, 60), (110, 90), (120, 60)])):
        point(tool, *places)
        count = len(p.answers)
        status = ask('what is <obj>?')
        answer = p.until(lambda: p.answers[count:], 'the same answer on the graph')[-1]
        assert status == FINAL and answer.status == FINAL, (tool, status, text('note'))
        under = [o for o in answer.objects if o.source == o.SOURCE_PROMPT]
        assert len(under) == 1, f'{tool}: {len(under)} objects under it'
        assert nanos(answer.image_header.stamp) in p.sent, 'on the picture that was shown'
        # More than the stroke is drawn: the region.
        area = int(np.count_nonzero(np.frombuffer(bytes(under[0].mask.data), np.uint8)))
        assert painted('marks') >= area, (tool, painted('marks'), area)
        named = [o for o in answer.objects if o.phrase_end > o.phrase_begin]
        coloured = script('[...document.querySelectorAll("#answer b")].map(b => b.textContent)')
        assert sorted(coloured) == sorted({o.phrase_begin: o.phrase for o in named}.values()), (coloured, answer.text)

    browser.find_element(By.ID, 'clear').click()
    assert text('answer') == '' and painted('marks') == 0
    ask('the 中文 mug')
    errors = [e for e in browser.get_log('browser') if e['level'] == 'SEVERE' and 'favicon' not in e['message']]
    assert not errors, errors
    print('the page works in', browser.capabilities['browserName'], browser.capabilities['browserVersion'])
finally:
    browser.quit()
p.close()
