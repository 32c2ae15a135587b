"""What can be set about an Ollama model: the form, the validation and the documentation of the backend come from here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.llm.base import WAYS
from agent.llm.ollama_wire import address

_DURATION = r"-?\d+|-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+"


class OllamaOptions(BaseModel):
    """Where the model is served and how it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str = Field(
        default="qwen3:8b", min_length=1, max_length=200, description="Model name as `ollama list` shows it, for example qwen3:8b."
    )
    base_url: str = Field(
        default="",
        max_length=500,
        description="Address of the server; empty takes OLLAMA_HOST or OLLAMA_BASE_URL, else http://127.0.0.1:11434.",
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 always takes the most likely word.")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Sample only from the most likely words that together have this probability.")
    top_k: int = Field(default=40, ge=0, le=1000, description="Sample only from this many most likely words; 0 = all.")
    repeat_penalty: float = Field(default=1.0, ge=0.5, le=2, description="Above 1 makes repeated words less likely.")
    num_ctx: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="Window in tokens for question and answer together; 0 = the smallest that holds the run's longest question.",
    )
    num_predict: int = Field(default=1024, ge=1, le=131_072, description="Longest answer in tokens, thinking included.")
    think: Literal["off", "on", "low", "medium", "high"] = Field(
        default="off", description="Let a thinking model think before it answers; costs num_predict."
    )
    structured: Literal["auto", "think + schema", "think, then schema", "schema", "json", "free"] = Field(
        default="auto", description="How answers are bound to their form; auto = the best way that a small test shows to work."
    )
    keep_alive: str = Field(
        default="10m",
        pattern=f"^({_DURATION})$",
        description="How long the model stays loaded after an answer: 10m, 1h, or seconds; -1 = for ever.",
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=120, description="Seconds until a connection must stand.")
    read_timeout_s: float = Field(default=120.0, gt=0, le=3600, description="Longest silence in seconds once the answer has begun.")
    first_token_timeout_s: float = Field(
        default=600.0, gt=0, le=7200, description="Seconds until the first word: queue, loading and reading the prompt."
    )
    total_timeout_s: float = Field(default=900.0, gt=0, le=14_400, description="Seconds for one answer with all its retries.")
    day_timeout_s: float = Field(
        default=3600.0, ge=0, le=86_400, description="Seconds for all answers about one session of one ticker together; 0 = no limit."
    )
    retries: int = Field(default=2, ge=0, le=10, description="How often to ask again after a broken connection or a busy server.")
    parallel: int = Field(
        default=1, ge=1, le=64, description="Questions to this model at once; more than OLLAMA_NUM_PARALLEL only wait on the server."
    )

    @field_validator("model", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return address(value) if value.strip() else ""

    @field_validator("num_ctx")
    @classmethod
    def _a_window(cls, value: int) -> int:
        if 0 < value < 16:
            raise ValueError("num_ctx must be 0 (sized automatically) or at least 16")
        return value

    @model_validator(mode="after")
    def _thinking_ways_think(self) -> OllamaOptions:
        if self.structured in WAYS[:2] and self.think == "off":
            raise ValueError(f"structured {self.structured!r} needs think to be on")
        return self
