"""The STEER network: tied graph auto-encoder, clock, gate and kinetic experts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_tissue_dynamics.steer.attention import GraphAttention, SparseRows, weighted_sum

DROPOUT = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Output of the network for cells.

    Parameters
    ----------
    z
        (cells, latent) latent representation.
    time
        (cells,) latent time in (0, 1).
    gate
        (cells, experts) probability of each expert, rows sum to one.
    reconstruction
        (cells, 2 genes) reconstructed input, unspliced first; None where it was not asked for.
    """

    z: Tensor
    time: Tensor
    gate: Tensor
    reconstruction: Tensor | None = None


class SteerNetwork(nn.Module):
    r"""Graph-attention auto-encoder with tied weights, and heads on its latent representation.

    .. math::
        Z = \mathrm{BN}(\mathrm{ELU}(\mathrm{BN}(\mathrm{GAT}_{W_1}(X))) W_2), \quad
        \hat X = \sigma(\mathrm{BN}(\mathrm{ELU}(\mathrm{BN}(A_w Z W_2^\top)) W_1^\top))

    where :math:`A_w` holds the attention weights of the encoder. Encoder and decoder share one parameter per
    weight matrix, or have two on the same memory (:meth:`move_twice`), and the latent representation is summed over
    the neighbors before it is widened.
    Formulas: Liu et al. 2026, doi:10.1093/nsr/nwag199.

    Shapes
    ------
    ``x`` (cells, 2 genes), unspliced first; ``incoming`` one row per cell.

    Parameters
    ----------
    n_genes, n_experts
        Numbers of genes and experts.
    hidden, latent
        Widths of the hidden layer and of the latent representation.
    expert_size
        ``slim``, ``original``, or None for a network without experts (the first stage).
    regulation
        (clusters, genes) start value of the learned regulation state, with experts only.
    units
        (experts, genes, 3) rates that an expert says with one half; its rates then lie between 0 and twice these.
        Rates are between 0 and 1 without.
    """

    def __init__(
        self,
        n_genes: int,
        n_experts: int,
        *,
        hidden: int = 512,
        latent: int = 128,
        expert_size: str | None = None,
        regulation: Tensor | None = None,
        units: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.inward = GraphAttention(2 * n_genes, hidden)
        self.latent_weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden, latent)))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in (hidden, latent, hidden, 2 * n_genes))
        self.clock = _head(latent, 1)
        self.gate = _head(latent, n_experts)
        self.experts = nn.ModuleList()
        if expert_size is not None:
            self.experts.extend(Expert(latent, n_genes, expert_size) for _ in range(n_experts))
        self.regulation = None if regulation is None else nn.Parameter(regulation.clone())
        self.register_buffer("units", None if units is None else 2 * units.flatten(1))
        self._outward: tuple[Tensor, ...] = ()

    def move_twice(self) -> tuple[Tensor, ...]:
        """Let the decoder have parameters of its own on the memory of the tied weights, and return them.

        An optimizer that also moves these, after those of the network, moves the tied weights twice in each step:
        by the gradient of the encoder and by that of the decoder, each with its own moments and weight decay. To be
        called when the network is on its device.
        """
        self._outward = tuple(nn.Parameter(weight.detach()) for weight in (self.latent_weight, self.inward.weight))
        return self._outward

    def forward(self, x: Tensor, incoming: SparseRows) -> Encoding:
        """Return latent representation, time, gate and reconstruction of all cells."""
        z, weights = self.encode(x, incoming)
        return Encoding(z, *self.heads(z), self.decode(z, weights, incoming))

    def heads(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return time (cells,) and gate (cells, experts)."""
        return torch.sigmoid(self.clock(z)).squeeze(1), torch.softmax(self.gate(z), dim=1)

    def encode(self, x: Tensor, incoming: SparseRows) -> tuple[Tensor, Tensor]:
        """Return the latent representation (cells, latent) and the attention weights (edges,)."""
        messages, weights = self.inward(x, incoming)
        h = functional.elu(self.norms[0](messages), inplace=True)  # (cells, hidden)
        return self.norms[1](h @ self.latent_weight), weights

    def decode(self, z: Tensor, weights: Tensor, incoming: SparseRows) -> Tensor:
        """Return the reconstructed input (cells, 2 genes)."""
        latent, wide = self._outward or (self.latent_weight, self.inward.weight)
        h = weighted_sum(incoming, weights, z) @ latent.T
        h = functional.elu(self.norms[2](h), inplace=True)  # (cells, hidden)
        return self.norms[3](h @ wide.T).sigmoid_()

    def rates(self, z: Tensor, time: Tensor, gate: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return transcription, splicing and degradation rates, (cells, genes, 3).

        The experts are averaged with the gate. ``generator`` draws their dropout in training.
        """
        latent_and_time = torch.cat([z, time[:, None]], dim=1)
        weights = gate.unbind(1) if self.units is None else [gate[:, [k]] * unit for k, unit in enumerate(self.units)]
        mixed = sum(
            weight.reshape(len(z), -1) * expert(latent_and_time, generator)
            for weight, expert in zip(weights, self.experts, strict=True)
        )
        return mixed.reshape(len(z), -1, 3)


class Expert(nn.Module):
    """One kinetic expert: a small network from latent representation and time to rates.

    Shapes
    ------
    (cells, latent + 1) to (cells, 3 genes), the three rates of a gene side by side, in (0, 1).
    """

    def __init__(self, latent: int, n_genes: int, size: str) -> None:
        super().__init__()
        widths = (2 * latent, 2 * latent) if size == "slim" else (2 * latent, 4 * latent, 8 * latent)
        self.dropout = DROPOUT if size == "slim" else 0.0
        inputs = (latent + 1, *widths[:-1])
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in zip(inputs, widths, strict=True))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.last = nn.Linear(widths[-1], 3 * n_genes)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the rates; dropout, in training only, is drawn from ``generator``."""
        for linear, norm in zip(self.linears, self.norms, strict=True):
            x = functional.leaky_relu(norm(linear(x)))
            if self.training and self.dropout:
                keep = torch.rand(x.shape, generator=generator, device=x.device) >= self.dropout
                x = x * (keep / (1 - self.dropout))
        return torch.sigmoid(self.last(x))


def velocity(
    rates: Tensor, u: Tensor, s: Tensor, *, alpha: Tensor | None = None, ratio: Tensor | None = None
) -> Tensor:
    r"""Return the direction of change in the phase plane.

    .. math:: v_u = \alpha - \beta u, \quad v_s = \kappa \beta u - \gamma s

    Shapes
    ------
    ``rates`` (cells, genes, 3), ``u`` and ``s`` (cells, genes); ``alpha`` (cells, genes) replaces the rate of
    transcription; ``ratio`` (genes,) is what u was divided by over what s was divided by, κ, 1 if omitted (as
    published). Returns (2, cells, genes): change of unspliced, then of spliced.
    """
    transcription, splicing, degradation = rates.unbind(-1)
    if alpha is not None:
        transcription = alpha
    spliced_now = splicing * u
    made = spliced_now if ratio is None else ratio * spliced_now
    return torch.stack([transcription - spliced_now, made - degradation * s])


def _head(latent: int, outputs: int) -> nn.Sequential:
    middle = max(latent // 2, 1)
    return nn.Sequential(nn.Linear(latent, middle), nn.LeakyReLU(), nn.Linear(middle, outputs))
