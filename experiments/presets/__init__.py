"""Named run configs: the TOML files of ``experiments/presets``, and those of the user."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from fedrec.config.earlier import completed
from fedrec.config.keys import flat_tables
from fedrec.errors import ConfigError

FOLDER = Path(__file__).parent
FOLDERS = (FOLDER, FOLDER / "language_models")
MAX_BYTES = 4 << 20  # of a run config
TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".jsonl", ".ndjson", ".gz", ".bz2", ".xz", ".zip")


def preset_names() -> list[str]:
    """The presets there are, sorted."""
    return sorted(_files())


def about_preset(name: str) -> str:
    """What a preset is for: the comment on its first line."""
    return _files()[name].read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")


def read_preset(source: str, *, centralised: bool = False) -> dict[str, Any]:
    """The dotted keys of a preset, or of a TOML file of the user's.

    ``presets/centralised`` holds the hyperparameters that the centralised baseline changes: one
    place with all the data wants another batch size and learning rate than ten clients, and a
    comparison is fair when each is tuned in its own right.

    Args:
        source: A preset's name, or a path: whatever ends in .toml or holds a slash.
        centralised: Change a preset to what is best for one place with all the data.

    Raises:
        ConfigError: No such preset (the nearest is named), no such file, or no TOML in it.
    """
    values = _read_source(source)
    if centralised and source in preset_names():
        values |= _read_toml(FOLDER / "centralised" / f"{source}.toml")
    return values


def _files() -> dict[str, Path]:
    """The file of each preset."""
    return {path.stem: path for folder in FOLDERS for path in folder.glob("*.toml")}


def table_hint(path: Path) -> str:
    """Where a table of events goes, which is no run config."""
    return f"a table of events goes to data.source (--set data.source={path})"


def _read_source(source: str) -> dict[str, Any]:
    if (preset := _files().get(source)) is not None:
        return _read_toml(preset)
    if source.lower().endswith(TABLES):
        raise ConfigError(f"{source} is no run config: {table_hint(Path(source))}")
    if source.endswith((".yaml", ".yml", ".json")):
        raise ConfigError(f"{source}: a run config is a TOML file, as in `fedrec keys > my.toml`")
    if source.endswith(".toml") or "/" in source:
        values = _read_toml(Path(source))
        is_of_a_run = Path(source).with_name("run.json").is_file()
        return completed(values) if is_of_a_run else values
    near = difflib.get_close_matches(source, preset_names(), 1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"unknown preset {source!r}; {hint}presets are {', '.join(preset_names())}, "
        "and a file of yours ends in .toml"
    )


def _read_toml(path: Path) -> dict[str, Any]:
    return flat_tables(read_tables(path))


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, such as a run config or a grid.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # /dev/zero has no end
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path} has more than {MAX_BYTES} bytes; no run config is that long")
        tables = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
        flat_tables(tables)  # refuses what is nested too deeply
        return tables
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a TOML file or a preset") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is no UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path} nests tables or lists too deeply for a run config") from None
    except ValueError as error:  # of TOML, or a number of thousands of digits
        raise ConfigError(f"{path} is no TOML: {error}") from None
