"""Every kind of bad input, 1 to 63, has a test in this folder with its number in the name."""

import re
from pathlib import Path

HERE = Path(__file__)
NUMBER = re.compile(r"fault_(\d+)(?:_and_(\d+))?_")
# In a parametrised test, the table of cases gives its keys as f"fault_{name}".
KEY = re.compile(r'"(\d\d)_[a-z]')


def numbers_in(text):
    found = {int(number) for pair in NUMBER.findall(text) for number in pair if number}
    if 'f"fault_{name}"' in text:
        found |= {int(number) for number in KEY.findall(text)}
    return found


def test_numbers_are_found_in_names_and_in_tables():
    assert numbers_in("def test_fault_07_an_unclosed_quote():\ndef test_fault_11_and_14_x():") == {
        7,
        11,
        14,
    }
    assert numbers_in('X = {"48_nan": 1}') == set()
    assert numbers_in('X = {"48_nan": 1}; ids=[f"fault_{name}" for name in X]') == {48}


def test_no_number_from_1_to_63_is_without_a_test():
    found = set()
    for path in HERE.parent.glob("test_*.py"):
        if path != HERE:
            found |= numbers_in(path.read_text(encoding="utf-8"))
    assert set(range(1, 64)) - found == set()
