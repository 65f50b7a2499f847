"""Small SentencePiece BPE models and what the library itself makes of odd texts. Needs sentencepiece==0.2.1.

    python make.py        # writes cases.json beside this file; the models are in it, as hex
"""
import io
import json
import pathlib
import random

import sentencepiece

random.seed(5)
WORDS = (
    "the dog and a cup on table red mug pick up blue horse man street sits walks large small three two four with under "
    "behind object % doing why what where café naïve 你好 世界 привет мир 123 4567 3.14 don't it's"
).split()
PIECES = ["a", "aa", "the", "  ", " ", "dog", "<0x41>", "<s>", "<unk>", "</s>"]
LETTERS = "abcdefgh tuorsdmgp%▁<>.,!?0123 \n\t你好éпривет😀\u0000"
KINDS = [
    dict(vocab_size=540, byte_fallback=True, split_digits=True),
    dict(vocab_size=430, byte_fallback=True, user_defined_symbols=["<obj>", "up", "▁red"]),
    dict(vocab_size=180, byte_fallback=False, character_coverage=0.98),
    dict(vocab_size=430, byte_fallback=True, add_dummy_prefix=False, split_by_unicode_script=False),
]


def words(count):
    return " ".join(random.choice(WORDS) for _ in range(count))


def text():
    kind = random.random()
    if kind < 0.4:
        return "".join(random.choice(LETTERS) for _ in range(random.randint(0, 40)))
    if kind < 0.7:
        return words(random.randint(1, 20))
    if kind < 0.85:
        return "".join(random.choice(PIECES) for _ in range(random.randint(1, 20)))
    return random.choice("a e1你 ") * random.randint(1, 50)


def main():
    corpus = [words(random.randint(3, 15)) for _ in range(3000)]
    out = []
    for kind in KINDS:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", normalization_rule_name="identity",
            remove_extra_whitespaces=False, num_threads=1, minloglevel=2, **kind,
        )
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        texts = [text() for _ in range(100)]
        cases = [[t, processor.encode(t, out_type=int)] for t in texts]
        out.append({"model": model.getvalue().hex(), "cases": cases})
    here = pathlib.Path(__file__).parent
    (here / "cases.json").write_text(json.dumps(out))


main()
