"""Stand-in for names that the original STEER imports and never uses with dense edges."""


class SparseTensor:
    pass


def set_diag(*_):
    raise NotImplementedError("only the compiled extension has this")
