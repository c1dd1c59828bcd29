"""What an SDP offer must look like before the library gets to see it. Pure."""

from typing import Final

from aiortc.sdp import SessionDescription

from stream_server.errors import SdpError

MAX_SDP_BYTES: Final = 64 * 1024
MAX_SECTIONS: Final = 8


def check_offer(sdp: str) -> None:
    """Refuse an offer this server cannot serve.

    Raises:
        SdpError: it is too large, cannot be read, has too many sections, or lacks audio, video or
            someone to receive the video.
    """
    if len(sdp.encode("utf-8", "replace")) > MAX_SDP_BYTES:
        raise SdpError(f"The SDP offer is larger than {MAX_SDP_BYTES // 1024} KiB.")
    if sdp.count("\nm=") > MAX_SECTIONS:
        raise SdpError(f"The SDP offer has more than {MAX_SECTIONS} media sections.")
    try:
        description = SessionDescription.parse(sdp)
    except Exception as exc:  # the parser raises whatever it trips over
        raise SdpError("The SDP offer cannot be read.") from exc
    media = description.media
    kinds = [section.kind for section in media]
    mids = [section.rtp.muxId for section in media]
    bundles = [group.items for group in description.group if group.semantic == "BUNDLE"]
    if kinds.count("application") > 1:
        raise SdpError("The SDP offer has more than one data section; one is enough.")
    if "audio" not in kinds or "video" not in kinds:
        raise SdpError("The SDP offer needs one audio and one video section.")
    # The library builds on these without looking, and cannot take the connection down afterwards.
    if len(set(mids)) < len(mids) or any(
        not set(map(str, bundle)) <= set(mids) for bundle in bundles
    ):
        raise SdpError("The SDP offer bundles sections that it does not have, or names two alike.")
    if media[kinds.index("video")].direction not in ("recvonly", "sendrecv"):
        raise SdpError("The video section of the SDP offer must be recvonly or sendrecv.")
