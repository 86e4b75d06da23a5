"""What AMQP 0-9-1 frames are made of."""

from __future__ import annotations

from struct import Struct

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
"""Kinds of frames."""
FRAME = Struct(">BHI")
"""Kind, channel, and bytes of the payload, which follows; `END` closes the frame."""
PAYLOAD_AT = FRAME.size
OVERHEAD = FRAME.size + 1
"""Bytes of a frame that are not its payload."""
END = b"\xce"
ORDINARY = 131_072
"""The longest frame that brokers take unless they are told otherwise."""
SIGN_OF_LIFE = FRAME.pack(HEARTBEAT, 0, 0) + END
