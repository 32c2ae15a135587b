"""Where things live. Precedence: command line > environment > ``.env`` beside app.py > default; a bad value names its variable."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from dotenv import load_dotenv
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.errors import SpecError

ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Every variable is ``RECOLLECT_`` plus the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="RECOLLECT_", env_file=ROOT / ".env", extra="ignore")

    home: Path = Field(ROOT / "var", description="Folder of everything Recollect writes.")
    database_url: str = Field("", description="SQLAlchemy URL of the run store; empty: sqlite in home.")
    heartbeat_s: float = Field(5.0, gt=0, description="Seconds between signs of life of a running worker.")
    stale_after_s: float = Field(60.0, gt=0, description="A run without a sign of life for this long counts as interrupted.")
    demo_on_start: bool = Field(True, description="Make the bundled demo run when the library is empty.")

    offline: bool = Field(False, description="Never ask a network source; serve what the cache holds, with its age.")
    contact: str = Field("", description="E-mail address for the User-Agent that SEC EDGAR asks of every program.")
    yahoo_url: str = Field("", description="Another server that answers like Yahoo Finance; empty: Yahoo.")
    edgar_url: str = Field("", description="Another server that answers like SEC EDGAR; empty: SEC.")
    alpaca_url: str = Field("", description="Another server that answers like Alpaca's data API; empty: Alpaca.")
    finnhub_url: str = Field("", description="Another server that answers like Finnhub; empty: Finnhub.")
    alpaca_key_id: str = Field("", description="Alpaca API key id, for news.", repr=False)
    alpaca_secret_key: str = Field("", description="Alpaca API secret, for news.", repr=False)
    finnhub_key: str = Field("", description="Finnhub API key, for news.", repr=False)

    @property
    def datasets(self) -> Path:
        return self.home.absolute() / "datasets"

    @property
    def market_cache(self) -> Path:
        return self.cache / "v1"

    @property
    def store_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'runs.db'}"

    @property
    def chroma(self) -> Path:
        return self.home.absolute() / "chroma"

    @property
    def cache(self) -> Path:
        return self.home.absolute() / "cache"

    @property
    def answer_cache(self) -> Path:
        return self.cache / "answers.db"

    @property
    def model_notes(self) -> Path:
        return self.cache / "models.db"

    @property
    def prompts(self) -> Path:
        return self.home.absolute() / "prompts"

    @property
    def logs(self) -> Path:
        return self.home.absolute() / "logs"


def load_env(path: Path = ROOT / ".env") -> None:
    """What ``.env`` says becomes environment where that says nothing: OLLAMA_HOST and keys are read there, not by ``Settings``."""
    load_dotenv(path, override=False)


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    load_env()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"RECOLLECT_{str(first['loc'][0]).upper()}" if first["loc"] else "a RECOLLECT_ variable"
        raise SpecError(f"{name}: {first['msg']}; change or unset it.", field=name) from None
