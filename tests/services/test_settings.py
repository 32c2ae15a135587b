"""Where settings come from: the environment wins over ``.env``, and ``.env`` reaches those that read the environment themselves."""

import os

from services.settings import load_env


def test_env_file_reaches_ollama_and_keys_and_never_overrides_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://said:1")
    monkeypatch.setenv("OPENAI_API_KEY", "so that it is put back as it was")
    monkeypatch.delenv("OPENAI_API_KEY")
    file = tmp_path / ".env"
    file.write_text("OLLAMA_HOST=http://file:2\nOPENAI_API_KEY=from-the-file\n", encoding="utf-8")
    load_env(file)
    assert os.environ["OLLAMA_HOST"] == "http://said:1" and os.environ["OPENAI_API_KEY"] == "from-the-file"


def test_no_env_file_is_no_error(tmp_path):
    load_env(tmp_path / ".env")
