"""The hierarchical-proxy search as a strategy: cycles of children, promotions and audits, then retraining."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from econas.history.trajectory import AUDIT, CHILD, CYCLE, PROMOTION, RENEWAL
from econas.strategy.audit import Verdict, estimate, stratified
from econas.strategy.finalist import Finalist, FinalRound
from econas.strategy.parameters import Parameters
from econas.strategy.population import UNTRAINED, Network, promoted, winners
from econas.strategy.proposals import Proposals
from econas.strategy.ranking import UNKNOWN, scorer
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.purposes import AUDITED, PARENTS
from zoo.reliability.interval import FEWEST
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space

VERSION = 4
"""4: trials are tagged with their cycle (`tags`); otherwise as 3."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A trial to be asked for: a child of a parent (None: a random network), a promotion, an audit, a renewal."""

    role: str
    level: int
    source: Network | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the next cycle depends on, as one value: a look ahead that leads nowhere is taken back.

    Attributes:
        alive: networks that may be parents or be promoted, by trial.
        queue: what is still to be asked for.
        cycle: the current one, from 1.
        spent: epochs of the first setting that were asked for, audits included.
        audits_spent: those of them that were audits.
        step: how often the setting was raised.
        audited: whom this step's audits have trained.
        judging: cycle of an audit that has no verdict yet.
        raising: whether the setting is to be raised as soon as nothing is open.
        verdicts: of all audits so far.
    """

    alive: tuple[Network, ...] = ()
    queue: tuple[_Slot, ...] = ()
    cycle: int = 0
    spent: float = 0.0
    audits_spent: float = 0.0
    step: int = 0
    audited: frozenset[Genotype] = frozenset()
    judging: int | None = None
    raising: bool = False
    verdicts: tuple[Verdict, ...] = ()


class HierarchicalSearch:
    """Asks cycle by cycle; what a cycle does depends on the records of the cycles before it only.

    An asynchronous search begins the next cycle as soon as nothing of the last one is left to ask for, with what
    has been told until then, and holds a tournament when its child is asked for. Where an audit raises the setting,
    every living network is trained again at the new one up to its stage before the next tournament, so that
    scores of two settings never compete. Nor do scores of two stages: a signal such as a sum of training losses
    speaks of its own stage's epochs, and tournaments, promotions and finalists are chosen level by level.

    Args:
        space: where networks are drawn from and mutated in.
        parameters: sizes, stages, settings, budget.
        seed: of everything random in the search.
    """

    def __init__(self, space: Space, parameters: Parameters, seed: int) -> None:
        self._parameters, self._seed, self._score = parameters, seed, scorer(parameters.signal)
        self._proposals = Proposals(space, seed)
        self._open: dict[int, tuple[_Slot, Genotype]] = {}
        self._pairs: dict[int, list[tuple[float, float]]] = {}  # by step: score at the proxy, metric when audited
        self._trained: list[Network] = []  # everyone as it was after every stage, the departed included
        self._final: FinalRound | None = None  # once the search is over
        self._state = _State()
        self._fill([_Slot(CHILD, 0, None)] * parameters.start)

    @property
    def alive(self) -> Sequence[Network]:
        """The networks that may be parents or be promoted; none once the search has ended."""
        return self._state.alive

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """What the audits have found so far."""
        return self._state.verdicts

    @property
    def finalists(self) -> Sequence[tuple[Finalist, int]]:
        """The networks that were retrained to the end, best of the search first, each with the trial of its weights."""
        return [] if self._final is None else self._final.finished

    @property
    def total(self) -> float:
        """Epochs of the first setting that the run may cost; without a budget it grows when the setting is raised."""
        numbers, state = self._parameters, self._state
        if numbers.budget is not None:
            return numbers.total
        cycles = (numbers.cycles - state.cycle) * numbers.cycle_price * self._price
        audits = numbers.audit_money - state.audits_spent
        return state.spent + cycles + audits + numbers.total - numbers.search_total

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` trials of one setting and stage."""
        before = self._state
        while n > 0:
            if self._final is not None:
                return self._final.ask(n, first)
            if not self._state.queue and not self._advance():
                break
            if trials := self._batch(n, first):
                return trials  # otherwise every slot of the cycle was given up
        if self._open:
            self._state = before
        return []

    def tell(self, records: Sequence[Record]) -> None:
        """Put what was trained into its population; a network that failed is gone."""
        for record in records:
            if self._final is not None:
                self._final.tell([record])
                continue
            slot, genotype = self._open.pop(record.index)
            if slot.role == AUDIT:
                if record.ok and slot.source is not None and self._parameters.metric in record.metrics:
                    pairs = self._pairs.setdefault(self._state.step, [])
                    pairs.append((slot.source.first, record.metrics[self._parameters.metric]))
                continue
            alive = [one for one in self._state.alive if slot.role == CHILD or one is not slot.source]
            if record.ok:
                network = self._network(slot, genotype, record)
                alive.append(network)
                self._trained.append(network)
            elif slot.role == PROMOTION:
                self._trained = [one for one in self._trained if one.genotype != genotype]
            # by trial: the order of arrival must not matter
            self._state = replace(self._state, alive=tuple(sorted(alive, key=lambda network: network.trial)))

    def resumable(self) -> set[int]:
        """Trials of living networks that can still be promoted; at the end those of retrained ones."""
        if self._final is not None:
            return self._final.resumable()
        last = len(self._parameters.stages) - 1
        return {network.trial for network in self._state.alive if UNTRAINED < network.level < last}

    # -------------------------------------------------------------- a cycle

    def _advance(self) -> bool:
        """Fill the queue with what comes next, or begin the retraining; False where it must wait for records."""
        renewals = [network for network in self._state.alive if network.level < network.goal]
        if self._open and (renewals or not self._parameters.asynchronous):
            return False
        if renewals:
            self._fill([_Slot(RENEWAL, network.level + 1, network) for network in renewals])
            return True
        if self._state.judging is not None and not any(slot.role == AUDIT for slot, _ in self._open.values()):
            self._judge()
        if self._state.raising:
            if not self._open:
                self._raise()
            return not self._open
        numbers, state = self._parameters, self._state
        left = numbers.search_budget - state.spent
        if state.cycle == numbers.cycles or not self._living or left < numbers.stages[0] * self._price:
            if not self._open:
                self._finish()
            return not self._open
        self._state = replace(state, cycle=state.cycle + 1, alive=self._living)
        self._fill([*self._audits(), *self._children(), *self._promotions()])
        return True

    @property
    def _living(self) -> tuple[Network, ...]:
        """Who will be alive in the next cycle."""
        cycle = self._state.cycle + 1
        return tuple(one for one in self._state.alive if cycle - one.trained <= self._parameters.ageing)

    def _children(self) -> list[_Slot]:
        rng = np.random.default_rng((self._seed, self._state.cycle, PARENTS))
        return [_Slot(CHILD, 0, parent) for parent in winners(self._state.alive, self._parameters.parents, rng)]

    def _promotions(self) -> list[_Slot]:
        """The best of every population but the last, apart from those whose promotion is still running."""
        busy = {slot.source for slot, _ in self._open.values() if slot.role == PROMOTION}
        alive = [network for network in self._state.alive if network not in busy]
        return [
            _Slot(PROMOTION, level + 1, network)
            for level, most in enumerate(self._parameters.promotions)
            for network in promoted(alive, level, most)
        ]

    def _finish(self) -> None:
        """Retrain the best of the last stage, of the newest setting first: scores of two do not compare.

        Deviation: where fewer were trained so far than are to be retrained, as in a short search, the best of the
        stage before follow.
        """
        ranked = sorted(self._trained, key=lambda network: (-network.level, -network.step, network.rank))
        chosen = [Finalist(network.genotype, network.score, network.trial) for network in ranked]
        self._final = FinalRound(chosen, self._parameters)
        self._state = replace(self._state, alive=())

    # -------------------------------------------------------------- audits

    def _audits(self) -> list[_Slot]:
        """Whom to audit before this cycle: a stratified sample of the living that no audit of this step has seen."""
        numbers, auditing, state = self._parameters, self._parameters.audit, self._state
        if auditing is None or state.cycle not in auditing.cycles or state.step == len(auditing.ladder):
            return []
        share = (numbers.audit_money - state.audits_spent) / sum(cycle >= state.cycle for cycle in auditing.cycles)
        children = numbers.children * numbers.stages[0] * self._price  # what does not pay them as well is no audit
        count = auditing.affordable(min(share, numbers.search_budget - state.spent - children), state.step)
        unseen = [network for network in state.alive if network.genotype not in state.audited]
        if why := self._skipped(count, unseen):
            verdict = self._verdict(state.cycle, f"skipped: {why}")
            self._state = replace(state, verdicts=(*state.verdicts, verdict))
            return []
        rng = np.random.default_rng((self._seed, state.cycle, AUDITED))
        chosen = stratified(unseen, count, rng)
        audited = state.audited | {network.genotype for network in chosen}
        self._state = replace(state, judging=state.cycle, audited=audited)
        return [_Slot(AUDIT, 0, network) for network in chosen]

    def _skipped(self, count: int, unseen: Sequence[Network]) -> str:
        """Why there is no audit before this cycle; empty if there is one."""
        if self._state.judging is not None:
            return "the one before is still running"  # where nobody waits for it
        if not unseen:
            return "everyone alive was audited"
        return f"its share pays {count} networks" if count < FEWEST else ""

    def _judge(self) -> None:
        """Give the finished audit its verdict."""
        auditing, state = self._parameters.audit, self._state
        assert auditing is not None
        assert state.judging is not None
        pairs = self._pairs.get(state.step, [])
        found = estimate(pairs, self._seed, state.judging)
        raising = False
        if np.isnan(found.low):
            decision = f"undecided: {found.reason}"
        elif found.low >= auditing.limit:
            decision = "trusted"
        elif auditing.mode == "warn":
            decision = "warned"
        else:
            raising = self._affords_raising()
            decision = "escalated" if raising else "too late: training the living again leaves no cycle"
        verdict = self._verdict(state.judging, decision)
        verdict = replace(verdict, networks=len(pairs), rho=found.value, low=found.low, high=found.high)
        self._state = replace(state, judging=None, raising=raising, verdicts=(*state.verdicts, verdict))

    def _verdict(self, cycle: int, decision: str) -> Verdict:
        assert self._parameters.audit is not None
        reference = self._parameters.audit.ladder[self._state.step].setting
        nan = float("nan")
        return Verdict(cycle, self._setting, reference, 0, nan, nan, nan, decision)

    def _affords_raising(self) -> bool:
        """Whether a cycle follows, and the budget pays it and the living at the next setting."""
        numbers, state = self._parameters, self._state
        assert numbers.audit is not None
        if state.cycle == numbers.cycles or not self._living:
            return False
        epochs = sum(numbers.stages[network.level] for network in self._living) + numbers.children * numbers.stages[0]
        return state.spent + epochs * numbers.audit.ladder[state.step].price <= numbers.search_budget

    def _raise(self) -> None:
        """Go one step up the ladder; who is alive in the next cycle is to be trained again, up to where it was."""
        step = self._state.step + 1
        alive = tuple(
            replace(network, level=UNTRAINED, goal=network.level, score=UNKNOWN, first=UNKNOWN, step=step)
            for network in self._living
        )
        self._state = replace(self._state, step=step, alive=alive, audited=frozenset(), raising=False)

    # -------------------------------------------------------------- slots and trials

    @property
    def _setting(self) -> ProxySetting:
        auditing, step = self._parameters.audit, self._state.step
        return auditing.ladder[step - 1].setting if auditing and step else self._parameters.setting

    @property
    def _price(self) -> float:
        """Of an epoch of the current setting, in epochs of the first."""
        return self._parameters.price(self._setting)

    def _begin(self, level: int) -> int:
        """Epoch the stage of a population starts from."""
        return self._parameters.stages[level - 1] if level else 0

    def _cost(self, slot: _Slot) -> float:
        auditing = self._parameters.audit
        if slot.role == AUDIT and auditing is not None:
            one = auditing.ladder[self._state.step]
            return one.setting.e * one.price
        return (self._parameters.stages[slot.level] - self._begin(slot.level)) * self._price

    def _fill(self, slots: Sequence[_Slot]) -> None:
        """Queue the slots the budget still pays, in order."""
        kept, spent, audits = [], self._state.spent, self._state.audits_spent
        for slot in slots:
            cost = self._cost(slot)
            # renewals were paid for when the setting was raised
            if slot.role == RENEWAL or spent + cost <= self._parameters.search_budget:
                kept.append(slot)
                spent += cost
                audits += cost if slot.role == AUDIT else 0.0
        self._state = replace(self._state, queue=tuple(kept), spent=spent, audits_spent=audits)

    def _batch(self, n: int, first: int) -> list[Trial]:
        """The queue's next trials, as far as they share a setting and a stage."""
        trials: list[Trial] = []
        queue, spent = list(self._state.queue), self._state.spent
        kind: tuple[int, bool] | None = None
        while queue and len(trials) < n and kind in (None, (queue[0].level, queue[0].role == AUDIT)):
            slot = queue.pop(0)
            trial = self._trial(slot, first + len(trials))
            if trial is None:
                spent -= self._cost(slot)
            else:
                kind = (slot.level, slot.role == AUDIT)
                trials.append(trial)
                self._open[trial.index] = (slot, trial.genotype)
        self._state = replace(self._state, queue=tuple(queue), spent=spent)
        return trials

    def _trial(self, slot: _Slot, index: int) -> Trial | None:
        """The trial of a slot; None if no child can be found that was never trained."""
        source, stages, auditing = slot.source, self._parameters.stages, self._parameters.audit
        tags = {CYCLE: self._state.cycle}
        if slot.role == CHILD:
            source = self._parent(slot, index)
            genotype = self._proposals.draw(None if source is None else source.genotype, index)
            if genotype is None:
                return None
        else:
            assert source is not None
            genotype = source.genotype
        if slot.role == AUDIT and auditing is not None:
            setting = auditing.ladder[self._state.step].setting
            stop = setting.e
            return Trial(index=index, genotype=genotype, setting=setting, start=0, stop=stop, role=AUDIT, tags=tags)
        return Trial(
            index=index,
            genotype=genotype,
            setting=self._setting,
            start=self._begin(slot.level),
            stop=stages[slot.level],
            resumes=source.trial if source is not None and slot.level else None,
            parent=source.genotype.key if source is not None and slot.role == CHILD else None,
            role=slot.role,
            keep=slot.level < len(stages) - 1,
            tags=tags,
        )

    def _parent(self, slot: _Slot, index: int) -> Network | None:
        """Whom a child is mutated from: nobody waits, so a tournament of its population is held with who is alive now.

        Parents chosen once a cycle would, with as many workers as children, all be the first network ever told.
        """
        if not self._parameters.asynchronous or slot.source is None or not self._state.alive:
            return slot.source
        population = [int(level == slot.source.level) for level in range(len(self._parameters.stages))]
        return winners(self._state.alive, population, np.random.default_rng((self._seed, index, PARENTS)))[0]

    def _network(self, slot: _Slot, genotype: Genotype, record: Record) -> Network:
        """What has come out of a slot; a renewed network is as old as it was."""
        score, source, cycle = self._score(record), slot.source, self._state.cycle
        renewed = source is not None and slot.role == RENEWAL
        return Network(
            genotype=genotype,
            level=slot.level,
            score=score,
            trial=record.index,
            trained=source.trained if renewed and source else cycle,
            first=source.first if slot.level and source else score,
            goal=source.goal if renewed and source else slot.level,
            step=self._state.step,
        )
