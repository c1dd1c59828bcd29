"""Which vowel a Russian vowel is where the stress lies elsewhere.

espeak-ng knows the stress and writes many unstressed vowels as if they had it. The rules below are
what the dictionary of a phonetician does, whose labels `festvox` reads.
"""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

import re

LETTERS = {"ʑ": "z", "ɑ": "a", "y": "ɨ", 'u"': "u"}
"""How espeak-ng writes Russian, in letters that mean the same elsewhere: a soft z, which is no
Polish one, a central a, unrounded ы, and ю between soft ones, whose quote would be a pause."""
_STRESS = "ˈˌ"
_VOWELS = "aɑæɐʌɛeoœəɪiɨu"
_WORD = re.compile(rf"[^\s,.?!]*[{_VOWELS}][^\s,.?!]*")
_WEAK = {"i": "ɪ", "u": "ʊ"}


def reduced(ipa: str) -> str:
    """Weaken the unstressed vowels of words in espeak-ng's letters, stress marks in place."""
    return _WORD.sub(lambda word: _reduced_word(word[0]), ipa)


def _reduced_word(word: str) -> str:
    vowels = [i for i, letter in enumerate(word) if letter in _VOWELS]
    stressed = [i for i in vowels if word[:i].removesuffix("j").endswith(tuple(_STRESS))]
    letters = list(word)
    for place, i in enumerate(vowels):
        if i in stressed:
            continue
        before_stress = vowels[place + 1 : place + 2] == stressed[:1]
        ends = i == len(word) - 1
        if word[i] in "aʌ":
            # Open where the word begins or ends and right before the stress, else a schwa.
            letters[i] = "ʌ" if i == 0 or ends or before_stress else "ə"
        elif word[i] == "ɨ" and stressed and i > stressed[0] and not ends:
            letters[i] = "ə"
        else:
            letters[i] = _WEAK.get(word[i], word[i])
    return "".join(letters)
