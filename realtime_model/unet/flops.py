"""What a configuration costs: floating-point operations, weights and memory, by formula.

One multiplication with its addition counts as two operations; norms, activations and softmax
count nothing, as in torch's FlopCounterMode. A term is one layer; nothing was fitted.
"""

from dataclasses import dataclass, replace

from realtime_model.config import UnetConfig
from realtime_model.unet.trunk import Place, places

_HELD = 20  # maps of a site held at once: 16 of its gated feed-forward, input, norm, sum, output

STAGES = ("resnet", "spatial", "audio", "time")


@dataclass(frozen=True, slots=True)
class Chunk:
    """How much is computed at once.

    Attributes:
        side: of the latent, in cells.
        frames: new ones, F.
        motion: motion frames in front, n.
        kept: keys of portrait, face, voice and motion frames are ready-made, as in serving;
            otherwise all is made anew for every frame and step, as Hallo does.
    """

    side: int = 64
    frames: int = 12
    motion: int = 4
    kept: bool = True


def backbone(config: UnetConfig, chunk: Chunk) -> dict[str, float]:
    """Operations of one step of a chunk, by stage."""
    out = dict.fromkeys(STAGES, 0.0)
    f = chunk.frames
    out["resnet"] = f * _convolutions(config, chunk.side, leave=True)
    out["resnet"] += _embedding(config, rows=1)  # one level for all frames of a row
    for place in places(config):
        cells = _cells(place, chunk.side)
        if not place.attends:
            if config.unattended_motion:
                alone = replace(chunk, motion=0)
                out["time"] += cells * _over_time(replace(config, speed=False), place, alone)
            continue
        out["spatial"] += f * _spatial(config, place, cells, chunk.kept, portrait=True)
        if config.voice == "modules":
            out["audio"] += f * _audio(config, place, cells, chunk.kept)
        out["time"] += cells * _over_time(config, place, chunk)
    return out


def prepared(config: UnetConfig, chunk: Chunk) -> dict[str, float]:
    """Operations once a chunk: keys of the voice, motion frames as they enter the steps."""
    voice = memory = 0.0
    for place in places(config):
        if place.attends:
            cells, c = _cells(place, chunk.side), place.width
            tokens = chunk.frames * config.audio_tokens
            if config.voice == "modules":
                voice += 3 * _linear(tokens, config.token_dim, 2 * place.came)
            else:
                voice += _linear(tokens, config.token_dim, 2 * c)
            memory += _linear(cells * chunk.motion, c, 3 * c)  # entry, keys, values
            if config.speed:
                memory += _linear(chunk.frames, config.speed_dim, 2 * c)
    return {"audio_keys": voice, "motion_keys": memory}


def reference(config: UnetConfig, side: int, *, whole: bool = False) -> float:
    """Operations of ReferenceNet on one image, given the keys of its face tokens.

    Args:
        config: of the network.
        side: of the latent, in cells.
        whole: also what the last site would do with its features, which nobody asks for.
    """
    total = _convolutions(config, side, leave=False) + _embedding(config, rows=1)
    sites = [p for p in places(config) if p.attends]
    for place in sites:
        total += _spatial(config, place, _cells(place, side), kept=True, portrait=False)
    if not whole:
        last, cells = sites[-1], _cells(sites[-1], side)
        total -= _spatial(config, last, cells, kept=True, portrait=False)
        total += _linear(cells, last.width, last.width)  # the projection before the norm
    return total


def projections(config: UnetConfig, frames: int, margin: int = 2) -> float:
    """Operations of the audio projection for a chunk's frames; none where features are tokens."""
    if config.voice == "attention":
        return 0.0
    heard = (2 * margin + 1) * config.audio_layers * config.audio_dim
    hidden = config.audio_hidden
    out = config.audio_tokens * config.token_dim
    return (
        _linear(frames, heard, hidden)
        + _linear(frames, hidden, hidden)
        + _linear(frames, hidden, out)
    )


def portrait_bytes(config: UnetConfig, side: int, each: int = 2) -> int:
    """Bytes kept of a portrait: its keys and values at every site, and the locator's map."""
    values = sum(
        2 * (_cells(p, side) + config.face_tokens) * p.width for p in places(config) if p.attends
    )
    masks = sum(3 * (side >> d) ** 2 for d in range(len(config.widths)))
    return each * (values + masks + config.widths[0] * side**2)


def motion_bytes(config: UnetConfig, side: int, each: int = 2) -> int:
    """Bytes of one motion frame during a chunk: its tokens, keys and values at every site."""
    return each * sum(3 * _cells(p, side) * p.width for p in places(config) if p.attends)


def audio_bytes(config: UnetConfig, frames: int, each: int = 2) -> int:
    """Bytes of the voice's keys and values during a chunk."""
    tokens = frames * config.audio_tokens
    sites = [p for p in places(config) if p.attends]
    if config.voice == "attention":
        return each * sum(2 * tokens * p.width for p in sites)
    return each * sum(3 * 2 * tokens * p.came for p in sites)


def activation_bytes(config: UnetConfig, side: int, frames: int, each: int = 2) -> int:
    """Bytes a step holds at its widest: a gated feed-forward beside its inputs, and all skips.

    An upper estimate for attention that keeps no scores.
    """
    widest = max(_cells(p, side) * p.width for p in places(config))
    skips = sum(
        (config.layers + 1) * (side >> depth) ** 2 * width
        for depth, width in enumerate(config.widths)
    )
    return each * frames * (_HELD * widest + skips)


def _linear(rows: float, came: int, went: int) -> float:
    return 2.0 * rows * came * went


def _attended(queries: float, keys: float, width: int) -> float:
    return 4.0 * queries * keys * width  # scores, then values


def _cells(place: Place, side: int) -> int:
    return (side >> place.depth) ** 2


def _embedding(config: UnetConfig, rows: int) -> float:
    first, temb = config.widths[0], 4 * config.widths[0]
    return _linear(rows, first, temb) + _linear(rows, temb, temb)


def _convolutions(config: UnetConfig, side: int, *, leave: bool) -> float:
    """All of the trunk's convolutions for one frame, and what embeds its time in them."""
    widths, layers, temb = config.widths, config.layers, 4 * config.widths[0]
    last = len(widths) - 1

    def conv(cells: int, came: int, went: int, kernel: int = 3) -> float:
        return _linear(cells, kernel**2 * came, went)

    def resnet(cells: int, came: int, went: int) -> float:
        skip = conv(cells, came, went, 1) if came != went else 0.0
        both = conv(cells, came, went) + conv(cells, went, went)
        return both + skip + _linear(1, temb, went)

    total = conv(side**2, config.channels, widths[0])
    skips = [widths[0]]
    width = widths[0]
    for depth, went in enumerate(widths):
        cells = (side >> depth) ** 2
        for _ in range(layers):
            total += resnet(cells, width, went)
            width = went
            skips.append(width)
        if depth < last:
            total += conv(cells // 4, width, width)
            skips.append(width)
    total += 2 * resnet((side >> last) ** 2, width, width)
    for depth in range(last, -1, -1):
        cells = (side >> depth) ** 2
        for _ in range(layers + 1):
            total += resnet(cells, width + skips.pop(), widths[depth])
            width = widths[depth]
        if depth:
            total += conv(4 * cells, width, width)
    if leave:
        total += conv(side**2, widths[0], config.channels)
    return total


def _spatial(config: UnetConfig, place: Place, cells: int, kept: bool, *, portrait: bool) -> float:
    c, tokens = place.width, config.face_tokens
    if portrait and config.voice == "attention":  # the backbone alone hears
        tokens = config.audio_tokens
    seen = cells * (2 if portrait else 1)
    total = _linear(cells, c, 2 * c)  # entry and exit
    total += _linear(cells, c, 4 * c) + _attended(cells, seen, c)
    if tokens:
        total += _linear(cells, c, 2 * c) + _attended(cells, tokens, c)
    total += _linear(cells, c, 12 * c)  # a gated feed-forward, four times as wide
    if not kept:
        total += _linear(tokens, config.token_dim, 2 * c)
        total += _linear(cells, c, 2 * c) if portrait else 0.0
    return total


def _audio(config: UnetConfig, place: Place, cells: int, kept: bool) -> float:
    c, tokens = place.came, config.audio_tokens
    total = 2 * _linear(cells, place.width, c)  # entry and exit
    total += _linear(cells, c, 4 * c) + _attended(cells, cells, c)
    # Query, output and the silent convolution of each region.
    total += 3 * (_linear(cells, c, 3 * c) + _attended(cells, tokens, c))
    total += _linear(cells, c, 12 * c)
    if not kept:
        total += 3 * _linear(tokens, config.token_dim, 2 * c)
    return total


def _over_time(config: UnetConfig, place: Place, chunk: Chunk) -> float:
    """Of one cell of a place's map."""
    c, f = place.width, chunk.frames
    whole = f + chunk.motion
    if not chunk.kept:
        return _linear(whole, c, 22 * c) + 2 * _attended(whole, whole, c)
    total = _linear(f, c, 2 * c)  # entry and exit
    total += _linear(f, c, 2 * c) + _linear(whole, c, 2 * c) + _attended(whole, whole, c)
    total += _linear(whole, c, 2 * c) + _linear(f, c, 2 * c) + _attended(f, whole, c)
    if config.speed:
        total += _linear(f, c, 2 * c) + _attended(f, f, c)
    return total + _linear(f, c, 12 * c)
