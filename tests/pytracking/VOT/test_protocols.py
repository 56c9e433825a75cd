import pytest

from ltr.common.errors import InputError
from pytracking.VOT.protocols import PROTOCOLS, list_protocols, read_protocol

# Intervals as the challenges' reports give them.
INTERVALS = {"vot2016": (108, 371), "vot2017": (100, 356), "vot2018": (100, 356), "vot2019": (46, 291)}


@pytest.mark.parametrize("year", INTERVALS)
def test_years(year):
    protocol = read_protocol(year)
    assert protocol.dataset == protocol.name == year
    assert protocol.eao_interval == INTERVALS[year]
    assert (protocol.sensitivity, protocol.burn_in) == (100, 10)
    baseline = protocol.experiment("baseline")
    assert (baseline.repetitions, baseline.restart_after, baseline.failure_overlap, baseline.fps) == (15, 5, 0, None)
    if year != "vot2016":
        assert (protocol.experiment("realtime").fps, protocol.experiment("realtime").grace) == (20, 3)


def test_every_file_is_a_protocol():
    assert set(list_protocols()) == set(INTERVALS)


def test_unknown_names():
    with pytest.raises(InputError, match="unknown VOT protocol 'vot2081'; did you mean 'vot2018'"):
        read_protocol("vot2081")
    with pytest.raises(InputError, match="unknown experiment of vot2016 'realtime'"):
        read_protocol("vot2016").experiment("realtime")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("burn_in", "burnin", "unknown key 'burnin'; did you mean 'burn_in'"),
        ("fps = 20", "fsp = 20", "unknown key 'fsp'; did you mean 'fps'"),
        ("fps = 20", "fps = 0", "realtime.fps: expected a positive number, found 0"),
        ("restart_after = 5", "restart_after = 0", "baseline.restart_after: expected at least 1, found 0"),
        ("[100, 356]", "[100, 56]", "expected 1 < lowest <= highest, found 100 and 56"),
        ("sensitivity = 100", "", "expected the key 'sensitivity'"),
        ("[baseline]", "[baseline", "cannot be read"),
    ],
)
def test_wrong_files(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text((PROTOCOLS / "vot2018.toml").read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_protocol(str(path))
