"""The supernet: a network of cells in which every edge mixes all operations, weighted by α and β."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from milenas.supernet.config import KINDS, SupernetConfig
from milenas.supernet.derivation import derive_cell
from milenas.supernet.operations import MOMENTUM, Branch, Norm, Pool, without_parameters
from milenas.supernet.topology import merged
from zoo.networks.cell_network import initialise
from zoo.networks.operations import FactorizedReduce, relu_conv_norm
from zoo.networks.phases import from_phases, to_phases
from zoo.spaces.genotype import INPUTS, CellGenotype
from zoo.spaces.operations import OPERATIONS, Operation
from zoo.spaces.skeleton import CellPlan, Skeleton

START = 1e-3
"""Standard deviation of α and β at the start (Liu et al. 2019)."""


Drawn = Mapping[str, Sequence[Sequence[int]]]
"""For each kind of cell the operations that every edge computes."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """What the edges of one kind of cell carry: (edges, operations) weights, and which operations are computed."""

    weights: Tensor
    computed: Sequence[Sequence[int]]


class SearchCell(nn.Module):
    """A cell whose edges mix operations: x_j = Σ_i s(i,j) Σ_o softmax(α_ij)_o · o(x_i) (Eq. 1, 6, Huang 2020)."""

    def __init__(self, shape: SupernetConfig, plan: CellPlan) -> None:
        super().__init__()
        c = plan.channels
        self.preprocess_0: nn.Module = (
            FactorizedReduce(plan.before_previous, c)
            if plan.after_reduction
            else relu_conv_norm(plan.before_previous, c, 1)
        )
        self.preprocess_1: nn.Module = relu_conv_norm(plan.previous, c, 1)
        without_parameters(self)
        self.count = shape.cell.nodes
        self.edges = shape.cell.edges
        self.pools, self.branches = nn.ModuleDict(), nn.ModuleDict()
        self.terms: list[list[str]] = []  # for every edge and operation: "", "skip", a pool's or a branch's name
        for edge, (source, _) in enumerate(self.edges):
            stride = 2 if plan.reduction and source < INPUTS else 1
            self.terms.append([self._term(OPERATIONS[o], c, stride, edge, source) for o in shape.operations])
        self.halves = plan.reduction

    def _term(self, operation: Operation, channels: int, stride: int, edge: int, source: int) -> str:
        if operation.kind == "none":
            return ""
        if operation.kind == "skip" and stride == 1:
            return "skip"
        if operation.kind in ("avg_pool", "max_pool"):
            name = f"{source}_{operation.name}"
            if name not in self.pools:
                self.pools[name] = Pool(operation, channels, stride)
            return f"pool {name}"
        name = f"{edge}_{operation.name}"
        self.branches[name] = Branch(operation, channels, stride)
        return f"branch {name}"

    def forward(self, before: Tensor, previous: Tensor, mixing: Mixing) -> Tensor:
        # (B, C_pp, H', W'), (B, C_p, H, W) -> (B, C · nodes, H or H/2, W or W/2)
        states = [self.preprocess_0(before), self.preprocess_1(previous)]
        shared = _Shared(self.pools, states)
        for node in range(INPUTS, INPUTS + self.count):
            total: Tensor | None = None
            phases: Tensor | None = None
            for edge, (source, target) in enumerate(self.edges):
                if target != node:
                    continue
                for place in mixing.computed[edge]:
                    kind, _, name = self.terms[edge][place].partition(" ")
                    weight = mixing.weights[edge, place]
                    if kind == "branch":
                        branch = self.branches[name]
                        assert isinstance(branch, Branch)
                        if branch.even:
                            total = _add(total, branch.phased(shared.even(source), weight))
                        elif branch.dilated and shared.divides(source):
                            phases = _add(phases, branch.phased(shared.phases(source), weight))
                        else:
                            total = _add(total, branch(shared.rectified(source), weight))
                    elif kind == "pool":
                        total = _add_scaled(total, shared.pooled(source, name), weight)
                    elif kind == "skip":
                        total = _add_scaled(total, states[source], weight)
            if phases is not None:
                total = _add(total, from_phases(phases))
            states.append(self._zeros(states[1]) if total is None else total)
        return torch.cat(states[INPUTS:], dim=1)

    def _zeros(self, like: Tensor) -> Tensor:
        """The maps of a node that sums nothing."""
        return torch.zeros_like(like[:, :, ::2, ::2] if self.halves else like)


class _Shared:
    """What all edges from a node have in common, made when it is first asked for."""

    def __init__(self, pools: nn.ModuleDict, states: list[Tensor]) -> None:
        self._pools, self._states = pools, states
        self._held: dict[tuple[str, int], Tensor] = {}

    def divides(self, source: int) -> bool:
        """Whether dilated convolutions are faster on phases, and the node's maps have any."""
        state = self._states[source]
        return state.device.type == "cpu" and not (state.shape[2] % 2 or state.shape[3] % 2)

    def rectified(self, source: int) -> Tensor:
        """The node's maps after a ReLU, with which every branch begins."""
        return self._once("relu", source, lambda: torch.relu(self._states[source]))

    def phases(self, source: int) -> Tensor:
        """Their phases."""
        return self._once("phases", source, lambda: to_phases(self.rectified(source)))

    def even(self, source: int) -> Tensor:
        """Their pixels of even rows and columns, copied once for all who read them."""
        return self._once(
            "even", source, lambda: self.rectified(source)[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)
        )

    def pooled(self, source: int, name: str) -> Tensor:
        """The node's maps pooled and normalised."""
        return self._once(name, source, lambda: self._pools[name](self._states[source]))

    def _once(self, what: str, source: int, make: Callable[[], Tensor]) -> Tensor:
        if (what, source) not in self._held:
            self._held[what, source] = make()
        return self._held[what, source]


def _add(total: Tensor | None, term: Tensor) -> Tensor:
    """The sum, in the place of ``total``, which nobody else holds: a term is an operation's fresh output."""
    return term if total is None else total.add_(term)


def _add_scaled(total: Tensor | None, term: Tensor, weight: Tensor) -> Tensor:
    """As :func:`_add`; what is scaled may be shared, its product is not."""
    return term * weight if total is None else total.addcmul_(term, weight.to(term.dtype))


class Supernet(nn.Module):
    """A stack of search cells with stem, global average pooling and a linear classifier, and its α and β.

    α and β are parameters of their own kind, see :meth:`architecture`; all others are :meth:`weights`.

    Args:
        shape: of the cells.
        skeleton: channels, cells, resolution, classes; the CIFAR form.
        discrete: whether :meth:`forward` without a mixing uses every edge's strongest operation alone, as a
            network trained by sampling wants.

    Raises:
        ValueError: for another form of skeleton.
    """

    def __init__(self, shape: SupernetConfig, skeleton: Skeleton, *, discrete: bool = False) -> None:
        super().__init__()
        if skeleton.form != "cifar":
            raise ValueError(f"a supernet has the cifar form, got {skeleton.form!r}")
        self.shape, self.skeleton, self.discrete = shape, skeleton, discrete
        topology, operations = shape.cell, len(shape.operations)
        for kind in KINDS:
            setattr(self, f"alpha_{kind}", nn.Parameter(torch.empty(len(topology.edges), operations)))
            if topology.choosers:
                setattr(self, f"beta_{kind}", nn.Parameter(torch.empty(sum(topology.sizes))))
        width = skeleton.stem_channels
        self.stem = nn.Sequential(nn.Conv2d(skeleton.in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        self.reductions = []
        for plan in skeleton.plan(shape.full_cells()):
            self.cells.append(SearchCell(shape, plan))
            self.reductions.append(plan.reduction)
            width = plan.channels * topology.nodes
        self.classifier = nn.Linear(width, skeleton.classes)

    def alpha(self, kind: str) -> nn.Parameter:
        """(edges, operations) logits of the operations of "normal" or "reduction" cells."""
        parameter = getattr(self, f"alpha_{kind}")
        assert isinstance(parameter, nn.Parameter)
        return parameter

    def beta(self, kind: str) -> nn.Parameter | None:
        """Logits of the topology choices of "normal" or "reduction" cells; None for the fixed topology."""
        parameter = getattr(self, f"beta_{kind}", None)
        assert parameter is None or isinstance(parameter, nn.Parameter)
        return parameter

    def alphas(self) -> list[nn.Parameter]:
        """α of both kinds of cells."""
        return [self.alpha(kind) for kind in KINDS]

    def betas(self) -> list[nn.Parameter]:
        """β of both kinds of cells; empty for the fixed topology."""
        return [beta for kind in KINDS if (beta := self.beta(kind)) is not None]

    def architecture(self) -> list[nn.Parameter]:
        """α, then β."""
        return self.alphas() + self.betas()

    def weights(self) -> list[nn.Parameter]:
        """w: every parameter that is neither α nor β."""
        return list(self._weights())

    def _weights(self) -> Iterator[nn.Parameter]:
        apart = {id(parameter) for parameter in self.architecture()}
        return (parameter for parameter in self.parameters() if id(parameter) not in apart)

    def track(self, wanted: bool) -> None:
        """Whether running statistics follow the batches: in steps of w they do, in steps of α and β they do not."""
        for module in self.modules():
            if isinstance(module, Norm):
                module.track = wanted
            elif isinstance(module, nn.BatchNorm2d):
                module.momentum = MOMENTUM if wanted else 0.0

    def edge_weights(self, kind: str) -> Tensor:
        """(edges, operations): softmax(α), times the merged topology weights where the topology is learned."""
        beta, mixed = self.beta(kind), self.alpha(kind).softmax(1)
        return mixed if beta is None else mixed * merged(self.shape.cell, beta)[:, None]

    def mixed(self) -> dict[str, Mixing]:
        """Every operation at its weight."""
        real = [i for i, name in enumerate(self.shape.operations) if name != "none"]
        return {kind: Mixing(self.edge_weights(kind), [real] * len(self.shape.cell.edges)) for kind in KINDS}

    def sampled(
        self, noise: dict[str, Tensor] | None, temperature: float = 1.0, drawn: Drawn | None = None
    ) -> dict[str, Mixing]:
        """One operation per edge, drawn by Gumbel's trick; gradients pass as if by its softmax (Dong, Yang 2019).

        Args:
            noise: (edges, operations) standard Gumbel numbers for each kind; None takes the strongest operation.
            temperature: τ of the softmax that gradients pass through.
            drawn: from :meth:`drawn` of this noise; None asks the device.

        Only the drawn operation is computed; the probabilities of the others get their gradient through it.
        """
        mixing = {}
        (drawn,) = self.drawn([noise], temperature) if drawn is None else [drawn]
        for kind in KINDS:
            soft = self._softened(kind, noise, temperature)
            place = soft.argmax(1, keepdim=True)
            hard = torch.zeros_like(soft).scatter_(1, place, 1.0) - soft.detach() + soft
            beta = self.beta(kind)
            weights = hard if beta is None else hard * merged(self.shape.cell, beta)[:, None]
            mixing[kind] = Mixing(weights, drawn[kind])
        return mixing

    @torch.no_grad()
    def drawn(self, noises: Sequence[dict[str, Tensor] | None], temperature: float = 1.0) -> list[Drawn]:
        """What every edge draws by each of some noises at the current α: known after one look at the device."""
        places = [
            torch.stack([self._softened(kind, noise, temperature).argmax(1, keepdim=True) for kind in KINDS])
            for noise in noises
        ]
        return [dict(zip(KINDS, kinds, strict=True)) for kinds in torch.stack(places).tolist()]

    def _softened(self, kind: str, noise: dict[str, Tensor] | None, temperature: float) -> Tensor:
        logits = self.alpha(kind).log_softmax(1)
        return ((logits if noise is None else logits + noise[kind]) / temperature).softmax(1)

    def forward(self, x: Tensor, mixing: dict[str, Mixing] | None = None) -> Tensor:
        """Logits (B, classes) of images (B, in_channels, H, W)."""
        if mixing is None:
            mixing = self.sampled(None) if self.discrete else self.mixed()
        before = previous = self.stem(x)
        for reduction, cell in zip(self.reductions, self.cells, strict=True):
            before, previous = previous, cell(before, previous, mixing["reduction" if reduction else "normal"])
        logits: Tensor = self.classifier(previous.mean(dim=(2, 3)))
        return logits

    def derive(self) -> CellGenotype:
        """The genotype that α and β stand for now.

        Raises:
            NoNodeLeftError: if a cell has no node left.
        """
        cells = [
            derive_cell(self.shape.cell, self.shape.operations, self.alpha(kind), self.beta(kind), self.shape.keep)
            for kind in KINDS
        ]
        return CellGenotype(*cells)


def build_supernet(
    shape: SupernetConfig,
    skeleton: Skeleton,
    generator: torch.Generator,
    *,
    discrete: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Supernet:
    """A supernet whose initial numbers come from ``generator`` alone, a CPU generator, on any device.

    Weights are distributed as torch's defaults, α and β as 1e-3 · N(0, 1).
    """
    with torch.device("meta"):
        supernet = Supernet(shape, skeleton, discrete=discrete)
    supernet = supernet.to_empty(device="cpu")
    initialise(supernet, generator)
    for module in supernet.modules():
        if isinstance(module, Norm):
            module.mean.zero_()
            module.variance.fill_(1)
    with torch.no_grad():
        for parameter in supernet.architecture():
            parameter.normal_(0, START, generator=generator)
    return supernet.to(device=device, dtype=dtype)
