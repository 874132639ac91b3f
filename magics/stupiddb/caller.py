"""The code that called a magic: whether it does something with the value.

IPython tells a magic nothing about that, so the caller's next instruction is looked at.
"""

from __future__ import annotations

import dis
from types import FrameType


def wants_value(frame: FrameType | None) -> bool:
    """Whether the value of the magic called from ``frame`` (IPython's) is used by the user's code.

    A magic that stands alone is a statement: its value would be printed or dropped, so it shows its
    result by itself; so does one that is a whole cell under ``%%time``, which evaluates it. Everything
    else, an assignment or an argument, wants the value.
    """
    while frame is not None and frame.f_code.co_name not in ("run_line_magic", "run_cell_magic"):
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None:
        return True
    after = (step for step in dis.get_instructions(caller.f_code) if step.offset > caller.f_lasti)
    step = next(after, None)
    if step is None:
        return True
    printed = step.opname == "PRINT_EXPR" or (
        step.opname == "CALL_INTRINSIC_1" and step.argrepr == "INTRINSIC_PRINT"
    )
    evaluated = step.opname == "RETURN_VALUE" and caller.f_code.co_name == "<module>"
    return not (printed or evaluated or step.opname == "POP_TOP")
