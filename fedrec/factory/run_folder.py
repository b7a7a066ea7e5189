"""From a run config to the folder of its run."""

from datetime import datetime
from pathlib import Path

from fedrec.config.config import Config
from fedrec.config.values.choices import sources_in
from fedrec.errors import ConfigError
from fedrec.files.home import home


def run_path(config: Config) -> Path:
    """The folder of a run: ``run.dir``, or one named after it under ``$FEDREC_HOME/runs``."""
    if config.run.dir:
        path = Path(config.run.dir)
        if not path.is_absolute():
            raise ConfigError(
                f"run.dir must be an absolute path, got {config.run.dir!r}: Flower's service "
                "runs in a folder of its own"
            )
        return path
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    sources = [Path(one.partition(":")[0]).name for one in sources_in(config.data.source)]
    data = "-".join(name.removesuffix(".zip") for name in sources)
    return home() / "runs" / (config.run.name or f"{data}-{config.strategy.name}-{stamp}")
