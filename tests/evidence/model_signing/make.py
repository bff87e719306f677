"""Makes the golden files beside it with the real tool, OpenSSF model signing 1.1.1.

    python -m venv SCRATCH && SCRATCH/bin/pip install model-signing==1.1.1 pyopenssl
    SCRATCH/bin/python tests/evidence/model_signing/make.py

That tool is no dependency of this project. It writes the members of its JSON in no fixed order.
"""

import json
import tempfile
from pathlib import Path

from google.protobuf import json_format
from model_signing import hashing
from model_signing._signing.signing import Payload

HERE = Path(__file__).parent


def statement(model: Path, config: hashing.Config) -> str:
    """What the tool would sign."""
    return json_format.MessageToJson(Payload(config.hash(model)).statement.pb) + "\n"


def main() -> None:
    everything = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "tiny"
        for name, text in json.loads((HERE / "files.json").read_text()).items():
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(text)
        (HERE / "folder.json").write_text(statement(model, everything))
        (HERE / "file.json").write_text(statement(model / "config.json", everything))
        (HERE / "ignores-git.json").write_text(statement(model, hashing.Config()))


if __name__ == "__main__":
    main()
