"""The codec learns on the rig's frames: flow first, then paint."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from realtime_model.autoencoder import Codec, latent_of
from realtime_model.config import ModelConfig
from realtime_model.facemap import CHANNELS
from realtime_model.training.codec import (
    CodecData,
    CodecRecipe,
    evaluate,
    flow_step,
    importance,
    paint_step,
    train_codec,
)
from realtime_model.training.loop import Loop, Step
from realtime_model.training.rendering import Clip, Sitter, render_codec_set

RECIPE = CodecRecipe(flow_steps=16, paint_steps=4, people=1, flow_frames=2, frames=1, lr=0.002)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, sitters: list[Sitter], clips: list[Clip]
) -> Path:
    out = tmp_path_factory.mktemp("rendered")
    for _ in render_codec_set(sitters, clips, out, poses_each=4, seed=0):
        pass
    return out


@pytest.fixture
def rendered(folder: Path) -> CodecData:
    return CodecData(folder)


def test_a_batch_holds_frames_beside_their_portraits(rendered: CodecData) -> None:
    batch = rendered.batch(np.random.default_rng(0), 2, 3)
    assert batch.frame.shape == (6, 3, 256, 256)
    assert batch.portrait.shape == (2, 3, 256, 256)
    assert batch.flow.shape == (6, 2, 64, 64)
    assert batch.painted.shape == (6, 1, 128, 128)
    assert float(batch.frame.min()) >= -1
    assert float(batch.painted.max()) <= 1
    assert torch.equal(batch.per_frame(batch.portrait)[3], batch.portrait[1])


@pytest.mark.parametrize("seed", range(6))
def test_labels_fit_the_pictures_however_they_are_changed(seed: int, rendered: CodecData) -> None:
    batch = rendered.batch(np.random.default_rng(seed), 1, 1)
    side = torch.linspace(-1, 1, 257)[:-1] + 1 / 256
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)[None]
    flow = F.interpolate(batch.flow, size=(256, 256), mode="bilinear").permute(0, 2, 3, 1)
    warped = F.grid_sample(batch.portrait, grid + flow, align_corners=False, padding_mode="border")
    own = (F.interpolate(batch.painted, scale_factor=2.0) < 0.05).expand_as(warped)
    error = (warped - batch.frame)[own].abs().mean()
    still = (batch.portrait - batch.frame)[own].abs().mean()
    assert error < 0.6 * still
    # Mirrored or not, the face's own x rises to the right of the picture.
    across = batch.face_map[0, CHANNELS.index("frame_x")]
    assert across[64, 100] > across[64, 20]


def test_lips_lids_and_paint_weigh_most(rendered: CodecData) -> None:
    batch = rendered.batch(np.random.default_rng(0), 2, 1, augment=False)
    weight = importance(batch)
    lips = F.avg_pool2d(batch.face_map[:, [CHANNELS.index("lips")]], 2)
    assert weight[lips > 0.9].min() > 10
    assert weight[:, :, :4, :4].max() == 1


def test_the_flow_is_learned_in_a_few_steps(
    rendered: CodecData, tiny: ModelConfig, tmp_path: Path
) -> None:
    codec = Codec(tiny.codec)
    before = evaluate(codec, rendered, 1, flow_only=True)
    assert before["flow_px"] < before["flow_px_if_still"]  # the latent itself is coarse motion

    def same_batch(number: int) -> Step:
        return flow_step(codec, rendered, RECIPE, np.random.default_rng(0))(number)

    first = float(same_batch(0).loss.detach())
    loop = Loop(codec, tmp_path, steps=RECIPE.flow_steps, lr=RECIPE.lr, name="flow")
    loop.run(same_batch)
    assert float(same_batch(0).loss.detach()) < 0.95 * first


def test_a_paint_step_teaches_flow_picture_and_mask(rendered: CodecData, tiny: ModelConfig) -> None:
    codec = Codec(tiny.codec)
    for number, taught in ((0, False), (RECIPE.paint_steps, True)):
        codec.zero_grad()
        step = paint_step(codec, rendered, RECIPE, np.random.default_rng(0))(number)
        assert set(step.parts) == {"flow", "image", "mask"}
        assert torch.isfinite(step.loss)
        (step.parts["image"] + step.parts["mask"]).backward()  # type: ignore[no-untyped-call]
        # In the first half of the stage the picture does not pull at the flow.
        grad = codec.decoder.fine2.weight.grad
        assert (grad is not None and float(grad.abs().sum()) > 0) is taught
        assert codec.decoder.out.weight.grad is not None


def test_both_stages_run_and_what_is_finished_stays_finished(
    rendered: CodecData, tiny: ModelConfig, tmp_path: Path
) -> None:
    recipe = CodecRecipe(flow_steps=2, paint_steps=2, people=1, flow_frames=1, frames=1)
    codec = Codec(tiny.codec)
    train_codec(codec, rendered, rendered, recipe, tmp_path)
    trained = {k: v.clone() for k, v in codec.state_dict().items()}
    assert (tmp_path / "flow" / "last.pt").is_file()
    again = Codec(tiny.codec)
    train_codec(again, rendered, rendered, recipe, tmp_path)
    assert all(torch.equal(v, trained[k]) for k, v in again.state_dict().items())


def test_a_perfect_picture_would_score_high(rendered: CodecData, tiny: ModelConfig) -> None:
    figures = evaluate(Codec(tiny.codec), rendered, 1, flow_only=False)
    assert 10 < figures["psnr"] < 60
    assert figures["psnr_painted"] < figures["psnr"]


def test_latents_of_the_rig_are_about_unit_size(rendered: CodecData) -> None:
    batch = rendered.batch(np.random.default_rng(0), 2, 4, augment=False)
    assert 0.2 < float(latent_of(batch.flow, 8).std()) < 3
