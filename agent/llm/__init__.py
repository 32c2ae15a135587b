"""Chat models the agent can think with."""

from agent.llm.base import Backend
from agent.registry import Registry

BACKENDS: Registry[Backend] = Registry(
    "backend",
    {
        "rules": "agent.llm.rules:RulesBackend",
        "ollama": "agent.llm.ollama:OllamaBackend",
        "openai_compatible": "agent.llm.openai_compatible:OpenAICompatibleBackend",
    },
)
