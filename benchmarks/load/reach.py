"""Opens connections to the target, and says in words why none could be opened."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from benchmarks.load.plan import Target

PATIENCE_S = 5.0
"""A TLS handshake may take so long; a first connection twice that, all in all."""


async def reach(
    target: Target, protocol: Callable[[], asyncio.Protocol], within_s: float | None
) -> None:
    """Open one connection; raises OSError, TimeoutError among them."""
    async with asyncio.timeout(within_s):
        await asyncio.get_running_loop().create_connection(
            protocol,
            target.host,
            target.port,
            ssl=target.tls or None,
            ssl_handshake_timeout=PATIENCE_S if target.tls else None,
        )


def reason(target: Target, error: OSError | None) -> str:
    """Why there is no connection; None where there was one that did not stay open."""
    match error:
        case None:
            return "it closes connections at once"
        case socket.gaierror():
            return f"host {target.host!r}: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS at port {target.port} ({error.reason}); expected with https://"
        case TimeoutError():
            return f"no connection within {2 * PATIENCE_S:g} s"
        case ConnectionAbortedError() | ConnectionResetError() if target.tls:
            return f"no TLS at port {target.port} within {PATIENCE_S:g} s; expected with https://"
    return (error.strerror or str(error) or "it closed the connection").lower()
