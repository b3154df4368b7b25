"""The form of a supernet: everything that decides which modules it has, except its skeleton; no torch."""

from dataclasses import dataclass
from typing import Literal

from zoo.spaces.chain import chain_of
from zoo.spaces.genotype import Genotype, SpaceGenotype

Start = Literal["identity", "random"]
STARTS: tuple[Start, ...] = ("identity", "random")
"""What stabilizers begin as: the plain skip they stand for, or weights as random as any other convolution's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetForm:
    """What decides a supernet's modules, besides its skeleton.

    Attributes:
        space: of its paths.
        stabilizers: whether a skip is the equivariant learnable stabilizer, a linear 1×1 convolution; plain otherwise.
        shared_squeeze: whether the choices of a layer that have as many hidden channels share squeeze-excitation.

    Raises:
        ValueError: for a space that is none of chain networks.
    """

    space: str
    stabilizers: bool = True
    shared_squeeze: bool = False

    def __post_init__(self) -> None:
        chain_of(self.space)

    @property
    def genotype(self) -> SpaceGenotype:
        """The supernet as trials carry it."""
        options = (("shared_squeeze", self.shared_squeeze), ("stabilizers", self.stabilizers))
        return SpaceGenotype(self.space, options)

    @classmethod
    def of(cls, genotype: Genotype) -> "SupernetForm":
        """Read :attr:`genotype`'s form.

        Raises:
            ValueError: for another genotype than a supernet's, or other options.
        """
        if not isinstance(genotype, SpaceGenotype):
            raise ValueError("expected the genotype of a supernet, got that of one network")
        options = dict(genotype.options)
        if set(options) != {"shared_squeeze", "stabilizers"} or not all(isinstance(v, bool) for v in options.values()):
            raise ValueError(
                f"a supernet has the options shared_squeeze and stabilizers, true or false; got {sorted(options)}"
            )
        return cls(
            space=genotype.space,
            stabilizers=bool(options["stabilizers"]),
            shared_squeeze=bool(options["shared_squeeze"]),
        )
