"""How phones sound, learnt from voices that tell their times; finds the phones of other voices.

Every sound is three states in a row, every state a Gaussian around its own mean; all share one
covariance. The best path through the states of a known text says when each sound is made. A sound
that no voice made borrows from its neighbours in the table of articulation, so a language nobody
learnt from can be aligned too.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.speech.articulation import sound_of
from realtime_model.training.speech.cepstra import STEP_S, Features
from realtime_model.training.speech.phone_network import PhoneNetwork
from realtime_model.training.speech.phones import SILENCE, Phone
from realtime_model.training.speech.states import THIRDS, State, states_of, timed_states

SHORTEST_S = THIRDS * STEP_S
"""No sound is found shorter than this."""

_TRUST = 20.0
"""Frames of its own that a voice must bring before it outweighs what others taught."""
_TRUST_SPREAD = 1_000.0

_BESIDE = 0.3
"""Weight of the Gaussians' cost where a network is asked too: they take neighbouring frames for
independent and are too sure."""


class Tally:
    """Sums over the frames of every state: all that models are made from."""

    def __init__(self) -> None:
        self.counts: dict[State, int] = {}
        self.sums: dict[State, NDArray[np.float64]] = {}
        self.squares: NDArray[np.float64] | float = 0.0

    def add(self, heard: Features, phones: Sequence[Phone]) -> None:
        """Take in one recording: its cepstra and when each phone is said."""
        for state, start, end in timed_states(phones):
            frames = heard[start:end]
            self.counts[state] = self.counts.get(state, 0) + len(frames)
            self.sums[state] = self.sums.get(state, 0.0) + frames.sum(axis=0)
            self.squares = self.squares + frames.T @ frames


class PhoneModels:
    """Means of the states and their common covariance."""

    def __init__(
        self, means: Mapping[State, NDArray[np.float64]], covariance: NDArray[np.float64]
    ) -> None:
        self._means = dict(means)
        self._covariance = covariance
        # Multiplied by this, every direction has unit variance.
        self._whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T

    @classmethod
    def learn(cls, heard: Iterable[tuple[Features, Sequence[Phone]]]) -> "PhoneModels":
        """Learn from recordings whose phones are known; at least some seconds of speech."""
        tally = Tally()
        for features, phones in heard:
            tally.add(features, phones)
        means = {s: tally.sums[s] / n for s, n in tally.counts.items() if n}
        return cls(means, _scatter(tally, means) / sum(tally.counts.values()))

    def adapted(
        self, heard: Sequence[tuple[Features, Sequence[str]]], rounds: int = 3
    ) -> "PhoneModels":
        """Return models for one voice: align what it said, learn from that, again and again.

        Args:
            heard: cepstra and sounds, see `align`.
            rounds: how often.

        Source: maximum a posteriori means, Gauvain and Lee, IEEE Trans. SAP 2 (1994), 291.
        """
        models = self
        for _ in range(rounds):
            tally = Tally()
            for features, sounds in heard:
                tally.add(features, models.align(features, sounds))
            own = {s: tally.sums[s] / n for s, n in tally.counts.items() if n}
            means = self._means | {
                state: (tally.sums[state] + _TRUST * self._mean(state))
                / (tally.counts[state] + _TRUST)
                for state in own
            }
            spread = _scatter(tally, own) + _TRUST_SPREAD * self._covariance
            models = PhoneModels(means, spread / (sum(tally.counts.values()) + _TRUST_SPREAD))
        return models

    def align(
        self, heard: Features, sounds: Sequence[str], network: PhoneNetwork | None = None
    ) -> list[Phone]:
        """Return when each sound is made, silences included; those not heard are left out.

        Args:
            heard: cepstra of the recording, (t, 39).
            sounds: single sounds in order; silences may last no time, sounds at least
                `SHORTEST_S`.
            network: asked besides; the two are better than either.

        Returns:
            Phones without gaps; empty if the recording is too short for its sounds.
        """
        owners, states = [], []
        for number, ipa in enumerate(sounds):
            for state in states_of(ipa):
                owners.append(number)
                states.append(state)
        cost = self._cost(heard, states)
        if network is not None:
            cost = _BESIDE * cost + network.cost(heard, states)
        path = _best_path(cost, [ipa == SILENCE for ipa, _ in states])
        if path is None:
            return []
        owner = np.array(owners)[path]
        cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
        return [
            Phone(sounds[owner[start]], start * STEP_S, end * STEP_S)
            for start, end in pairwise(cuts)
        ]

    def _cost(self, heard: Features, states: Sequence[State]) -> NDArray[np.float64]:
        """Half the squared distance of every frame to every state, (t, states)."""
        known = sorted(set(states))
        frames = heard @ self._whiten
        means = np.stack([self._mean(state) for state in known]) @ self._whiten
        near = 0.5 * (means**2).sum(axis=1) - frames @ means.T
        return np.asarray(near[:, [known.index(state) for state in states]], np.float64)

    def _mean(self, state: State) -> NDArray[np.float64]:
        """Mean of a state; of all sounds made alike if it was never heard, else of all."""
        if state not in self._means:
            same = [m for s, m in self._means.items() if s[1] == state[1] and s[0] != SILENCE]
            alike = [
                mean
                for (ipa, third), mean in self._means.items()
                if third == state[1] and sound_of(ipa) is sound_of(state[0])
            ]
            self._means[state] = np.mean(alike or same, axis=0)
        return self._means[state]


def _scatter(tally: Tally, means: Mapping[State, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum of squares around the means, (39, 39)."""
    between = sum(tally.counts[s] * np.outer(mean, mean) for s, mean in means.items())
    return np.asarray(tally.squares - between, np.float64)


def _best_path(cost: NDArray[np.float64], may_skip: Sequence[bool]) -> NDArray[np.int64] | None:
    """Return the cheapest state of every frame, (t,): from first to last, only some left out.

    Source: Viterbi, IEEE Trans. IT 13 (1967), 260.
    """
    frames, count = cost.shape
    over = np.full(count, np.inf)
    over[2:][np.array(may_skip[1:-1], bool)] = 0.0
    best = np.full(count, np.inf)
    best[0] = cost[0, 0]
    if count > 1 and may_skip[0]:
        best[1] = cost[0, 1]
    back = np.zeros((frames, count), np.int8)
    ways = np.full((3, count), np.inf)
    for t in range(1, frames):
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = best[:-2] + over[2:]
        back[t] = ways.argmin(axis=0)
        best = ways.min(axis=0) + cost[t]
    state = count - 1
    if count > 1 and may_skip[-1] and best[-2] < best[-1]:
        state = count - 2
    if not np.isfinite(best[state]):
        return None
    path = np.empty(frames, np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state])
    return path
