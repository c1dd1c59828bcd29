from emolive.bench_live import measure_live


def test_a_call_to_a_server_of_its_own_is_measured() -> None:
    made = measure_live(5, url=None, model="testcard", threads=1)
    assert (
        made.frames > 10
    )  # 25 a second on a quiet machine; strict figures are the benchmark's own
    assert made.fps > 2
    assert 0 < made.setup_s < made.first_frame_s
    assert made.mic_to_voice_ms is not None
    assert made.mic_to_voice_ms.p50 > 50
    assert made.server_mic_to_lips_ms is not None
    assert made.server_av_skew_ms is not None
