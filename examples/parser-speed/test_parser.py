"""The guard: whatever makes the parser faster must still pass this. `python -m unittest -q` in this folder."""

import json
import random
import unittest

from parser import loads

GOOD = [
    "null", "true", " false ", "0", "-0", "12.5e-3", "-7", "1E5", '""', '"a"', '"\\u00e9\\n\\"\\/\\\\"', '"\\ud83d\\ude00"', '"\\ud83d"',
    "[]", "[ ]", "{}", "[1,2,[3,{}]]", '{"a": {"b": [null, -1.5]}, "a": 2}', '\t{"k" : "v w x y z, a longer one"}\r\n', '"\u00fc\u4e2d"',
]  # fmt: skip
BAD = [
    "", " ", "nul", "tru e", "01", "1.", "-", "+1", ".5", "[1,]", "[1 2]", "[1", "{", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '"a', '"\\x"',
    '"\\u12g4"', '"a\nb"', "1 2", "[]]", "'a'", '"\\',
]  # fmt: skip


def document(source, depth=3):
    kind = source.randrange(4 if depth else 2)
    if kind == 0:
        return source.choice([None, True, False, source.randrange(-1000, 1000), round(source.uniform(-9, 9), 3)])
    if kind == 1:
        return "".join(source.choice('ab"\\\n\u00e9\U0001f600 z') for _ in range(source.randrange(30)))
    if kind == 2:
        return [document(source, depth - 1) for _ in range(source.randrange(6))]
    return {f"k{source.randrange(9)}": document(source, depth - 1) for _ in range(source.randrange(6))}


class Guard(unittest.TestCase):
    def test_good_texts_give_what_json_gives(self):
        for text in GOOD:
            value = loads(text)
            self.assertEqual((value, type(value)), (json.loads(text), type(json.loads(text))), text)

    def test_bad_texts_are_refused(self):
        for text in BAD:
            with self.assertRaises(ValueError, msg=text):
                loads(text)

    def test_random_documents(self):
        source = random.Random(7)
        for _ in range(100):
            value = document(source)
            for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
                self.assertEqual(loads(text), value)


if __name__ == "__main__":
    unittest.main()
