"""A small network that hears which third of which sound a moment is, from what surrounds it.

Gaussians look at one moment; this looks at 150 ms and need not assume a shape. Its answers, divided
by how common every state is, stand beside theirs: Bourlard and Morgan, Connectionist Speech
Recognition (1994). It knows only synthetic voices and is never adapted, so it is not used alone.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor, nn

from realtime_model.training.speech.articulation import sound_of
from realtime_model.training.speech.cepstra import CEPSTRA, Features
from realtime_model.training.speech.phones import SILENCE, Phone
from realtime_model.training.speech.states import State, timed_states

_EITHER_SIDE = 7
_WIDTH = 256
_EPOCHS, _BATCH, _RATE = 4, 512, 2e-3
_SILENCE_KEPT = 0.25
"""Share of the silent moments that are looked at: most are alike."""

_TILT, _STRETCH, _HISS = 0.15, 0.1, 0.1
"""Deviations of what is added to a whole excerpt, by how much it is stretched, and what is added to
single moments; the cepstra have a deviation near one. Other voices and microphones differ so."""


class PhoneNetwork:
    """Two hidden layers over `_EITHER_SIDE` moments on either side; the same lessons, the same."""

    def __init__(self, net: nn.Module, states: Sequence[State], shares: Tensor) -> None:
        """Take the network, the state of each of its answers, and how common these are, (n,)."""
        self._net = net
        self._place = {state: place for place, state in enumerate(states)}
        self._shares = shares

    @classmethod
    def learn(
        cls, lessons: Sequence[tuple[Features, Sequence[Phone]]], progress: Progress | None = None
    ) -> "PhoneNetwork":
        """Learn from recordings whose phones are known: one core, a minute for 80 minutes."""
        order = sorted({state for _, phones in lessons for state, _, _ in timed_states(phones)})
        places = {state: place for place, state in enumerate(order)}
        heard = torch.cat([_padded(features) for features, _ in lessons])
        wanted = torch.cat([_answers(len(x), phones, places) for x, phones in lessons])
        rng = torch.Generator().manual_seed(0)
        chosen = (wanted != places.get((SILENCE, 0), -1)) & (wanted >= 0)
        chosen |= (wanted >= 0) & (torch.rand(len(wanted), generator=rng) < _SILENCE_KEPT)
        moments = chosen.nonzero()[:, 0]
        net = _network(len(order))
        steps = _EPOCHS * -(-len(moments) // _BATCH)
        batches: Iterable[Tensor] = _batches(moments, rng)
        if progress is not None:
            batches = progress.track(batches, steps, description="learning sounds")
        _fit(net, heard, wanted, batches, steps, rng)
        # Every state counts once more, so that none has no share.
        counts = torch.bincount(wanted[moments], minlength=len(order)).float() + 1
        return cls(net, order, counts / counts.sum())

    def cost(self, heard: Features, states: Sequence[State]) -> NDArray[np.float64]:
        """Minus the log likelihood of every moment under every state, up to a constant per moment.

        Args:
            heard: cepstra, (t, 39); differences are not looked at.
            states: n of them. One that was in no lesson is as likely as the likest of those made
                alike.

        Returns:
            (t, n).
        """
        windows = _padded(heard).unfold(0, 2 * _EITHER_SIDE + 1, 1).transpose(1, 2)
        with torch.inference_mode():
            answers = F.log_softmax(self._net(windows.flatten(1)), dim=1) - self._shares.log()
        likely = answers.double().numpy()
        return -np.stack([likely[:, self._alike(s)].max(axis=1) for s in states], axis=1)

    def _alike(self, state: State) -> list[int]:
        """Places of a state; of all made alike if it was never heard, else of all."""
        if state in self._place:
            return [self._place[state]]
        same = {s: n for s, n in self._place.items() if s[1] == state[1] and s[0] != SILENCE}
        alike = [n for s, n in same.items() if sound_of(s[0]) is sound_of(state[0])]
        return alike or list(same.values()) or list(self._place.values())


def _network(answers: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear((2 * _EITHER_SIDE + 1) * CEPSTRA, _WIDTH),
            nn.GELU(),
            nn.Linear(_WIDTH, _WIDTH),
            nn.GELU(),
            nn.Linear(_WIDTH, answers),
        )


def _batches(moments: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    """All ``moments``, mixed anew in each epoch."""
    for _ in range(_EPOCHS):
        mixed = moments[torch.randperm(len(moments), generator=rng)]
        yield from torch.split(mixed, _BATCH)


def _fit(
    net: nn.Module,
    heard: Tensor,
    wanted: Tensor,
    batches: Iterable[Tensor],
    steps: int,
    rng: torch.Generator,
) -> None:
    """Train on ``steps`` batches of places in ``heard`` and ``wanted``, disturbed every time."""
    optimizer = torch.optim.AdamW(net.parameters(), _RATE)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    around = torch.arange(-_EITHER_SIDE, _EITHER_SIDE + 1)
    for batch in batches:
        x = heard[batch[:, None] + around]
        whole = (len(batch), 1, CEPSTRA)
        x = x * (1 + _STRETCH * torch.randn(whole, generator=rng))
        x = x + _TILT * torch.randn(whole, generator=rng)
        x = x + _HISS * torch.randn(x.shape, generator=rng)
        loss = F.cross_entropy(net(x.flatten(1)), wanted[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pace.step()


def _padded(heard: Features) -> Tensor:
    """Cepstra with what is needed on either side of the ends, (t + 14, 13)."""
    plain = heard[:, :CEPSTRA].astype(np.float32)
    return torch.from_numpy(np.pad(plain, ((_EITHER_SIDE, _EITHER_SIDE), (0, 0)), "edge"))


def _answers(count: int, phones: Sequence[Phone], places: dict[State, int]) -> Tensor:
    """Place of the state of every moment, padded like the cepstra; -1 where nobody knows."""
    wanted = torch.full((count,), -1, dtype=torch.int64)
    for state, first, end in timed_states(phones):
        wanted[first:end] = places[state]
    return F.pad(wanted, (_EITHER_SIDE, _EITHER_SIDE), value=-1)
