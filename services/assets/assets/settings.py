"""What the environment says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

POSTGRES_URL = r"^postgres(ql)?://[^/]+/[^/]+$"
HTTP_URL = r"^https?://[^/]+/"


class DatabaseSettings(BaseModel):
    """Where the database is, which is all that a migration has to know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: Annotated[str, Field(alias="ASSETS_DATABASE_URL", pattern=POSTGRES_URL)] = (
        "postgresql://assets@assets-db:5432/assets"
    )
    # Apart from the URL, so that the URL may be shown.
    database_password: Annotated[SecretStr | None, Field(alias="ASSETS_DB_PASSWORD")] = None
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL")] = (
        "INFO"
    )

    @property
    def password(self) -> str | None:
        """The database's password, in the clear."""
        return None if self.database_password is None else self.database_password.get_secret_value()


class Settings(DatabaseSettings):
    """The service's settings; each alias is the name of its environment variable."""

    folder: Annotated[Path, Field(alias="ASSETS_FOLDER")] = Path("/data")
    max_bytes: Annotated[int, Field(alias="ASSETS_MAX_BYTES", ge=1, le=2**40)] = 256 * 2**20
    owner_bytes: Annotated[int, Field(alias="ASSETS_OWNER_BYTES", ge=1, le=2**50)] = 4 * 2**30
    # Each file is a row and a name on the disk, however few bytes it has.
    owner_files: Annotated[int, Field(alias="ASSETS_OWNER_FILES", ge=1, le=1_000_000)] = 10_000
    # Databases and logs are on the same disk. The larger of the two is kept free.
    free_percent: Annotated[int, Field(alias="ASSETS_FREE_PERCENT", ge=0, le=99)] = 5
    free_bytes: Annotated[int, Field(alias="ASSETS_FREE_BYTES", ge=0, le=2**50)] = 2**30
    # A client may fall so far behind the least speed, in bytes a second; a pause is no more either.
    patience_seconds: Annotated[int, Field(alias="ASSETS_PATIENCE_SECONDS", ge=1, le=3600)] = 30
    least_speed: Annotated[int, Field(alias="ASSETS_LEAST_SPEED", ge=1, le=2**30)] = 8 * 2**10
    longest_seconds: Annotated[int, Field(alias="ASSETS_LONGEST_SECONDS", ge=1, le=86_400)] = 3600
    jwks_url: Annotated[str, Field(alias="ASSETS_JWKS_URL", pattern=HTTP_URL)] = (
        "http://gateway:8080/auth/.well-known/jwks.json"
    )
    host: Annotated[str, Field(alias="ASSETS_HOST", min_length=1)] = "0.0.0.0"  # noqa: S104  a container's own network
    port: Annotated[int, Field(alias="ASSETS_PORT", ge=1, le=65535)] = 8000
    # What is in flight at SIGTERM may take this long. Below the 10 s after which `docker stop`
    # kills; where uploads must outlive a stop, raise this and the grace of the stop together.
    stop_seconds: Annotated[int, Field(alias="ASSETS_STOP_SECONDS", ge=1, le=3600)] = 8
    service_version: Annotated[str, Field(alias="SERVICE_VERSION", min_length=1)] = "dev"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raise pydantic's `ValidationError` for a value that cannot be."""
    return Settings.model_validate(environment)
