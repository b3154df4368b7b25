"""The ladder of a search's audits: ever dearer settings with their prices, up to the original one."""

from collections.abc import Callable
from dataclasses import replace

from econas.strategy.audit import Step
from zoo.population.proxy import ProxySetting
from zoo.spaces.skeleton import Skeleton


def ladder(setting: ProxySetting, skeleton: Skeleton, price: Callable[[ProxySetting], float]) -> tuple[Step, ...]:
    """The settings dearer than ``setting``, with what an epoch at each costs."""
    return tuple(Step(one, price(one)) for one in dearer(setting, skeleton))


def dearer(setting: ProxySetting, skeleton: Skeleton) -> list[ProxySetting]:
    """Ever dearer settings, one level of channels and resolution at a time, then of samples, up to the original.

    Those that train the same thing with this skeleton are left out.
    """
    found: list[ProxySetting] = []
    small = setting
    while (small.c, small.r, small.s) != (0, 0, 0):
        if small.c or small.r:
            small = replace(small, c=max(0, small.c - 1), r=max(0, small.r - 1))
        else:
            small = replace(small, s=small.s - 1)
        before = found[-1] if found else setting
        if _effect(small, skeleton) != _effect(before, skeleton):
            found.append(small)
    return found


def _effect(setting: ProxySetting, skeleton: Skeleton) -> tuple[int, int, int]:
    small = setting.skeleton(skeleton)
    return small.channels, small.resolution, setting.s
