"""Settings of both processes, from the environment, `.env` and `.automaton/local.env`.

A process reads only what it needs, says of each missing or wrong setting how to mend it, and
refuses to start when it is handed a key that could bypass row security.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import BadSetting

_BYPASSING = ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SERVICE_KEY", "SUPABASE_SECRET_KEY")
_SIGNING = ("SUPABASE_JWT_SECRET",)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _claims(token: str) -> dict[str, Any]:
    """Return what a JWT says of itself, unverified; empty when it is none."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def bypasses_row_security(key: str) -> bool:
    """Say whether this is a service key, new (`sb_secret_…`) or old (a JWT of `service_role`)."""
    return key.startswith("sb_secret_") or _claims(key).get("role") == "service_role"


def _check_url(value: str) -> str:
    if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname:
        raise ValueError("must be an address such as https://abcd.supabase.co")
    return value.rstrip("/")


def _check_key(value: SecretStr) -> SecretStr:
    if bypasses_row_security(value.get_secret_value()):
        raise ValueError("is a service key, which bypasses row security; use the publishable key")
    return value


Url = Annotated[str, AfterValidator(_check_url)]
PublishableKey = Annotated[SecretStr, AfterValidator(_check_key), Field(min_length=1)]


class DatabaseSettings(BaseSettings):
    """How a process reaches the database, and as which role."""

    model_config = SettingsConfigDict(
        env_file=(".automaton/local.env", ".env"), extra="ignore", env_ignore_empty=True
    )

    role: ClassVar[str]

    supabase_url: Url
    supabase_publishable_key: PublishableKey
    log_level: str = "INFO"

    @property
    def jwt(self) -> str:
        """The token that makes the API act as this process's role."""
        raise AssertionError("each process has a JWT of its own")

    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the settings, or raise ``BadSetting`` with one line for each that is wrong.

        ``env_file`` replaces the usual files; the environment always wins over a file.
        """
        try:
            settings = cls() if env_file is None else cls(_env_file=env_file)
        except ValidationError as error:
            raise BadSetting(
                "\n".join(_explain(cls, problem) for problem in error.errors())
            ) from None
        files = cls.model_config["env_file"] if env_file is None else (env_file,)
        settings.refuse_forbidden_keys(files)
        return settings

    def refuse_forbidden_keys(self, files: Any) -> None:
        """Raise ``BadSetting`` when a key is at hand that this process must not hold."""
        in_files = {name for file in files for name, value in dotenv_values(file).items() if value}
        for name in _BYPASSING:
            if os.environ.get(name) or name in in_files:
                raise BadSetting(
                    f"{name} is set. This process never needs a service key: unset it."
                )
        local = urlsplit(self.supabase_url).hostname in _LOOPBACK
        for name in _SIGNING:
            if os.environ.get(name) and not local:
                raise BadSetting(
                    f"{name} is set. Whoever holds it can be any role: keep it off this machine."
                )
        role = _claims(self.jwt).get("role")
        if role != self.role:
            raise BadSetting(
                f"{self.role.upper()}_JWT must be a token of role {self.role}, "
                f"not of {role or 'no role at all'}. See docs/operations.md, keys."
            )


class BotSettings(DatabaseSettings):
    """What the bot needs; see `.env.example`."""

    role: ClassVar[str] = "automaton_bot"

    automaton_bot_jwt: SecretStr
    telegram_bot_token: SecretStr = Field(min_length=1)
    telegram_api_url: Url = "https://api.telegram.org"
    upgrade_url: Url = "https://t.me/automaton_upgrade"

    @property
    def jwt(self) -> str:
        """The token of role `automaton_bot`."""
        return self.automaton_bot_jwt.get_secret_value()


class RunnerSettings(DatabaseSettings):
    """What the runner needs; see `.env.example`."""

    role: ClassVar[str] = "automaton_runner"

    automaton_runner_jwt: SecretStr
    automaton_venue: Literal["conway", "exchange"] = "conway"
    conway_api_url: Url | None = Field(default=None, validate_default=True)
    conway_api_key: SecretStr | None = Field(default=None, validate_default=True)
    exchange_id: str = "binance"
    exchange_api_key: SecretStr | None = Field(default=None, validate_default=True)
    exchange_secret: SecretStr | None = Field(default=None, validate_default=True)
    exchange_password: SecretStr = SecretStr("")
    exchange_quote: str = "USDC"
    exchange_symbols: str = "BTC-USDC,ETH-USDC"
    automaton_cycle_seconds: float = Field(default=300, gt=0)
    automaton_price_seconds: float = Field(default=5, gt=0)
    automaton_clock_speed: float = Field(default=1, gt=0, le=100_000)
    automaton_lease_seconds: int = Field(default=30, ge=5, le=600)
    automaton_capacity: int = Field(default=10_000, ge=1)
    automaton_state_dir: Path = Path(".automaton")
    inference_base_url: Url | None = None
    inference_model: str | None = None
    inference_api_key: SecretStr | None = None
    inference_daily_calls: int = Field(default=20, ge=1, le=10_000)
    inference_analyst: bool = False

    @field_validator("conway_api_url", "conway_api_key", "exchange_api_key", "exchange_secret")
    @classmethod
    def _is_there_for_its_venue(cls, value: Any, info: ValidationInfo) -> Any:
        venue = info.data.get("automaton_venue", "conway")
        if not value and str(info.field_name).startswith(venue):
            raise PydanticCustomError("missing", "is missing")
        return value

    @model_validator(mode="after")
    def _keeps_real_time_at_an_exchange(self) -> Self:
        if self.automaton_venue == "exchange" and self.automaton_clock_speed != 1:
            raise ValueError("AUTOMATON_CLOCK_SPEED must be 1 at a real exchange.")
        return self

    @property
    def wants_inference(self) -> bool:
        """Whether any of it is set; half of it is then refused by name."""
        return bool(self.inference_base_url or self.inference_model or self.inference_analyst)

    @property
    def jwt(self) -> str:
        """The token of role `automaton_runner`."""
        return self.automaton_runner_jwt.get_secret_value()


def _missing(name: str) -> str:
    return f"{name} is missing. Put it into .env; .env.example says where it comes from."


def _is_secret(cls: type[DatabaseSettings], name: str) -> bool:
    annotation = cls.model_fields[name].annotation if name in cls.model_fields else None
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _explain(cls: type[DatabaseSettings], problem: Any) -> str:
    message: str = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return _missing(name.upper())
    if _is_secret(cls, name):
        return f"{name.upper()} {message}."
    return f"{name.upper()} = {problem['input']!r}: {message}."
