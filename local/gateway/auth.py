"""Who is asking: API keys and JWTs, checked as hosted Supabase and PostgREST check them.

A request carries two things. The ``apikey`` opens the gateway and is a publishable key or the
legacy anon JWT. The bearer token names the Postgres role; a client without a session sends its
publishable key there too, which means ``anon``. The role is only *named* here: whether it may
be taken is decided by Postgres, which lets ``authenticator`` switch to the roles it was granted.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jwt

from common.errors import BadSetting
from local.gateway.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CLOCK_SKEW_SECONDS: Final = 30
"""How far clocks may differ before a token counts as expired or not yet valid."""

_SHORTEST_SECRET_BYTES: Final = 32
_REMEMBERED_TOKENS: Final = 1000
_LEGACY_KEY_ROLES: Final = frozenset({"anon", "service_role"})
_KEY_TYPES: Final = {"HS256": "oct", "ES256": "EC"}


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token: the role it names, its expiry (Unix seconds) and all its claims."""

    role: str
    exp: int | None
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def anonymous(self) -> bool:
        """Whether nobody in particular is asking."""
        return self.role == "anon"

    def expired(self, now: float) -> bool:
        """Whether the token is over at ``now`` (Unix seconds), clock skew allowed for."""
        return self.exp is not None and now - CLOCK_SKEW_SECONDS > self.exp


@dataclass(frozen=True, slots=True)
class _Key:
    algorithm: str
    key_id: str | None
    material: jwt.PyJWK = field(repr=False)

    def suits(self, algorithm: str, key_id: str | None) -> bool:
        same_id = key_id is None or self.key_id is None or key_id == self.key_id
        return self.algorithm == algorithm and same_id


class Keys:
    """Every key the gateway knows: publishable ones, the shared secret and public keys.

    ``secret`` verifies and mints HS256. ``jwks`` is a JSON Web Key Set whose EC keys verify
    ES256, chosen by the token's key id. ``signing_key`` is a private EC key as a JWK and mints
    ES256. An algorithm only ever meets a key made for it, whatever the token's header claims.
    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        publishable: Iterable[str] = (),
        jwks: Mapping[str, Any] | None = None,
        signing_key: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._publishable = frozenset(publishable)
        self._clock = clock
        self._keys: list[_Key] = []
        self._secret: _Key | None = None
        self._signing_key: _Key | None = None
        if secret is not None:
            if len(secret.encode()) < _SHORTEST_SECRET_BYTES:
                raise BadSetting(
                    f"SUPABASE_JWT_SECRET must have at least {_SHORTEST_SECRET_BYTES} bytes; "
                    "make one with: openssl rand -hex 32"
                )
            encoded = jwt.utils.base64url_encode(secret.encode()).decode()
            self._secret = _read_key({"kty": "oct", "k": encoded, "alg": "HS256"})
            self._keys.append(self._secret)
        if signing_key is not None:
            self._signing_key = _read_key({**signing_key, "alg": "ES256"})
            public = {name: part for name, part in signing_key.items() if name != "d"}
            self._keys.append(_read_key({**public, "alg": "ES256"}))
        for key in (jwks or {}).get("keys", ()):
            self._keys.append(_read_key(key))
        # A signature stays right or wrong; only the claims have to be looked at every time.
        self._payload = lru_cache(maxsize=_REMEMBERED_TOKENS)(self._verified_payload)

    def verify(self, token: str) -> Claims:
        """Return the claims of a bearer token.

        Raises ``ApiError`` 401: PGRST301 for a token that cannot be trusted, PGRST303 for one
        that could be but is expired, not yet valid or malformed in a claim.
        """
        if token in self._publishable:
            return Claims("anon", None, {"role": "anon"})
        claims = self._payload(token)
        now = self._clock()
        if (expires := _seconds(claims, "exp")) is not None and now - CLOCK_SKEW_SECONDS > expires:
            raise _claims_error("JWT expired")
        if (not_before := _seconds(claims, "nbf")) is not None and _is_ahead(not_before, now):
            raise _claims_error("JWT not yet valid")
        if (issued := _seconds(claims, "iat")) is not None and _is_ahead(issued, now):
            raise _claims_error("JWT issued at future")
        role = claims.get("role", "anon")
        name = role if isinstance(role, str) else json.dumps(role)
        return Claims(name, expires, {**claims, "role": name})

    def authenticate(self, api_key: str | None, authorization: str | None) -> Claims:
        """Check the ``apikey`` and return who the ``Authorization`` header speaks for.

        Raises ``ApiError`` 401, with the sentence of Supabase's API gateway for a missing or
        unknown key and with PostgREST's for the token.
        """
        if not api_key:
            raise ApiError(
                401,
                "401",
                "No API key found in request",
                hint="No `apikey` request header or url param was found.",
            )
        if not self._opens(api_key):
            raise ApiError(
                401,
                "401",
                "Invalid API key",
                hint="Double check your Supabase publishable or anon API key.",
            )
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return self.verify(api_key)
        return self.verify(token.strip())

    def mint(
        self,
        role: str,
        *,
        valid_for_seconds: float,
        algorithm: str = "HS256",
        **claims: Any,
    ) -> str:
        """Return a token for ``role``. Needs the secret (HS256) or the signing key (ES256)."""
        key = self._secret if algorithm == "HS256" else self._signing_key
        if key is None or key.algorithm != algorithm:
            raise BadSetting(f"There is no key to sign {algorithm} tokens with.")
        now = int(self._clock())
        payload = {"role": role, "iat": now, "exp": int(now + valid_for_seconds), **claims}
        headers = {"kid": key.key_id} if key.key_id else None
        return jwt.encode(payload, key.material, algorithm=algorithm, headers=headers)

    def _opens(self, api_key: str) -> bool:
        if any(secrets.compare_digest(api_key.encode(), key.encode()) for key in self._publishable):
            return True
        try:
            return self.verify(api_key).role in _LEGACY_KEY_ROLES
        except ApiError:
            return False

    def _verified_payload(self, token: str) -> dict[str, Any]:
        if not token:
            raise _decode_error("Empty JWT is sent in Authorization header")
        if (parts := token.count(".") + 1) != 3:  # noqa: PLR2004 - header, payload, signature
            raise _decode_error(f"Expected 3 parts in JWT; got {parts}")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _decode_error("JWT cryptographic operation failed") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in _KEY_TYPES:
            raise _decode_error("Wrong or unsupported encoding algorithm")
        suitable = [key for key in self._keys if key.suits(algorithm, header.get("kid"))]
        for key in suitable:
            try:
                payload = jwt.api_jws.decode(token, key.material, algorithms=[algorithm])
            except jwt.InvalidTokenError:
                continue
            return _object(payload)
        raise _decode_error(
            "No suitable key or wrong key type",
            "None of the keys was able to decode the JWT"
            if suitable
            else "No suitable key was found to decode the JWT",
        )


def _read_key(data: Mapping[str, Any]) -> _Key:
    """Read a JWK; its type fixes the one algorithm it may ever be used with."""
    try:
        key = jwt.PyJWK(dict(data))
    except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError) as error:
        raise BadSetting(f"A JSON Web Key cannot be read: {error}") from None
    algorithm = key.algorithm_name
    if _KEY_TYPES.get(algorithm) != key.key_type:
        raise BadSetting(f"Keys for {algorithm} are not supported; use HS256 or ES256.")
    return _Key(algorithm, key.key_id, key)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise _claims_error("Parsing claims failed")
    return claims


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _claims_error(f"The JWT '{name}' claim must be a number")
    return int(value)


def _is_ahead(moment: int, now: float) -> bool:
    return now + CLOCK_SKEW_SECONDS < moment


def _decode_error(message: str, details: str | None = None) -> ApiError:
    return _token_error("PGRST301", message, details)


def _claims_error(message: str) -> ApiError:
    return _token_error("PGRST303", message, None)


def _token_error(code: str, message: str, details: str | None) -> ApiError:
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return ApiError(401, code, message, details=details, headers={"WWW-Authenticate": challenge})
