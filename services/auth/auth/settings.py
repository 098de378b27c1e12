"""What the environment says."""

import binascii
import sys
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

SEED_BYTES = 32


def seeds_of(text: Any) -> tuple[bytes, ...]:
    """Read signing keys: seeds of Ed25519 in base64url, separated by commas."""
    try:
        seeds = tuple(urlsafe_b64decode(f"{part.strip()}==") for part in str(text).split(","))
    except (binascii.Error, ValueError):
        raise ValueError("must be base64url, keys separated by commas") from None
    if any(len(seed) != SEED_BYTES for seed in seeds):
        raise ValueError(f"each key must have {SEED_BYTES} bytes")
    return seeds


class DatabaseSettings(BaseModel):
    """The part that a migration needs; each alias is the name of its environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: Annotated[
        str, Field(alias="AUTH_DATABASE_URL", pattern=r"^postgres(ql)?://[^/]+/.+")
    ] = "postgresql://auth@auth-db:5432/auth"
    database_password: Annotated[SecretStr, Field(alias="AUTH_DB_PASSWORD")] = SecretStr("")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = (
        "INFO"
    )
    service_version: Annotated[str, Field(alias="SERVICE_VERSION", min_length=1)] = "dev"

    def conninfo(self, **parameters: Any) -> str:
        """Say how to connect: the URL, the password that is kept apart from it, and what is added."""
        if password := self.database_password.get_secret_value():
            parameters["password"] = password
        return make_conninfo(self.database_url, application_name="auth", **parameters)


class Settings(DatabaseSettings):
    """The service's settings. A hash takes its memory from the container's, so both are bounded."""

    signing_keys: Annotated[
        tuple[bytes, ...], BeforeValidator(seeds_of), Field(alias="AUTH_SIGNING_KEYS", repr=False)
    ]
    argon2_memory_kib: Annotated[
        int, Field(alias="AUTH_ARGON2_MEMORY_KIB", ge=1024, le=48 * 1024)
    ] = 19 * 1024
    argon2_passes: Annotated[int, Field(alias="AUTH_ARGON2_PASSES", ge=1, le=10)] = 2
    argon2_lanes: Annotated[int, Field(alias="AUTH_ARGON2_LANES", ge=1, le=4)] = 1
    hashes_at_once: Annotated[int, Field(alias="AUTH_HASHES_AT_ONCE", ge=1, le=3)] = 2
    host: Annotated[str, Field(alias="AUTH_HOST", min_length=1)] = "0.0.0.0"  # noqa: S104  a container's own network
    port: Annotated[int, Field(alias="AUTH_PORT", ge=1, le=65535)] = 8000


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raise pydantic's `ValidationError` for a value that cannot be."""
    return Settings.model_validate(environment)


def refusal(error: ValidationError) -> int:
    """Name on stderr each setting that is wrong, never its value, which may be a secret."""
    for fault in error.errors(include_url=False, include_input=False):
        sys.stderr.write(f"setting {fault['loc'][0]}: {fault['msg']}\n")
    return 2
