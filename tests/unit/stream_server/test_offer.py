import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.errors import SdpError
from stream_server.rtc.offer import check_offer

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
COMMON = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
AUDIO = f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{COMMON}a=mid:0\r\na=sendrecv\r\n"
VIDEO = f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{COMMON}a=mid:1\r\na=recvonly\r\n"
DATA = f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{COMMON}a=mid:2\r\n"


def test_what_a_browser_offers_is_taken() -> None:
    check_offer(HEAD + AUDIO + VIDEO + DATA)


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        ("", "needs one audio"),
        ("nonsense", "cannot be read|needs one audio"),
        (HEAD + VIDEO, "needs one audio"),
        (HEAD + AUDIO + DATA, "needs one audio"),
        (HEAD + AUDIO + VIDEO.replace("recvonly", "sendonly"), "must be recvonly"),
        (HEAD + AUDIO + VIDEO + 2 * DATA, "more than one data"),
        (HEAD + AUDIO + 9 * VIDEO, "more than 8"),
        (HEAD + "a=group:BUNDLE 7 0 1\r\n" + AUDIO + VIDEO, "does not have"),
        (HEAD + AUDIO + VIDEO.replace("mid:1", "mid:0"), "two alike"),
        (HEAD + AUDIO + VIDEO + "a=x\r\n" * 20_000, "larger than 64 KiB"),
    ],
)
def test_refusals_say_why(sdp: str, words: str) -> None:
    with pytest.raises(SdpError, match=words):
        check_offer(sdp)


@given(st.text(max_size=40), st.integers(0, 400), st.integers(0, 60))
def test_text_of_any_kind_is_taken_or_refused_and_nothing_else(
    noise: str, at: int, cut: int
) -> None:
    offer = HEAD + AUDIO + VIDEO
    with contextlib.suppress(SdpError):
        check_offer(offer[:at] + noise + offer[at + cut :])
