"""Names of pytracking that are known and not supported: they are refused by name, and nothing is guessed beside."""

from collections.abc import Iterable, Mapping

from ltr.common.errors import InputError, listed, unknown_name

METHODS = "DiMP, SuperDiMP, PrDiMP and RT-MDNet"  # what is supported

# Constructors that network files may name, and the methods whose networks they build.
NETWORKS = {
    "dimpnet50_simple": "SuperDiMPSimple",
    "L2dimpnet18": "L2-DiMP",
    "L2dimpnet50": "L2-DiMP",
    "atom_resnet18": "ATOM",
    "atom_resnet50": "ATOM",
    "kysnet_res50": "KYS",
    "target_candidate_matching_net_resnet50": "KeepTrack",
    "tompnet50": "ToMP",
    "tompnet101": "ToMP",
    "tamosnet_resnet50": "TaMOs",
    "tamosnet_swin_base": "TaMOs",
    "steepest_descent_resnet50": "LWL or RTS",
    "steepest_descent_resnet50_with_clf_encoder": "RTS",
}
TRACKERS = {
    "atom": "ATOM",
    "dimp_simple": "SuperDiMPSimple",
    "eco": "ECO",
    "keep_track": "KeepTrack",
    "kys": "KYS",
    "lwl": "LWL",
    "lwtl": "LWL",
    "rts": "RTS",
    "segm": "D3S",
    "sta": "STA",
    "tamos": "TaMOs",
    "tomp": "ToMP",
}
# Parameter files of these trackers whose names say which they are, and settings of their trainings.
PARAMETERS = {
    "atom_gmm_sampl": "ATOM",
    "atom_prob_ml": "ATOM",
    "multiscale_no_iounet": "ATOM",
    "super_dimp_simple": "SuperDiMPSimple",
    "mobile3": "ECO",
    "default_fast": "KeepTrack",
    "lwl_boxinit": "LWL",
    "lwl_ytvos": "LWL",
    "lwtl_boxinit": "LWL",
    "lwtl_ytvos": "LWL",
    "rts50": "RTS",
    "sta_davis": "STA",
    "sta_ytvos": "STA",
    "tamos_resnet50": "TaMOs",
    "tamos_swin_base": "TaMOs",
    "tomp50": "ToMP",
    "tomp101": "ToMP",
}
TRAININGS = {**TRACKERS, **PARAMETERS, "bbreg": "ATOM"}  # by module or by settings
DATASETS = {
    "avist": "AVisT",
    "dv2016_val": "DAVIS",
    "dv2017_val": "DAVIS",
    "dv2017_test_dev": "DAVIS",
    "dv2017_test_chal": "DAVIS",
    "yt2018_jjval": "YouTube-VOS",
    "yt2018_valid_all": "YouTube-VOS",
    "yt2019_jjval": "YouTube-VOS",
    "yt2019_jjval_all": "YouTube-VOS",
    "yt2019_test": "YouTube-VOS",
    "yt2019_valid": "YouTube-VOS",
    "yt2019_valid_all": "YouTube-VOS",
    "trackingnetvos": "TrackingNet with masks",
    "got10kvos_val": "GOT-10k with masks",
    "lasotvos": "LaSOT with masks",
    "got10k_ltrval": "GOT-10k's training videos",
    "lagot": "LaGOT",
    "lagot_sot_mode": "LaGOT",
}


def unsupported_name(name: str, what: str, known: Iterable[str], supported: str = METHODS) -> str:
    """What to say of a name that is known and not supported; `what` says of what it is, as "is the network of ATOM"."""
    return f"{name} {what}, which is not supported; supported are {supported}: {listed(known)}"


def refused_name(
    kind: str, name: str, known: Iterable[str], unsupported: Mapping[str, str], supported: str = METHODS
) -> InputError:
    """Error for a name that is not among `known`: as `unknown_name`, but without a guess where it is `unsupported`."""
    if method := unsupported.get(name):
        return InputError(unsupported_name(name, f"names pytracking's {kind} of {method}", known, supported))
    return unknown_name(kind, name, known)
