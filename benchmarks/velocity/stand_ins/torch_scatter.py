"""Stand-in for the one function of the compiled extension that the original STEER calls."""

import torch


def scatter_max(src, index, dim=0):
    """Return the largest value per index along the first axis and the row it stands in; its gradient goes there."""
    if dim != 0:
        raise NotImplementedError("only the first axis")
    index = index.reshape(-1, *[1] * (src.dim() - 1)).expand_as(src)
    shape = (int(index.max()) + 1, *src.shape[1:])
    values = src.detach()
    largest = values.new_full(shape, -torch.inf).scatter_reduce(0, index, values, "amax")
    rows = torch.arange(len(src), device=src.device).reshape(-1, *[1] * (src.dim() - 1)).expand_as(src)
    rows = torch.where(values == largest.gather(0, index), rows, len(src))
    first = rows.new_full(shape, len(src)).scatter_reduce(0, index, rows, "amin")
    empty = first == len(src)
    return src.gather(0, first.masked_fill(empty, 0)).masked_fill(empty, 0), first
