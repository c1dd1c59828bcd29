import pytest

from stream_server.observability.metrics import ServerMetrics
from stream_server.session.terms import SessionMetrics


@pytest.fixture
def metrics() -> ServerMetrics:
    return ServerMetrics(version="1.2", model="testcard")


def value(metrics: ServerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_sessions_report_through_the_protocol(metrics: ServerMetrics) -> None:
    reporter: SessionMetrics = metrics
    reporter.observe_mic_to_lips(0.25)
    reporter.observe_skew(-0.01)
    reporter.observe_stage("render", 0.05)
    reporter.count_frame("held")
    reporter.count_dropped("chunks/sess_secret", 3)
    assert value(metrics, "emolive_mic_to_lips_seconds_sum") == 0.25
    assert value(metrics, "emolive_av_skew_seconds_bucket", le="0.0") == 1
    assert value(metrics, "emolive_stage_seconds_count", stage="render") == 1
    assert value(metrics, "emolive_frames_total", fate="held") == 1
    assert value(metrics, "emolive_channel_dropped_total", channel="chunks") == 3
    assert b"secret" not in metrics.exposition()


def test_gauges_are_read_at_every_scrape(metrics: ServerMetrics) -> None:
    sessions = [1]
    metrics.watch_sessions(lambda: len(sessions), 2)
    metrics.watch_engine(lambda: 4, lambda: None)
    assert value(metrics, "emolive_session_slots", state="free") == 1
    sessions.append(2)
    assert value(metrics, "emolive_sessions_active") == 2
    assert value(metrics, "emolive_session_slots", state="free") == 0
    assert value(metrics, "emolive_worker_restarts_total") == 4


def test_required_metrics_have_help_and_the_prefix(metrics: ServerMetrics) -> None:
    text = metrics.exposition().decode()
    for name in (
        "sessions_active",
        "mic_to_lips_seconds",
        "stage_seconds",
        "realtime_factor",
        "frames_total",
        "channel_dropped_total",
        "av_skew_seconds",
        "worker_restarts_total",
    ):
        assert f"# HELP emolive_{name} " in text
    assert 'emolive_build_info{model="testcard",version="1.2"} 1.0' in text


def test_two_servers_do_not_share_counts(metrics: ServerMetrics) -> None:
    metrics.count_ended("idle", 3.0)
    other = ServerMetrics(version="1.2", model="testcard")
    assert value(metrics, "emolive_sessions_total", result="idle") == 1
    assert value(other, "emolive_sessions_total", result="idle") is None
