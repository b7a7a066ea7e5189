"""What run.json says of the weights that a run starts from."""

from pathlib import Path

from fedrec.config.config import Config
from fedrec.config.start_file import COPY, start_file, start_sha256
from fedrec.errors import ConfigError
from fedrec.runs.record import read_about


def start_record(path: Path, config: Config) -> dict[str, str]:
    """Record of the weights that a run starts from: where they lay, and their sha256; or empty.

    Args:
        path: Folder of the run, which may hold a copy of them already.
        config: Config of the run.

    Raises:
        ConfigError: They lie where the run would remove them.
        DataError: They cannot be read.
    """
    value = config.run.start_from
    if not value:
        return {}
    source = value
    if Path(value) == path / COPY:  # a run that begins again, without a checkpoint
        source = (read_about(path).get("start_from") or {}).get("source", value)
    elif start_file(value).parent == path:
        raise ConfigError(
            f"run.start-from = {value!r} lies in the run's own folder, which is about to be "
            "emptied; choose another folder with --out or run.dir"
        )
    return {"source": source, "sha256": start_sha256(value)}
