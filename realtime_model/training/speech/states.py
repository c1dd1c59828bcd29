"""The states a sound passes through: its thirds; silence has one."""

from collections.abc import Iterator, Sequence

import numpy as np

from realtime_model.training.speech.cepstra import STEP_S
from realtime_model.training.speech.phones import SILENCE, Phone, split_sounds

State = tuple[str, int]
"""A sound and which third of it."""

THIRDS = 3


def states_of(ipa: str) -> list[State]:
    """Return the states of a single sound, in order."""
    return [(ipa, third) for third in range(1 if ipa == SILENCE else THIRDS)]


def timed_states(phones: Sequence[Phone]) -> Iterator[tuple[State, int, int]]:
    """Give every state with its first step and the one after its last: at least one step."""
    for sound in (part for phone in phones for part in split_sounds(phone)):
        states = states_of(sound.ipa)
        edges = np.linspace(sound.start_s, sound.end_s, len(states) + 1) / STEP_S
        for state, first, last in zip(states, edges[:-1], edges[1:], strict=True):
            start = round(float(first))
            yield state, start, max(round(float(last)), start + 1)
