"""Compiling kernels with Numba, also where the installation cannot be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

KernelArray: TypeAlias = Any
"""An array in a kernel: Numba infers its dtype, and mypy cannot follow scalars of fixed width."""


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel on its first call, and keep the machine code on disk where that is possible.

    A compiled kernel releases the interpreter's lock, so that threads run it side by side.
    """
    try:
        return _compile(kernel, cache=True)
    except RuntimeError:  # Numba finds no folder that it may write to
        return _compile(kernel, cache=False)


def _compile(kernel: Callable[P, R], *, cache: bool) -> Callable[P, R]:
    fast: Callable[P, R] = numba.njit(nogil=True, cache=cache, error_model="numpy")(kernel)
    return fast
