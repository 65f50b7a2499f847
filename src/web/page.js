'use strict';
// The live picture, what is drawn on it, and the answer as it grows. Everything comes from this server.
const COLOURS = [[240, 160, 20], [86, 180, 233], [44, 190, 140], [232, 140, 196], [240, 228, 66], [240, 104, 56], [150, 150, 255]];
const at = id => document.getElementById(id);
const [picture, marks, words, answer, note, state] = ['picture', 'marks', 'words', 'answer', 'note', 'state'].map(at);
const dialogue = 'web-' + Math.random().toString(36).slice(2);
let shown = null;      // stamp of the picture on the screen
let held = false;      // it stays: somebody points, or the answer is about it
let drawn = [];        // what was pointed at
let stroke = null;     // what is being drawn
let found = [];        // objects of the answer

async function live() {
  try {
    const response = held ? null : await fetch('/frame');
    if (response && response.status === 200) {
      const image = await createImageBitmap(await response.blob());
      if (!held) {
        for (const canvas of [picture, marks]) {
          if (canvas.width !== image.width || canvas.height !== image.height) {
            [canvas.width, canvas.height] = [image.width, image.height];
          }
        }
        picture.getContext('2d').drawImage(image, 0, 0);
        shown = response.headers.get('X-Stamp').split(' ').map(Number);
        state.textContent = 'live';
      }
    } else if (response) {
      state.textContent = 'waiting for a picture';
    }
  } catch (error) {
    state.textContent = 'the node does not answer';
  }
  setTimeout(live, 150);
}

function hold() {
  held = true;
  state.textContent = 'held';
}

function place(event) {
  const box = marks.getBoundingClientRect();
  return [(event.clientX - box.left) * marks.width / box.width, (event.clientY - box.top) * marks.height / box.height];
}

const tool = () => document.querySelector('input[name=tool]:checked').value;

marks.addEventListener('pointerdown', event => {
  if (!shown) return;
  hold();
  marks.setPointerCapture(event.pointerId);
  stroke = { tool: tool(), points: [place(event)] };
});
marks.addEventListener('pointermove', event => {
  if (stroke) { stroke.points.push(place(event)); draw(); }
});
marks.addEventListener('pointerup', () => {
  if (!stroke) return;
  const [first, last] = [stroke.points[0], stroke.points[stroke.points.length - 1]];
  const inside = (value, size) => Math.max(0, Math.min(size, Math.round(value)));
  if (stroke.tool === 'box') {
    const x = [first[0], last[0]].sort((a, b) => a - b), y = [first[1], last[1]].sort((a, b) => a - b);
    const box = [inside(x[0], marks.width), inside(y[0], marks.height), inside(x[1], marks.width), inside(y[1], marks.height)];
    if (box[2] - box[0] > 1 && box[3] - box[1] > 1) drawn.push({ box });
  } else if (stroke.tool === 'scribble' && stroke.points.length > 2) {
    drawn.push({ scribble: stroke.points });
  } else {
    drawn.push({ click: first });
  }
  stroke = null;
  draw();
  words.focus();
});

function draw() {
  const pen = marks.getContext('2d');
  pen.clearRect(0, 0, marks.width, marks.height);
  found.forEach(object => pen.drawImage(object.cutout, 0, 0));
  pen.lineWidth = Math.max(2, marks.width / 250);
  pen.strokeStyle = pen.fillStyle = '#fff';
  const all = drawn.concat(stroke ? [stroke.tool === 'box' ? { box: corners(stroke.points) } : { scribble: stroke.points }] : []);
  for (const mark of all) {
    pen.beginPath();
    if (mark.click) pen.arc(...mark.click, pen.lineWidth * 2, 0, 7);
    else if (mark.box) pen.rect(mark.box[0], mark.box[1], mark.box[2] - mark.box[0], mark.box[3] - mark.box[1]);
    else mark.scribble.forEach(point => pen.lineTo(...point));
    if (mark.click) pen.fill(); else pen.stroke();
  }
}

const corners = points => [...points[0], ...points[points.length - 1]];

at('clear').addEventListener('click', () => {
  held = false;
  [drawn, found] = [[], []];
  answer.textContent = note.textContent = '';
  delete answer.dataset.done;
  draw();
});

at('form').addEventListener('submit', async event => {
  event.preventDefault();
  if (!words.value.trim() && !drawn.length) return;
  hold();
  found = [];
  answer.textContent = note.textContent = '';
  delete answer.dataset.done;
  draw();
  at('send').disabled = true;
  try {
    const body = JSON.stringify({ text: words.value, dialogue_id: dialogue, stamp: shown, prompts: drawn });
    const response = await fetch('/ask', { method: 'POST', body });
    if (response.status !== 200) throw new Error(await response.text());
    await read(response.body.getReader());
  } catch (error) {
    note.textContent = String(error.message || error);
  }
  at('send').disabled = false;
});

// One JSON a line; lines come in pieces.
async function read(reader) {
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const said = JSON.parse(line);
      show(said.growing || said.answer);
      if (said.answer) {
        answer.dataset.done = said.answer.status;
        return reader.cancel();  // nothing comes after it, however long the connection stays
      }
    }
  }
}

const STATUS = ['', '', '', 'followed', 'not there', 'failed', 'canceled'];  // of GroundingAnswer

function show(said) {
  found = said.objects.map(object => ({ ...object, cutout: cutout(object, COLOURS[object.phrase_index % COLOURS.length]) }));
  colour(said);
  const places = said.objects.filter(o => o.pose_status === 1).map(o => {
    const p = o.pose.pose.position;
    return `${o.phrase}: ${[p.x, p.y, p.z].map(v => v.toFixed(2)).join(' ')} m in ${said.header.frame_id}`;
  });
  note.textContent = [STATUS[said.status] || '', said.message, ...places].filter(Boolean).join(' · ');
  draw();
}

// Phrases in the colours of their masks. Spans count UTF-8 bytes.
function colour(said) {
  answer.textContent = '';
  const bytes = new TextEncoder().encode(said.text), text = (a, b) => new TextDecoder().decode(bytes.slice(a, b));
  const spans = [...new Map(said.objects.filter(o => o.phrase_end > o.phrase_begin).map(o => [o.phrase_begin, o])).values()];
  spans.sort((a, b) => a.phrase_begin - b.phrase_begin);
  let end = 0;
  const part = (words, object) => {
    const element = document.createElement(object ? 'b' : 'span');
    element.textContent = words;
    if (object) element.style.color = `rgb(${COLOURS[object.phrase_index % COLOURS.length]})`;
    answer.append(element);
  };
  for (const object of spans) {
    part(text(end, object.phrase_begin));
    part(text(object.phrase_begin, object.phrase_end), object);
    end = object.phrase_end;
  }
  part(text(end, bytes.length));
  if (!said.text) said.objects.slice(0, 1).forEach(object => part(object.phrase, object));
}

// COCO's compressed run lengths, columns first, into a picture of the mask.
function cutout(object, [red, green, blue]) {
  const [height, width] = object.mask.size, canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext('2d'), pixels = pen.createImageData(width, height);
  let index = 0;
  runs(object.mask.counts).forEach((count, i) => {
    for (const end = index + count; index < end; index++) {
      if (i % 2) pixels.data.set([red, green, blue, 140], 4 * ((index % height) * width + Math.floor(index / height)));
    }
  });
  pen.putImageData(pixels, 0, 0);
  const box = object.box;
  pen.strokeStyle = `rgb(${red} ${green} ${blue})`;
  pen.lineWidth = Math.max(1, width / 300);
  pen.strokeRect(box.x_offset, box.y_offset, box.width, box.height);
  return canvas;
}

function runs(text) {
  const counts = [];
  for (let i = 0; i < text.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const code = text.charCodeAt(i++) - 48;
      value |= (code & 31) << shift;
      more = (code & 32) !== 0;
      shift += 5;
      if (!more && (code & 16)) value |= -1 << shift;
    }
    if (counts.length > 2) value += counts[counts.length - 2];
    counts.push(value);
  }
  return counts;
}

live();
