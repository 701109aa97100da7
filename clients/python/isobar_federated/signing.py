"""HTTP Message Signatures (RFC 9421) with Ed25519, and Content-Digest (RFC 9530), as far as runs want them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Optional
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIGNATURE_SECONDS = 120
_DEFAULT_PORTS = {"http": 80, "https": 443}


def public_key_of(key: Ed25519PrivateKey) -> str:
    """Its 32 bytes in base64url, without padding."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def new_nonce() -> str:
    return secrets.token_urlsafe(18)


def content_digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def authority_of(url: str) -> str:
    """Host as in the URL, lower case, without a default port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def signature_headers(
    key: Ed25519PrivateKey,
    keyid: str,
    method: str,
    url: str,
    digest: Optional[str],
    created: int,
    nonce: Optional[str],
) -> dict[str, str]:
    """The two headers that sign a request; `digest` is its Content-Digest, where it has a body."""
    parts = urlsplit(url)
    components = {
        "@method": method,
        "@authority": authority_of(url),
        "@path": parts.path or "/",
        "@query": f"?{parts.query}",
    }
    if digest is not None:
        components["content-digest"] = digest
    names = " ".join(f'"{name}"' for name in components)
    parameters = f'({names});created={created};expires={created + SIGNATURE_SECONDS};keyid="{keyid}";alg="ed25519"'
    if nonce is not None:
        parameters += f';nonce="{nonce}"'
    lines = [f'"{name}": {value}' for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(key.sign(base.encode())).decode()
    return {"signature-input": f"sig1={parameters}", "signature": f"sig1=:{signature}:"}
