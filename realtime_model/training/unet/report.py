"""Writes streamed clips down: for programs, for a glance, and as a page like `emolive evaluate`'s.

figures.json  a row of figures for each clip
sheet.png     frames that were taught above those that were streamed
report.html   both, and the openings of the mouth over time; one file that needs no other
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from string import Template

import cv2
import numpy as np

from realtime_model.config import ModelConfig
from realtime_model.training.judging.page import as_url, table, whole_page
from realtime_model.training.judging.plot import key, plot
from realtime_model.training.unet.films import Figures, Streamed

_TITLE = "Clips that were taught, streamed"
_BODY = Template("""<p>$verdict</p>
<p class="soft">$about</p>
<h2>Figures</h2>
<div class="wide">$figures</div>
<p class="soft small">A network that cannot say again what it was taught has not learned. The
opening of the mouth is read off the finished frames by a face landmarker. lips: its correlation
with what was taught; shuffled: with another clip; ceiling: the same off the frames that were
taught. spread: how far the mouth moves, over how far it does there. psnr: against those frames, dB.
sharpness: of the face, over the portrait's. seam: change from hop to hop, over that within one.
lost: share of the frames in which no face is found; there the curve stands still.</p>
<h2>Every clip</h2>
$key
$clips""")
_KEY = {"model": "mouth of the stream", "rig": "mouth that was taught", "loud": "loudness"}


def write_films(found: Sequence[Streamed], out: Path, config: ModelConfig) -> None:
    """Write all three files.

    Args:
        found: at least one clip.
        out: their folder.
        config: of the network that streamed.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one.figures) for one in found]
    (out / "figures.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sheet = np.concatenate([one.strip for one in found])
    cv2.imwrite(str(out / "sheet.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    (out / "report.html").write_text(page(found, config), encoding="utf-8")


def page(found: Sequence[Streamed], config: ModelConfig) -> str:
    """The report as one self-contained HTML text."""
    lips, ceiling = ([getattr(f.figures, n) for f in found] for n in ("lips", "ceiling"))
    geometry = config.geometry
    body = _BODY.substitute(
        verdict=f"The mouth follows what was taught at {np.mean(lips):.2f} in the mean, "
        f"{min(lips):.2f} at worst; in the frames that were taught, at {np.mean(ceiling):.2f}.",
        about=escape(
            f"{config.name}: {len(found)} clips, {config.sampler.steps} steps, "
            f"{geometry.width_px} pixels, {geometry.hop_frames} frames at a time."
        ),
        figures=table(tuple(Figures.__slots__), [list(asdict(f.figures).values()) for f in found]),
        key=key(_KEY),
        clips="\n".join(_clip(one) for one in found),
    )
    return whole_page(_TITLE, body)


def _clip(one: Streamed) -> str:
    f = one.figures
    said = escape(f"{f.portrait} says {f.clip}: lips {f.lips:.2f}, ceiling {f.ceiling:.2f}")
    return (
        f"<figure><h3>{said}</h3>{plot(one.curves, said)}"
        f'<img alt="what was taught above what was streamed, {escape(f.portrait)}" '
        f'src="{as_url(one.strip)}"></figure>'
    )
