"""What the environment says."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """The service's settings; each alias is the name of its environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: Annotated[
        str, Field(alias="NOTES_DATABASE_URL", pattern=r"^mongodb(\+srv)?://[^/]+")
    ] = "mongodb://notes-db:27017"
    database_name: Annotated[
        str, Field(alias="NOTES_DATABASE_NAME", pattern=r"^[A-Za-z0-9_-]{1,63}$")
    ] = "notes"
    jwks_url: Annotated[str, Field(alias="NOTES_JWKS_URL", pattern=r"^https?://[^/]+")] = (
        "http://gateway:8080/auth/.well-known/jwks.json"
    )
    catch_up_seconds: Annotated[float, Field(alias="NOTES_CATCH_UP_SECONDS", ge=0.05, le=3600)] = 30
    max_notes_of_owner: Annotated[
        int, Field(alias="NOTES_MAX_NOTES_OF_OWNER", ge=1, le=1_000_000)
    ] = 10_000
    max_searched: Annotated[int, Field(alias="NOTES_MAX_SEARCHED", ge=1, le=100_000)] = 2000
    max_listeners: Annotated[int, Field(alias="NOTES_MAX_LISTENERS", ge=0, le=10_000)] = 200
    max_listeners_of_address: Annotated[
        int, Field(alias="NOTES_MAX_LISTENERS_OF_ADDRESS", ge=0, le=10_000)
    ] = 20
    host: Annotated[str, Field(alias="NOTES_HOST", min_length=1)] = "0.0.0.0"  # noqa: S104  a container's own network
    port: Annotated[int, Field(alias="NOTES_PORT", ge=1, le=65535)] = 8000
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = (
        "INFO"
    )
    service_version: Annotated[str, Field(alias="SERVICE_VERSION", min_length=1)] = "dev"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raise pydantic's `ValidationError` for a value that cannot be."""
    return Settings.model_validate(environment)
