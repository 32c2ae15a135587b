"""A run's export as one file to take away."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from services import exports


def zipped(run: str) -> bytes:
    """The folder of ``services.exports.export`` as a zip with one folder named after the run."""
    body = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        exports.export(run, Path(folder) / run)
        for path in sorted((Path(folder) / run).iterdir()):
            archive.write(path, f"{run}/{path.name}")
    return body.getvalue()
