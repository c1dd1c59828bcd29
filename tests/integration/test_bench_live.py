from emolive.bench_live import measure_live


def test_a_call_to_a_server_of_its_own_is_measured() -> None:
    made = measure_live(5, url=None, model="testcard", threads=1)
    assert made.frames > 50
    assert made.fps > 15  # 25 on a quiet machine; the strict figure is the benchmark's own
    assert 0 < made.setup_s < made.first_frame_s < 10
    assert made.mic_to_voice_ms is not None
    assert 50 < made.mic_to_voice_ms.p50 < 2_500
    assert made.server_mic_to_lips_ms is not None
    assert made.server_av_skew_ms is not None
