"""Which addresses a client may make this server send packets to. Pure."""

import ipaddress
from dataclasses import dataclass
from typing import Final

MAX_REMOTE_CANDIDATES: Final = 16
_METADATA: Final = ipaddress.ip_address("fd00:ec2::254")  # its IPv4 counterpart is link-local


@dataclass(frozen=True, slots=True)
class CandidatePolicy:
    """Checks go to any address a client names; this keeps them from being a port scanner.

    Refused: link-local, multicast, unspecified and reserved addresses, cloud metadata services, and
    host names (``.local`` too: such clients reach us, and are known by their address then).

    Attributes:
        include_loopback: clients on this machine are welcome at 127.0.0.1.
    """

    include_loopback: bool = False

    def allows(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_loopback:
            return self.include_loopback
        return not (
            address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or (address.is_reserved and address.version == 4)
            or address == _METADATA
        )
