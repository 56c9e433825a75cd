"""Where the files of networks are."""

from pathlib import Path

from ltr.common.environment import env_settings


def find_network(name: str | Path) -> Path:
    """File of a network, looked for in the folders of `network_path` and the package unless the path is absolute.

    A conversion beside it counts. Where none exists this is the first place, for the loader to report.
    """
    from ltr.admin.checkpoint import conversion_of
    from ltr.weights import FOLDER

    path = Path(name).expanduser()
    if path.is_absolute():
        return path
    places = [*(folder / path for folder in env_settings().network_path), FOLDER / path]
    return next((place for place in places if place.is_file() or conversion_of(place).is_file()), places[0])
