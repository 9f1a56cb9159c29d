"""How a watch and an observer know each other over any network: both hold a token, which neither ever sends.

The question carries a number that was never used before, and proof that whoever asks holds the token; the answer
carries proof over that very number and all of its bytes: nobody in between can forge, change or repeat one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

ASKED, NONCE, PROOF = "Secondsite-Proof", "Secondsite-Nonce", "Secondsite-SignalAnswer"
LEAST_LENGTH = 16


def fresh_nonce() -> str:
    return secrets.token_hex(16)


def question_proof(token: str, nonce: str) -> str:
    return _proof(token, b"ask", nonce, b"")


def answer_proof(token: str, nonce: str, body: bytes) -> str:
    return _proof(token, b"answer", nonce, body)


def proves(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _proof(token: str, what: bytes, nonce: str, body: bytes) -> str:
    return hmac.new(token.encode(), what + b"\0" + nonce.encode() + b"\0" + body, hashlib.sha256).hexdigest()
