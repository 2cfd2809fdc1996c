"""Keys and tokens: who a request speaks for, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from common.errors import BadSetting
from local.gateway.auth import Keys
from local.gateway.errors import ApiError

SECRET = "s" * 40
PUBLISHABLE = "sb_publishable_local"
NOW = 1_800_000_000


def make_signing_key(key_id: str = "first") -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    return {**ECAlgorithm.to_jwk(key, as_dict=True), "kid": key_id}


def public_part(signing_key: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in signing_key.items() if name != "d"}


def make_keys(**given_keys: Any) -> Keys:
    given_keys.setdefault("secret", SECRET)
    given_keys.setdefault("publishable", [PUBLISHABLE])
    return Keys(clock=lambda: NOW, **given_keys)


def refusal(keys: Keys, token: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        keys.verify(token)
    assert caught.value.status == 401
    return caught.value


def test_publishable_key_as_bearer_means_anon() -> None:
    claims = make_keys().verify(PUBLISHABLE)
    assert claims.role == "anon"
    assert claims.exp is None
    assert claims.anonymous


def test_minted_token_verifies_with_role_expiry_and_claims() -> None:
    keys = make_keys()
    claims = keys.verify(keys.mint("automaton_bot", valid_for_seconds=60, sub="bot"))
    assert claims.role == "automaton_bot"
    assert claims.exp == NOW + 60
    assert claims.raw["sub"] == "bot"
    assert not claims.anonymous


def test_es256_token_verifies_with_the_public_key_of_its_key_id() -> None:
    first, second = make_signing_key("first"), make_signing_key("second")
    issuer = make_keys(secret=None, signing_key=second)
    verifier = make_keys(secret=None, jwks={"keys": [public_part(first), public_part(second)]})
    token = issuer.mint("authenticated", valid_for_seconds=60, algorithm="ES256")
    assert jwt.get_unverified_header(token)["kid"] == "second"
    assert verifier.verify(token).role == "authenticated"


def test_es256_token_with_unknown_key_id_is_refused() -> None:
    token = make_keys(signing_key=make_signing_key("other")).mint(
        "authenticated", valid_for_seconds=60, algorithm="ES256"
    )
    error = refusal(make_keys(jwks={"keys": [public_part(make_signing_key("first"))]}), token)
    assert error.code == "PGRST301"
    assert error.details == "No suitable key was found to decode the JWT"


def test_public_key_used_as_shared_secret_is_refused() -> None:
    signing_key = make_signing_key()
    public = jwt.PyJWK(public_part(signing_key)).key
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, {"role": "service_role"})
    )
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = base64.urlsafe_b64encode(algorithm.sign(body, pem)).rstrip(b"=")
    token = (body + b"." + signature).decode()
    for secret in (SECRET, None):
        keys = make_keys(secret=secret, jwks={"keys": [public_part(signing_key)]})
        assert refusal(keys, token).code == "PGRST301"


def test_unsigned_token_is_refused() -> None:
    token = jwt.encode({"role": "service_role"}, "", algorithm="none")
    error = refusal(make_keys(), token)
    assert error.code == "PGRST301"
    assert error.message == "Wrong or unsupported encoding algorithm"


@pytest.mark.parametrize("header", [{}, {"alg": []}, {"alg": None}, {"alg": "HS256", "kid": 1}, []])
def test_token_with_a_strange_header_is_refused(header: object) -> None:
    parts = (json.dumps(header).encode(), b'{"role":"anon"}', b"signature")
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    assert refusal(make_keys(), token).code == "PGRST301"


def test_token_of_another_secret_is_refused() -> None:
    token = make_keys(secret="t" * 40).mint("authenticated", valid_for_seconds=60)
    error = refusal(make_keys(), token)
    assert error.code == "PGRST301"
    assert error.details == "None of the keys was able to decode the JWT"


def test_token_with_altered_claims_is_refused() -> None:
    header, _, signature = make_keys().mint("authenticated", valid_for_seconds=60).split(".")
    forged = base64.urlsafe_b64encode(b'{"role":"service_role"}').rstrip(b"=").decode()
    assert refusal(make_keys(), f"{header}.{forged}.{signature}").code == "PGRST301"


@pytest.mark.parametrize(
    ("claim", "value", "message"),
    [
        ("exp", NOW - 31, "JWT expired"),
        ("nbf", NOW + 31, "JWT not yet valid"),
        ("iat", NOW + 31, "JWT issued at future"),
        ("exp", "soon", "The JWT 'exp' claim must be a number"),
        ("exp", True, "The JWT 'exp' claim must be a number"),
        ("exp", float("inf"), "The JWT 'exp' claim must be a number"),
    ],
)
def test_claim_outside_the_clock_skew_is_refused(claim: str, value: object, message: str) -> None:
    token = jwt.encode({"role": "authenticated", claim: value}, SECRET, algorithm="HS256")
    error = refusal(make_keys(), token)
    assert (error.code, error.message) == ("PGRST303", message)


@pytest.mark.parametrize(("claim", "value"), [("exp", NOW - 30), ("nbf", NOW + 30)])
def test_claim_inside_the_clock_skew_is_accepted(claim: str, value: int) -> None:
    token = jwt.encode({"role": "authenticated", claim: value}, SECRET, algorithm="HS256")
    assert make_keys().verify(token).role == "authenticated"


def test_token_without_role_speaks_for_anon() -> None:
    token = jwt.encode({"sub": "1"}, SECRET, algorithm="HS256")
    assert make_keys().verify(token).anonymous


@pytest.mark.parametrize(
    "token", ["", "abc", "a.b", "a.b.c.d", "a.b.c", "é.ü.ß", "sb_publishable_x"]
)
def test_token_that_is_no_jwt_is_refused(token: str) -> None:
    assert refusal(make_keys(), token).code == "PGRST301"


def test_payload_that_is_no_object_is_refused() -> None:
    token = jwt.api_jws.encode(b"[1]", SECRET.encode(), algorithm="HS256")
    assert refusal(make_keys(), token).message == "Parsing claims failed"


@settings(deadline=None)
@given(st.text())
def test_any_text_as_token_is_refused_and_never_crashes(token: str) -> None:
    assert refusal(make_keys(), token).code in {"PGRST301", "PGRST303"}


def test_missing_api_key_is_refused_as_by_the_hosted_gateway() -> None:
    with pytest.raises(ApiError, match="No API key found in request") as caught:
        make_keys().authenticate(None, f"Bearer {PUBLISHABLE}")
    assert caught.value.status == 401


def test_minted_token_as_api_key_is_refused() -> None:
    keys = make_keys()
    token = keys.mint("automaton_bot", valid_for_seconds=60)
    with pytest.raises(ApiError, match="Invalid API key"):
        keys.authenticate(token, f"Bearer {token}")


def test_legacy_anon_token_opens_the_gateway() -> None:
    keys = make_keys()
    anon = keys.mint("anon", valid_for_seconds=60)
    assert keys.authenticate(anon, None).role == "anon"
    bearer = keys.mint("authenticated", valid_for_seconds=60)
    assert keys.authenticate(anon, f"bearer {bearer}").role == "authenticated"


def test_empty_bearer_token_is_refused() -> None:
    with pytest.raises(ApiError, match="Empty JWT"):
        make_keys().authenticate(PUBLISHABLE, "Bearer ")


def test_short_secret_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match="SUPABASE_JWT_SECRET"):
        Keys(secret="short")


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "RSA", "alg": "RS256", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "oct", "k": "AAAA", "alg": "HS512"},
        {"kty": "oct", "k": "AAAA", "alg": "ES256"},
        {},
    ],
)
def test_key_of_another_kind_is_a_bad_setting(key: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        Keys(jwks={"keys": [key]})


def test_minting_without_a_key_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match="ES256"):
        make_keys().mint("anon", valid_for_seconds=1, algorithm="ES256")


def test_secrets_stay_out_of_representations() -> None:
    keys = make_keys(signing_key=make_signing_key())
    claims = keys.verify(keys.mint("anon", valid_for_seconds=60, sub="hidden"))
    assert "hidden" not in repr(claims)
    assert SECRET not in repr(keys._keys)
