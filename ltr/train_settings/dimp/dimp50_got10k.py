"""DiMP-50 on the training split of GOT-10k alone, as its protocol asks."""

from dataclasses import dataclass

from ltr.train_settings.dimp import dimp50

build = dimp50.build


@dataclass(kw_only=True)
class Options(dimp50.Options):
    train_data: tuple[str, ...] = ("got10k_train",)
    train_weights: tuple[float, ...] = (1.0,)
    val_data: tuple[str, ...] = ("got10k_val",)  # the rest of the training split
