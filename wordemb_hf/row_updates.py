"""AdamW that leaves the rows of large tables alone until they are read, and then does what it left out.

In AdamW (Kingma & Ba 2015, "Adam", algorithm 1; Loshchilov & Hutter 2019, algorithm 2) a row without a gradient still
moves: its moments decay, and the weight goes on along them. With 100,000 words that is most of a step, for rows that
nobody reads. Here a row waits, and is brought up to date before a batch reads it, as Carpenter 2008 ("Lazy Sparse
Stochastic Gradient Descent for Regularized Multinomial Logistic Regression", section 4) does for weight decay. It is
not the "lazy Adam" of `torch.optim.SparseAdam`, which drops these moves: there a rare word goes a tenth as far.

A row whose moments are of step t, `m` and `v`, sees no gradient in steps t + 1 to n. With a = beta1 / sqrt(beta2), the
rate r(s) and the weight decay d, AdamW does in step s

    w <- (1 - r(s) d) w - c(s) a^(s - t) m / (sqrt(v) + e(s)),   c(s) = r(s) sqrt(1 - beta2^s) / (1 - beta1^s),

where e(s) = eps sqrt((1 - beta2^s) / beta2^(s - t)). But for e(s), the fraction does not depend on s: with one e in its
place all steps are one,

    w <- keep(t) w - drift(t) m / (sqrt(v) + e),   m <- beta1^(n - t) m,   v <- beta2^(n - t) v,

with numbers for each t since the table was whole, which every step renews: `keep *= 1 - r(n) d` and
`drift = drift (1 - r(n) d) + c(n) a^(n - t)`. That they are shared by all rows is what makes it cheap. For e the mean
of all e(s) is taken, weighted as the steps are in `drift`; the error is then of second order, a part of
(eps / sqrt(v))^2 of a move, and nothing where gradients are above 1e-5, since eps is 1e-8. Rows with a gradient take
PyTorch's own step.

An average, `A <- k(s) A + (1 - k(s)) w` after each step s, waits with its row. Step s takes something off the row, by
which A - w grows, and then that is k(s) times as much. With u the fraction above, all steps are one again:

    A <- w(n) + lag(t) (A - w) + lag_decay(t) w + lag_drift(t) u,

where `lag *= k(n)`, `lag_drift = k(n) (lag_drift + drift(n) - drift(n - 1))` and `lag_decay = k(n) (lag_decay +
keep(n - 1) - keep(n))`. Of a row that stands still, only `A <- w + lag(t) (A - w)` is left.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.utils.hooks import RemovableHandle

Table = nn.Embedding | nn.EmbeddingBag
# Numbers in a table from which on waiting is faster for batches of sentences. With 300 words in a text it is slower
# here, and faster with six times as many (benchmarks/training.py --only rows).
LARGE = 1 << 21
_WINDOW = 1000  # steps after which all rows are brought up to date, so that the books stay short
_CHUNK = 1 << 13  # rows that are brought up to date at once
_LAGS = ("lag", "lag_decay", "lag_drift")


def large_tables(model: nn.Module, accelerator: Accelerator, smallest: int = LARGE) -> list[Table]:
    """The tables of a model whose rows may wait: large ones that are looked up and nothing else.

    Not those of a model with a softmax over its words, which reads all rows in each step. None on a GPU, where a dense
    step takes no time and finding the rows of a batch would make the host wait; nor with several processes, since
    gloo's sum of sparse gradients has been seen to corrupt memory. AdamW is what they take there, to the same weights.
    """
    if accelerator.device.type != "cpu" or accelerator.num_processes > 1:
        return []
    if getattr(model, "get_output_embeddings", lambda: None)() is not None:
        return []
    names = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
    return [
        module
        for module in model.modules()
        if isinstance(module, Table)
        and module.weight.requires_grad
        and module.weight.dtype in (torch.float32, torch.float64)
        and module.weight.numel() >= smallest
        and names.count(id(module.weight)) == 1
        and module.max_norm is None
        and not module.scale_grad_by_freq
    ]


class RowAdamW(torch.optim.AdamW):
    """AdamW; while it is entered (`with optimizer:`), rows of the given tables wait until they are read.

    What it remembers of a table is, beside AdamW's own, `row_step (rows,)`, the step since `settled` that a row is of,
    and the books `keep`, `drift` and `drift_epsilon`, which is `drift` times the mean e; with an average also `lag`,
    `lag_decay` and `lag_drift`. All of it is in `state_dict()`, and the weights and averages of a checkpoint are those
    that wait: a training goes on from there bit by bit.
    Averages of tables that wait are renewed here: `averages` by weight, with the `average_share` that a step keeps.

    Args:
        groups: as for `torch.optim.AdamW`.
        learning_rate: likewise.
        tables: modules that are called with the ids to look up as their first argument.
    """

    def __init__(self, groups: Iterable[Any], learning_rate: float, tables: Sequence[Table] = ()):
        super().__init__(groups, lr=learning_rate, fused=True)
        self._tables = {table.weight: table for table in tables}
        self._called: set[Tensor] = set()
        self._hooks: list[RemovableHandle] = []
        self.averages: dict[Tensor, Tensor] = {}
        self.average_share = 1.0

    def __enter__(self) -> "RowAdamW":
        for table in self._tables.values():
            table.sparse = True
            self._hooks.append(table.register_forward_pre_hook(self._before_reading))
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        for table in self._tables.values():
            table.sparse = False

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Rows with a gradient take AdamW's step, other weights too; what waits has to wait a step more."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    self._stand_still(weight, group)
                    continue
                if weight in self._tables and weight.grad.is_sparse and weight in self._called:
                    self._step_rows(weight, group)
                    weight.grad = None
                elif weight in self._tables:  # read in a way that cannot be seen coming
                    self._settle(weight, group)
                    self._forget(weight)
                    self._tables.pop(weight).sparse = False
                if weight.grad is not None and weight.grad.is_sparse:
                    weight.grad = weight.grad.to_dense()
        return super().step(closure)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring all rows up to date: the tables are now what AdamW would have made of them."""
        for group in self.param_groups:
            for weight in group["params"]:
                self._settle(weight, group)

    def waits(self, weight: Tensor) -> bool:
        """Whether rows of this weight, and of its average, wait."""
        return weight in self._tables

    def load_state_dict(self, state_dict: Any) -> None:
        """Remember this; rows that waited, and are of no table that does, are brought up to date."""
        super().load_state_dict(state_dict)
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight not in self._tables:
                        self._settle(weight, group)
                        self._forget(weight)

    def _before_reading(self, table: Table, inputs: tuple[Any, ...]) -> None:
        self._called.add(table.weight)
        if self._waited(table.weight):
            with torch.no_grad():
                self._catch_up(table.weight, self._group_of(table.weight), inputs[0].unique())

    def _group_of(self, weight: Tensor) -> dict[str, Any]:
        return next(group for group in self.param_groups if any(weight is other for other in group["params"]))

    def _waited(self, weight: Tensor) -> int:
        """Steps since the table was settled."""
        state = self.state.get(weight, {})
        return int(state["step"] - state["settled"]) if "settled" in state else 0

    def _step_rows(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "step" not in state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        if "settled" not in state:
            state["settled"] = state["step"].clone()
            state["row_step"] = weight.new_zeros(len(weight))
            # A checkpoint keeps numbers in the type of the weights.
            state["keep"] = weight.new_ones(_WINDOW + 1)
            state["drift"], state["drift_epsilon"] = weight.new_zeros(_WINDOW + 1), weight.new_zeros(_WINDOW + 1)
        gradient = cast(Tensor, weight.grad).coalesce()
        rows = gradient.indices()[0]
        self._catch_up(weight, group, rows)
        tables = [weight, state["exp_avg"], state["exp_avg_sq"]]
        words, first, second = (table.index_select(0, rows) for table in tables)
        beta1, beta2 = group["betas"]
        adamw(
            [words],
            [gradient.values()],
            [first],
            [second],
            [],
            [state["step"]],  # becomes one more
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        for table, values in zip(tables, (words, first, second), strict=True):
            table.index_copy_(0, rows, values)
        waited = self._waited(weight)
        state["row_step"].index_fill_(0, rows, waited)
        step, decay = float(state["step"]), 1.0 - group["lr"] * group["weight_decay"]
        late = torch.arange(waited, 0, -1, dtype=torch.float64)  # (waited,)
        spread = math.sqrt(1.0 - beta2**step)
        drift = group["lr"] * spread / (1.0 - beta1**step) * (beta1 / math.sqrt(beta2)) ** late
        if weight in self.averages:
            average = self.averages[weight]
            average.index_copy_(0, rows, average.index_select(0, rows).lerp_(words, 1.0 - self.average_share))
            self._lag(weight, waited, 1.0 - decay, drift)
        state["keep"][:waited].mul_(decay)
        state["drift"][:waited].mul_(decay).add_(drift)
        state["drift_epsilon"][:waited].mul_(decay).add_(drift * (group["eps"] * spread) * beta2 ** (-0.5 * late))
        if waited == _WINDOW:
            self._settle(weight, group)

    def _lag(self, weight: Tensor, waited: int, decay: float, drift: Tensor) -> None:
        """Averages lag behind by one step more, in which rows that wait lose so much."""
        state = self.state[weight]
        if "lag" not in state:
            state["lag"] = weight.new_ones(_WINDOW + 1)
            state["lag_decay"], state["lag_drift"] = weight.new_zeros(_WINDOW + 1), weight.new_zeros(_WINDOW + 1)
        state["lag_decay"][:waited].add_(state["keep"][:waited], alpha=decay)
        state["lag_drift"][:waited].add_(drift).sub_(state["drift"][:waited], alpha=decay)
        for name in _LAGS:
            state[name][:waited].mul_(self.average_share)

    def _stand_still(self, weight: Tensor, group: dict[str, Any]) -> None:
        """A step without any gradient moves the average of a table alone, and only if the table has ever moved."""
        if weight in self.averages and self.waits(weight) and "step" in self.state.get(weight, {}):
            self._settle(weight, group)
            self.averages[weight].lerp_(weight, 1.0 - self.average_share)

    def _catch_up(self, weight: Tensor, group: dict[str, Any], rows: Tensor) -> None:
        """Bring these rows, each named once, up to date."""
        state, waited = self.state[weight], self._waited(weight)
        since = state["row_step"].index_select(0, rows)
        late = since < waited
        rows, since = rows[late], since[late]
        if not len(rows):
            return
        tables = self._that_wait(weight)
        values = [table.index_select(0, rows) for table in tables]
        _go_on(values, since, waited, state, group)
        for table, value in zip(tables, values, strict=True):
            table.index_copy_(0, rows, value)
        state["row_step"].index_fill_(0, rows, waited)

    def _settle(self, weight: Tensor, group: dict[str, Any]) -> None:
        waited = self._waited(weight)
        if not waited:
            return
        state = self.state[weight]
        tables = [state["row_step"], *self._that_wait(weight)]
        for since, *values in zip(*(table.split(_CHUNK) for table in tables), strict=True):
            _go_on(values, since, waited, state, group)
        state["row_step"].zero_()
        for name in {"keep", "drift", "drift_epsilon", *_LAGS} & state.keys():
            state[name].fill_(1.0 if name in ("keep", "lag") else 0.0)
        state["settled"] = state["step"].clone()

    def _forget(self, weight: Tensor) -> None:
        for name in ("settled", "row_step", "keep", "drift", "drift_epsilon", *_LAGS):
            self.state.get(weight, {}).pop(name, None)

    def _that_wait(self, weight: Tensor) -> list[Tensor]:
        """The table, its moments, and its average once that lags."""
        state = self.state[weight]
        return [weight, state["exp_avg"], state["exp_avg_sq"], *([self.averages[weight]] if "lag" in state else [])]


def _go_on(
    values: Sequence[Tensor], since: Tensor, waited: int, state: dict[str, Tensor], group: dict[str, Any]
) -> None:
    """What rows missed, in place.

    Args:
        values: rows of the table, `(rows, width)`, their two moments and, if there is one, their average.
        since: the step that each is of, `(rows,)`.
        waited: the step that they are brought to.
        state: what the optimizer remembers of the table.
        group: the settings of its group.
    """
    (words, first, second, *averages), (beta1, beta2) = values, group["betas"]
    keep, drift, drift_epsilon = (state[name][since.long()].unsqueeze(1) for name in ("keep", "drift", "drift_epsilon"))
    # A row without a gradient so far has no moments, and must not become 0 / 0.
    epsilon = (drift_epsilon / drift.clamp(min=1e-30)).clamp(min=1e-30)  # (rows, 1)
    moves = second.sqrt().add_(epsilon).reciprocal_().mul_(first)
    for average in averages:
        lag, lag_decay, lag_drift = (state[name][since.long()].unsqueeze(1) for name in _LAGS)
        average.sub_(words).mul_(lag).addcmul_(words, lag_decay).addcmul_(moves, lag_drift)
    words.mul_(keep).addcmul_(moves, drift, value=-1.0)
    for average in averages:
        average.add_(words)
    late = waited - since.double()
    first.mul_((beta1**late).to(words.dtype).unsqueeze(1))
    second.mul_((beta2**late).to(words.dtype).unsqueeze(1))
