"""What can go wrong with an avatar.

AvatarError
├── PictureError         an upload is not a picture we accept
├── UnknownAvatarError   no avatar has this id
├── ShippedAvatarError   a demo portrait cannot be deleted
├── AvatarLimitError     no more uploads are kept
├── StorageError         the disk refused
└── BusyError            too many pictures wait to be read
"""

from stream_server.errors import ServerError


class AvatarError(ServerError):
    """Base of this package's errors."""

    code = "avatar_error"


class PictureError(AvatarError):
    """An upload is not a picture we accept.

    Attributes:
        reason: ``not_a_picture``, ``corrupt``, ``too_small``, ``too_large`` or ``too_complex``.
        advice: one sentence on what to do about it.
    """

    code = "bad_picture"

    def __init__(self, reason: str, message: str, advice: str) -> None:
        self.reason, self.message, self.advice = reason, message, advice
        if reason == "not_a_picture":
            self.code = "unsupported_picture"
        super().__init__(f"{message} {advice}")


class UnknownAvatarError(AvatarError):
    """No avatar has this id."""

    code = "unknown_avatar"

    def __init__(self) -> None:  # the id is the client's own text: it is not repeated
        super().__init__("No avatar has this id.")


class ShippedAvatarError(AvatarError):
    """A demo portrait belongs to the program and stays."""

    code = "avatar_is_shipped"

    def __init__(self, avatar_id: str) -> None:
        self.avatar_id = avatar_id
        super().__init__(f"{avatar_id} comes with the program and cannot be deleted.")


class AvatarLimitError(AvatarError):
    """The most uploads that are kept has been reached."""

    code = "too_many_avatars"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"All {limit} places for uploaded avatars are taken.")


class StorageError(AvatarError):
    """The disk refused to keep an avatar."""

    code = "storage_failed"

    def __init__(self) -> None:
        super().__init__("The server could not write the avatar to its disk.")


class BusyError(AvatarError):
    """Too many pictures wait to be read."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("Too many pictures are being checked at the moment.")
